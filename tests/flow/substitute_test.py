"""Placeholders: the real value stands in their place, and only there."""

import base64

import pytest

from lib.http import reply

SECRET = "s3cret/0123&789-value"
ENCODED = "s3cret%2F0123%26789-value"
HOLD = "WEIR-LLM-KEY-000"
LLM = f"secret llm env:LLM placeholder={HOLD};\n"
HEADER = LLM + "host origin.test { substitute llm in header authorization; }"
QUERY = LLM + "host origin.test { substitute llm in query key; }"


def host(origin):
    return f"{origin.names[0]}:{origin.port}"


def b64(text):
    return base64.b64encode(text.encode()).decode()


def test_in_a_header_and_nowhere_else(weir, origin):
    w = weir(egress=HEADER, env={"LLM": SECRET})
    with w.tunnel("origin.test", origin.port) as c:
        c.send(
            f"POST /{HOLD}?key={HOLD} HTTP/1.1\r\nHost: {host(origin)}\r\n"
            f"Authorization: Bearer {HOLD}\r\nX-Key: {HOLD}\r\n"
            f"Content-Length: {len(HOLD)}\r\n\r\n{HOLD}"
        )
        assert c.read_response().status == 200
    assert origin.raw == (
        f"POST /{HOLD}?key={HOLD} HTTP/1.1\r\nHost: {host(origin)}\r\n"
        f"Authorization: Bearer {SECRET}\r\nX-Key: {HOLD}\r\n"
        f"Content-Length: {len(HOLD)}\r\n\r\n{HOLD}"
    ).encode()
    assert SECRET.encode() not in w.all_output()


@pytest.mark.parametrize(
    "sent, arrives",
    [
        (HOLD, SECRET),
        (f"Basic {b64(f'me:{HOLD}')}", f"Basic {b64(f'me:{SECRET}')}"),
        (f"Basic {b64(f'a:{HOLD}').rstrip('=')}", f"Basic {b64(f'a:{SECRET}')}"),
        (f"basic {b64(f'{HOLD}:')}", f"basic {b64(f'{SECRET}:')}"),
        (f"k={HOLD}, l={HOLD}", f"k={SECRET}, l={SECRET}"),
        (HOLD.lower(), HOLD.lower()),
        (HOLD[:-1], HOLD[:-1]),
        (f"Basic {b64('me:mine')}", f"Basic {b64('me:mine')}"),
        (f"Bearer {b64(HOLD)}", f"Bearer {b64(HOLD)}"),
    ],
)
def test_values(weir, origin, sent, arrives):
    w = weir(egress=HEADER, env={"LLM": SECRET})
    with w.tunnel("origin.test", origin.port) as c:
        r = c.get("/", host(origin), [("AUTHORIZATION", sent)])
    assert r.status == 200
    assert origin.requests[0].headers[1] == ("AUTHORIZATION", arrives)


def test_underscore_is_read_as_a_dash(weir, origin):
    w = weir(
        egress=LLM + "host origin.test { substitute llm in header x-api-key; }",
        env={"LLM": SECRET},
    )
    with w.tunnel("origin.test", origin.port) as c:
        c.get("/", host(origin), [("X_Api_Key", HOLD), ("x-api-key", HOLD)])
    assert origin.requests[0].headers[1:] == [
        ("X_Api_Key", SECRET),
        ("x-api-key", SECRET),
    ]


@pytest.mark.parametrize(
    "sent, arrives",
    [
        (f"?key={HOLD}", f"?key={ENCODED}"),
        (f"?a=%2f&key={HOLD}&&b", f"?a=%2f&key={ENCODED}&&b"),
        (
            f"?key=x{HOLD}%41&k%65y=%57EIR%2dLLM-KEY-000",
            f"?key=x{ENCODED}%41&k%65y={ENCODED}",
        ),
        (f"?KEY={HOLD}&keys={HOLD}", f"?KEY={HOLD}&keys={HOLD}"),
        (f"?{HOLD}=key&{HOLD}", f"?{HOLD}=key&{HOLD}"),
        ("?key=mine&a=%7e", "?key=mine&a=%7e"),
        (f"/key={HOLD}", f"/key={HOLD}"),
    ],
)
def test_queries(weir, origin, sent, arrives):
    w = weir(
        egress=QUERY + "log_format x '$args'; access_log logs/a.log x;",
        env={"LLM": SECRET},
    )
    with w.tunnel("origin.test", origin.port) as c:
        c.send(
            f"GET /p{sent} HTTP/1.1\r\nHost: {host(origin)}\r\n"
            f"Authorization: {HOLD}\r\n\r\n"
        )
        assert c.read_response().status == 200
    assert origin.raw == (
        f"GET /p{arrives} HTTP/1.1\r\nHost: {host(origin)}\r\n"
        f"Authorization: {HOLD}\r\n\r\n"
    ).encode()
    w.stop()
    assert b"s3cret" not in w.all_output()


def test_no_placeholder_no_secret(weir, origin):
    """Neither the value nor what depends on one: it may be missing."""
    w = weir(egress=HEADER)
    with w.tunnel("origin.test", origin.port) as c:
        c.send(
            f"GET / HTTP/1.1\r\nHost: {host(origin)}\r\n"
            "authorization:  Bearer mine \r\n\r\n"
        )
        assert c.read_response().status == 200
        r = c.get("/", host(origin), [("Authorization", HOLD)])
    assert r.status == 502 and b"llm" not in r.body
    assert len(origin.requests) == 1
    assert origin.requests[0].all("authorization") == ["Bearer mine"]
    w.wait_log('secret "llm" is missing')


def test_logs_have_what_the_client_sent(weir, origin):
    w = weir(
        egress=HEADER
        + "log_format x '<$http_authorization>'; access_log logs/a.log x;",
        env={"LLM": SECRET},
    )
    with w.tunnel("origin.test", origin.port) as c:
        c.get("/", host(origin), [("Authorization", f"Bearer {HOLD}")])
        c.get(
            "/", host(origin), [("Authorization", f"Basic {b64('u:' + HOLD)}")]
        )
    w.stop()
    log = w.read("logs", "a.log").splitlines()
    assert log == [
        "<->",
        f"<Bearer {HOLD}>",
        f"<Basic {b64('u:' + HOLD)}>",
    ]
    assert SECRET.encode() not in w.all_output()


def test_only_hosts_that_it_is_bound_to(weir, origins):
    a, b, c = origins("a.bound.test"), origins("b.test"), origins("c.test")
    w = weir(
        egress=f"""
        secret llm env:LLM placeholder={HOLD} hosts=*.bound.test;
        host a.bound.test b.test {{ substitute llm in header authorization; }}
        """,
        env={"LLM": SECRET},
    )
    answers = []
    for o in (a, b, c):
        with w.tunnel(o.names[0], o.port) as client:
            headers = [("Authorization", HOLD)]
            answers.append(client.get("/", host(o), headers))
    assert [r.status for r in answers] == [200, 502, 200]
    assert a.requests[0].all("authorization") == [SECRET]
    assert b.raw == b""
    assert c.requests[0].all("authorization") == [HOLD]
    assert SECRET.encode() not in answers[1].body


def test_plain_port(weir, plain_origin):
    w = weir(
        egress=LLM
        + "host plain.test { substitute llm in header authorization; }",
        env={"LLM": SECRET},
    )
    url = f"http://{host(plain_origin)}/"
    with w.client() as c:
        r = c.get(url, host(plain_origin), [("Authorization", HOLD)])
        assert r.status == 403
        assert plain_origin.conns == []
        assert c.get(url, host(plain_origin)).status == 200
    assert SECRET.encode() not in plain_origin.raw


def test_unverified_origin_never_gets_it(weir, origins, rogue_pki):
    rogue = origins("rogue.test", pki=rogue_pki)
    w = weir(
        egress=LLM
        + "host rogue.test { substitute llm in header authorization; }",
        env={"LLM": SECRET},
    )
    with w.tunnel("rogue.test", rogue.port) as c:
        r = c.get("/", host(rogue), [("Authorization", HOLD)])
    assert r.status == 502 and SECRET.encode() not in r.body
    assert rogue.raw == b""


def test_trace_is_refused(weir, origin):
    w = weir(egress=HEADER, env={"LLM": SECRET})
    with w.tunnel("origin.test", origin.port) as c:
        r = c.request("TRACE", "/", host(origin), [("Authorization", HOLD)])
    assert r.status == 405
    assert origin.raw == b""


def test_each_sandbox_its_own(weir, origin):
    w = weir(
        egress=f"""
        secret llm dir:{{{{dir}}}}/secrets placeholder={HOLD};
        host origin.test {{ substitute llm in header authorization; }}
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
            headers = [("Authorization", HOLD)]
            statuses.append(c.get("/", host(origin), headers).status)
    assert statuses == [502, 200]
    values = [r.get("authorization") for r in origin.requests]
    assert values == ["two-0123456789"]


@pytest.mark.parametrize(
    "text, error",
    [
        (
            "secret a env:LLM; host a.test { substitute a in header x; }",
            "placeholder=",
        ),
        ("secret a env:LLM placeholder=1234567;", "placeholder="),
        (LLM + "substitute llm in header x;", "not allowed here"),
        (LLM + "host a.test { substitute llm in host x; }", "not a place"),
        (LLM + "host *.test { substitute llm in header x; }", "hosts="),
        (
            LLM + "host a.test { substitute llm in header Host; }",
            "nothing can be substituted",
        ),
    ],
)
def test_refused_configurations(weir, text, error):
    w = weir(egress=text, env={"LLM": SECRET}, start=False)
    done = w.run("-t")
    assert done.returncode != 0
    assert error in done.stderr and "weir.conf:" in done.stderr
    assert SECRET not in done.stderr


def test_in_a_path(weir, origin):
    """Judged and logged with the placeholder; what the origin sends back of it
    is masked."""
    origin.default = lambda conn, r: reply(
        b"-", headers=[("X-Target", r.target), ("Content-Location", r.target)]
    )
    w = weir(
        egress=LLM + "log_format x '$request_method $uri'; access_log logs/a.log x;"
        "host origin.test { substitute llm in path;"
        f"location /bot{HOLD}/no {{ return 410; }} }}",
        env={"LLM": "123456:ABC-DEF1234ghIkl-zyx57W2v1u123ew11"},
    )
    with w.tunnel("origin.test", origin.port) as c:
        r = c.get(f"/bot{HOLD}/getMe?a=b", host(origin))
        assert c.get(f"/bot{HOLD}/no", host(origin)).status == 410
    (sent,) = [r.target for r in origin.requests]
    assert sent == "/bot123456:ABC-DEF1234ghIkl-zyx57W2v1u123ew11/getMe?a=b"
    for name in ("x-target", "content-location"):
        assert r.get(name) == f"/bot123456:{'*' * 34}/getMe?a=b"
    assert b"zyx57W2v1u" not in w.all_output()
