"""Placeholders in request bodies: replaced in the fields named, framed right,
and in doubt left as they are."""

import gzip
import json
import threading
from urllib.parse import quote_from_bytes

import pytest

from lib.http import reply
from lib.origin import Origin
from lib.wait import DEADLINE

SECRET = 's3cret/"01\\23&789-value'
HOLD = "WEIR-LLM-KEY-000"
LLM = f"secret llm env:LLM placeholder={HOLD};\n"
BODY = LLM + "host origin.test { substitute llm in body /auth/key token; }"
JSON = [("Content-Type", "application/json")]
FORM = [("Content-Type", "application/x-www-form-urlencoded")]
IN_JSON = json.dumps(SECRET)[1:-1]
IN_FORM = quote_from_bytes(SECRET.encode(), safe="~")
CHUNKED = [("Transfer-Encoding", "chunked")]


def host(origin):
    return f"{origin.names[0]}:{origin.port}"


def start(weir, egress=BODY, **options):
    return weir(egress=egress, env={"LLM": SECRET}, **options)


def post(c, origin, headers, body):
    return c.request("POST", "/", host(origin), headers, body)


def chunks(*pieces):
    framed = b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in pieces)
    return framed + b"0\r\n\r\n"


def test_in_json_and_nowhere_else(weir, origin):
    w = start(weir)
    text = (
        '{"key":"H","auth":{"H":"H","key":"a H, \\u0057EIR-LLM-KEY-000",'
        '"not":["H"],"in":{"key":"H"}},"text":"{\\"auth\\":{\\"key\\":'
        '\\"H\\"}}","token":"H"}'
    ).replace("H", HOLD)
    wanted = text.replace(f"a {HOLD}, \\u0057EIR-LLM-KEY-000",
                          f"a {IN_JSON}, {IN_JSON}")  # fmt: skip
    with w.tunnel("origin.test", origin.port) as c:
        assert post(c, origin, JSON, text.encode()).status == 200
        assert post(c, origin, JSON, b"{}").status == 200
    first, second = origin.requests
    assert first.body.decode() == wanted
    assert first.get("Content-Length") == str(len(wanted))
    assert json.loads(first.body)["auth"]["key"] == f"a {SECRET}, {SECRET}"
    assert second.body == b"{}" and len(origin.conns) == 1
    assert b"s3cret" not in w.all_output()


def test_in_a_form_and_nowhere_else(weir, origin):
    w = start(weir)
    text = f"a={HOLD}&%74oken=%57{HOLD[1:]}+x&{HOLD}=token&/auth/key={HOLD}"
    with w.tunnel("origin.test", origin.port) as c:
        assert post(c, origin, FORM, text.encode()).status == 200
    assert origin.requests[0].body.decode() == (
        f"a={HOLD}&%74oken={IN_FORM}+x&{HOLD}=token&/auth/key={HOLD}"
    )
    assert b"s3cret" not in w.all_output()


def test_split_at_any_byte(weir, origin):
    """A body that came in chunks leaves in chunks, and what comes before a
    placeholder leaves before that comes."""
    before, behind = b'{"auth":{"key":"', b'"}}'
    begun = threading.Event()

    def script(conn):
        request = conn.read_head()
        while request.body != before:
            request.body += conn.reader.chunk()
        begun.set()
        request.body += b"".join(iter(conn.reader.chunk, b""))
        conn.send(reply(headers=[("Connection", "close")]))

    origin.script = script
    w = start(weir)
    for at in range(1, len(HOLD), 5):
        begun.clear()
        with w.tunnel("origin.test", origin.port) as c:
            c.send(f"POST / HTTP/1.1\r\nHost: {host(origin)}\r\n"
                   "Content-Type: application/json\r\n"
                   "Transfer-Encoding: chunked\r\n\r\n")  # fmt: skip
            c.send(chunks(before)[: -len(b"0\r\n\r\n")])
            assert begun.wait(DEADLINE)
            c.send(chunks(HOLD[:at].encode(), HOLD[at:].encode() + behind))
            assert c.read_response().status == 200
        request = origin.requests[-1]
        assert request.body == before + IN_JSON.encode() + behind
        assert request.all("Transfer-Encoding") == ["chunked"]


@pytest.mark.parametrize(
    "headers, body",
    [
        ([("Content-Type", "text/plain")], '{"auth":{"key":"H"}}'),
        ([], '{"auth":{"key":"H"}}'),
        (JSON + JSON, '{"auth":{"key":"H"}}'),
        (JSON, "token=H"),
        (FORM, '{"auth":{"key":"H"}}'),
        (JSON, '{"auth":{"key":["H"]}} '),
        (JSON, '[{"auth":{"key":"H"}}]'),
        (JSON, '{"auth":[],"auth":{"key":"H"}}'),
        (JSON, '{"x":\'\',"auth":{"key":"H"}}'),
        (JSON, '{"auth":{"key":"x'),
        (JSON, "[" * 600 + '{"auth":{"key":"H"}}'),
        (JSON, '\ufeff\ufeff{"auth":{"key":"H"}}'),
        ([("Content-Type", "application/json; charset=utf-16")],
         '{"auth":{"key":"H"}}'),
        ([("Content-Type", "multipart/form-data; boundary=b")],
         '--b\r\nContent-Disposition: form-data; name="token"\r\n\r\nH\r\n'
         "--b--\r\n"),
        (JSON, ""),
        (FORM, ""),
        (FORM, "x=%zz&token=H"),
        (FORM, "x;token=H"),
    ],
)  # fmt: skip
def test_in_doubt_as_it_came(weir, origin, headers, body):
    """A malformed body's last bytes too, and its digest where it is not
    read."""
    w = start(weir)
    body = body.replace("H", HOLD).encode()
    with w.tunnel("origin.test", origin.port) as c:
        assert post(c, origin, headers, body).status == 200
    assert origin.requests[0].body == body
    assert origin.requests[0].get("Content-Length") == str(len(body))


def test_a_coded_body_is_not_read(weir, origin):
    w = start(weir)
    body = gzip.compress(b'{"auth":{"key":"%s"}}' % HOLD.encode())
    headers = JSON + [("Content-Encoding", "gzip"), ("Content-MD5", "x")]
    with w.tunnel("origin.test", origin.port) as c:
        assert post(c, origin, headers, body).status == 200
    assert origin.requests[0].body == body
    assert origin.requests[0].get("Content-MD5") == "x"


@pytest.mark.parametrize(
    "body",
    [
        b'{"auth":{"key":"%s"}}{}',
        b'{"auth":{"key":"%s"},"auth":{}}',
        b'{"auth":{"key":"%s"}',
        b'{"auth":{"key":"%s',
    ],
)
def test_malformed_behind_a_value(weir, origin, body):
    """Where the head was held nothing leaves; else the body never ends."""
    w = start(weir)
    body %= HOLD.encode()
    with w.tunnel("origin.test", origin.port) as c:
        r = post(c, origin, JSON, body)
    assert r.status == 400 and b"in a malformed body" in r.body
    assert origin.conns == []
    with w.tunnel("origin.test", origin.port) as c:
        c.send(f"POST / HTTP/1.1\r\nHost: {host(origin)}\r\n"
               "Content-Type: application/json\r\n"
               "Transfer-Encoding: chunked\r\n\r\n")  # fmt: skip
        c.send(chunks(body))
        assert c.read_response().status == 400
    origin.conns[0].done.wait()
    assert origin.conns[0].requests == []
    w.wait_log("a placeholder stands in a malformed body")
    assert b"s3cret" not in w.all_output()


@pytest.mark.parametrize("size, held, framing", [
    (1000, HOLD, "Content-Length"), (65535, "none", "Content-Length"),
    (65530, HOLD, "Transfer-Encoding"), (65536, "none", "Transfer-Encoding"),
    (300000, HOLD, "Transfer-Encoding"),
])  # fmt: skip
def test_lengths(weir, origin, size, held, framing):
    """What may be held under 64 KiB, before and after."""
    w = start(weir)
    before, behind = f'{{"auth":{{"key":"{held}"}},"x":"', '"}'
    body = before + "x" * (size - len(before) - len(behind)) + behind
    with w.tunnel("origin.test", origin.port) as c:
        assert post(c, origin, JSON, body.encode()).status == 200
        c.get("/next", host(origin))
    request = origin.requests[0]
    wanted = body.replace(HOLD, IN_JSON)
    assert request.body.decode() == wanted
    is_chunked = framing == "Transfer-Encoding"
    value = "chunked" if is_chunked else str(len(wanted))
    assert request.headers[2:] == [(framing, value)]
    assert origin.requests[1].target == "/next"


@pytest.mark.parametrize("size", [1, 2, 16384, 65534, 65535])
@pytest.mark.parametrize("headers", [JSON, FORM], ids=["json", "form"])
def test_without_a_placeholder_as_it_came(weir, origin, headers, size):
    """Its length and its bytes, where it can be held; malformed or not."""
    w = start(weir)
    good = b"1" * size if headers is JSON else b"token=" + b"x" * size
    bodies = [good[:size], b"%" * size, b'{"auth":{"key":"x'[:size]]
    with w.tunnel("origin.test", origin.port) as c:
        for body in bodies:
            assert post(c, origin, headers, body).status == 200
    for request, body in zip(origin.requests, bodies):
        assert request.body == body
        assert request.headers[2:] == [("Content-Length", str(len(body)))]


def test_nothing_upstream_before_the_body(weir, origin):
    w = start(weir)
    body = f"token={HOLD}".encode()
    with w.tunnel("origin.test", origin.port) as c:
        c.send(f"POST / HTTP/1.1\r\nHost: {host(origin)}\r\n"
               "Content-Type: application/x-www-form-urlencoded\r\n"
               f"Content-Length: {len(body)}\r\n\r\n")  # fmt: skip
        c.send(body[:-1])
        with w.tunnel("origin.test", origin.port) as other:
            other.get("/other", host(origin))
        assert [r.target for r in origin.requests] == ["/other"]
        c.send(body[-1:])
        assert c.read_response().status == 200
    assert origin.requests[1].body.decode() == f"token={IN_FORM}"
    with w.tunnel("origin.test", origin.port) as c:
        c.send(f"POST /gone HTTP/1.1\r\nHost: {host(origin)}\r\n"
               "Content-Type: application/json\r\n"
               "Content-Length: 5\r\n\r\n{")  # fmt: skip
    w.wait_log("client broke off in its body")
    w = start(weir, "client_body_timeout 200ms;" + BODY)
    with w.tunnel("origin.test", origin.port) as c:
        c.send(f"POST / HTTP/1.1\r\nHost: {host(origin)}\r\n"
               "Content-Type: application/json\r\n"
               "Content-Length: 5\r\n\r\n{")  # fmt: skip
        assert c.read_response().status == 408
    assert len(origin.requests) == 2


def test_expect_is_not_held(weir, origin):
    """Chunked at once: the origin's 100 is what the client waits for."""

    def answer(conn, request):
        conn.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.body = b"".join(iter(conn.reader.chunk, b""))
        conn.reader.trailers()
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    def script(conn):
        answer(conn, conn.read_head())

    origin.script = script
    w = start(weir)
    body = f"token={HOLD}".encode()
    with w.tunnel("origin.test", origin.port) as c:
        c.send(f"POST / HTTP/1.1\r\nHost: {host(origin)}\r\n"
               "Content-Type: application/x-www-form-urlencoded\r\n"
               "Expect: 100-continue\r\n"
               f"Content-Length: {len(body)}\r\n\r\n")  # fmt: skip
        assert c.read_response(interim=True).status == 100
        c.send(body)
        assert c.read_response().status == 200
    request = origin.requests[0]
    assert request.body.decode() == f"token={IN_FORM}"
    assert request.all("Transfer-Encoding") == ["chunked"]


def test_digests_go(weir, origin):
    w = start(weir)
    digests = [("Content-MD5", "a"), ("Digest", "b"), ("content_digest", "c"),
               ("Repr-Digest", "d")]  # fmt: skip
    with w.tunnel("origin.test", origin.port) as c:
        post(c, origin, JSON + digests, b"{}")
        c.send(f"POST / HTTP/1.1\r\nHost: {host(origin)}\r\n"
               "Content-Type: application/json\r\nTE: trailers\r\n"
               "Transfer-Encoding: chunked\r\n\r\n"
               "2\r\n{}\r\n0\r\nContent-Digest: x\r\nX-Other: y\r\n"
               "\r\n")  # fmt: skip
        assert c.read_response().status == 200
        c.request("POST", "/", host(origin), digests, b"{}")
    assert [n for n, _ in origin.requests[0].headers] == [
        "Host", "Content-Type", "Content-Length"]  # fmt: skip
    assert origin.requests[1].trailers == [("X-Other", "y")]
    assert origin.requests[2].headers[1:5] == digests


def test_a_secret_that_is_missing(weir, origin):
    """Nothing is asked for it where no placeholder stands."""
    w = weir(egress=BODY)
    with w.tunnel("origin.test", origin.port) as c:
        assert post(c, origin, JSON, b'{"auth":{"key":"x"}}').status == 200
        r = post(c, origin, FORM, b"token=" + HOLD.encode())
        assert r.status == 502 and b"llm" not in r.body
        assert "proxy_configuration_error" in r.get("Proxy-Status")
    assert len(origin.requests) == 1
    w.wait_log('secret "llm" is missing')


def test_a_secret_that_no_json_can_have(weir, origin):
    w = weir(
        egress=BODY.replace("env:LLM", "file:{{dir}}/key"),
        files={"key": b"\xff\xfe not UTF-8"},
    )
    body = b'{"auth":{"key":"%s"}}' % HOLD.encode()
    with w.tunnel("origin.test", origin.port) as c:
        assert post(c, origin, JSON, body).status == 502
        post(c, origin, FORM, b"token=" + HOLD.encode())
    assert origin.raw.endswith(b"\r\n\r\ntoken=%FF%FE%20not%20UTF-8")
    w.wait_log('secret "llm" is not UTF-8')


def test_several_in_one_body(weir, origin):
    w = weir(
        egress=f"""
        secret a env:A placeholder={HOLD};
        secret b env:B placeholder={HOLD}-B;
        host origin.test {{
            substitute a in body /a /l/1;
            substitute b in body /b /l/1;
            substitute b in header x-key;
        }}
        """,
        env={"A": "value-of-the-a", "B": "value-of-the-b"},
    )
    body = json.dumps({"a": f"{HOLD}-B", "b": f"{HOLD}-B {HOLD}",
                       "l": [HOLD, f"{HOLD}{HOLD}-B"]})  # fmt: skip
    with w.tunnel("origin.test", origin.port) as c:
        post(c, origin, JSON + [("X-Key", f"{HOLD}-B")], body.encode())
    assert json.loads(origin.requests[0].body) == {
        "a": "value-of-the-a-B",
        "b": f"value-of-the-b {HOLD}",
        "l": [HOLD, "value-of-the-avalue-of-the-b"],
    }
    assert origin.requests[0].get("X-Key") == "value-of-the-b"


def test_only_over_tls(weir, plain_origin):
    w = start(weir, LLM + "host plain.test { substitute llm in body token; }")
    url = f"http://{host(plain_origin)}/"
    with w.client() as c:
        r = c.request("POST", url, host(plain_origin), FORM, b"token=x")
        assert r.status == 403
        r = c.request("POST", url, host(plain_origin), JSON, b"{}")
        assert r.status == 200
    assert [r.body for r in plain_origin.requests] == [b"{}"]


def test_each_sandbox_its_own(weir, origin):
    w = weir(
        egress=f"""
        secret llm dir:{{{{dir}}}}/secrets placeholder={HOLD};
        host origin.test {{ substitute llm in body token; }}
        sandbox_class test {{ allowed_hosts *.test; }}
        sandbox box {{ class test; address 127.0.0.1; }}
        sandbox two {{ class test; address 127.0.0.2; }}
        """,
        files={"secrets/two": "two-0123456789"},
    )
    statuses = []
    for source, name in (("127.0.0.1", "box"), ("127.0.0.2", "two")):
        with w.client(source=source) as c:
            assert c.connect(host(origin)).status == 200
            c.tls("origin.test", w.ca(name))
            r = post(c, origin, FORM, b"token=" + HOLD.encode())
            statuses.append(r.status)
    assert statuses == [502, 200]
    assert [r.body for r in origin.requests] == [b"token=two-0123456789"]


def test_value_in_the_middle_of_a_stream_that_fails(weir, origin):
    """The client is told, and the origin has no whole request."""
    w = weir(
        egress=f"""
        secret none env:NONE placeholder={HOLD};
        host origin.test {{ substitute none in body token; }}
        """
    )
    with w.tunnel("origin.test", origin.port) as c:
        c.send(f"POST / HTTP/1.1\r\nHost: {host(origin)}\r\n"
               "Content-Type: application/x-www-form-urlencoded\r\n"
               "Transfer-Encoding: chunked\r\n\r\n3\r\na=b\r\n")  # fmt: skip
        origin.wait_conns(1)
        c.send(chunks(b"&token=" + HOLD.encode() + b"&c=d"))
        assert c.read_response().status == 502
    origin.conns[0].done.wait()
    assert origin.conns[0].requests == []


def test_sent_again_with_its_value(weir, origin):
    """On a fresh connection, where the kept one died under it."""
    first = threading.Lock()

    def script(conn):
        if not first.acquire(blocking=False):
            origin.serve(conn)
            return
        conn.read_request()
        conn.send(reply(b"first"))
        conn.read_request()
        conn.hang_up()

    origin.script = script
    w = start(weir)
    body = b'{"auth":{"key":"%s"}}' % HOLD.encode()
    with w.tunnel("origin.test", origin.port) as c:
        c.get("/", host(origin))
        r = c.request("PUT", "/", host(origin), JSON, body)
        assert r.status == 200
    wanted = b'{"auth":{"key":"%s"}}' % IN_JSON.encode()
    one, two = origin.conns
    assert one.requests[1].body == two.requests[0].body == wanted


def test_to_a_service_of_ones_own(weir, pki, origins):
    """Loopback, to which proxy_pass lets secrets go without TLS."""
    service = Origin(pki, ["service.test"], tls=False)
    w = start(
        weir,
        f"""
        secret llm env:LLM placeholder={HOLD} hosts=my.kv;
        host my.kv {{
            proxy_pass http://127.0.0.1:{service.port};
            substitute llm in body token;
        }}
        """,
        cls="allowed_hosts my.kv;",
    )
    body = b"token=" + HOLD.encode()
    with w.client() as c:
        r = c.request("POST", "http://my.kv/", "my.kv", FORM, body)
    service.close()
    assert r.status == 200
    assert service.requests[0].body.decode() == f"token={IN_FORM}"


@pytest.mark.parametrize(
    "field, error",
    [
        ("''", "nothing can be substituted in body"),
        ("/a~2", "nothing can be substituted in body"),
        ("/1/2/3/4/5/6/7/8/9/0/1/2/3/4/5/6/7", "nothing can be substituted"),
        ("$args", "nothing can be substituted in body"),
        (" ".join(f"/{i}" for i in range(33)), "more than 32 fields"),
    ],
)
def test_refused_configurations(weir, field, error):
    text = LLM + f"host a.test {{ substitute llm in body {field}; }}"
    done = weir(egress=text, env={"LLM": SECRET}, start=False).run("-t")
    assert done.returncode != 0
    assert error in done.stderr and "weir.conf:" in done.stderr
    assert SECRET not in done.stderr
