"""Bodies that are looked through for secrets: gzip, deflate, and none.

What arrives is held to what the origin sent, byte for byte as it was compressed
where it has no secret, else with asterisks where that was; a response that
cannot be looked through does not arrive. gzip_left_test.py has what leaves as
it came.
"""

import base64
import gzip
import zlib

import pytest

from lib.coded import DEFLATE, ENCODINGS, GZIP, RAW, chunked, coded, pack, unpack
from lib.http import Truncated, reply
from lib.wait import until

pytestmark = pytest.mark.egress("redact on;")

SECRET = "s3cret/0123+456_789-value"
STARS = "*" * len(SECRET)
BEARER = """
secret token env:TOKEN;
host origin.test { bearer $secret_token; %s }
"""


def host(origin):
    return f"{origin.names[0]}:{origin.port}"


def start(weir, block="", secret=SECRET, **more):
    return weir(egress=BEARER % block, env={"TOKEN": secret}, **more)


def fetch(w, origin, headers=(), method="GET"):
    with w.tunnel("origin.test", origin.port) as c:
        return c.request(method, "/", host(origin), headers)


def b64(text):
    return base64.b64encode(text.encode()).decode()


FORMS = [
    (SECRET, STARS),
    (SECRET.replace("/", "\\/"), "*" * (len(SECRET) + 1)),
    ("".join(f"%{ord(c):02X}" for c in SECRET), "*" * 3 * len(SECRET)),
    (SECRET[:6] + "%2f" + SECRET[7:], None),
    (b64(SECRET), "*" * 34 + "=="),
    (b64("x" + SECRET), None),
    (b64("xy" + SECRET), None),
]
FORMS[3] = (SECRET[:6] + "%2f" + SECRET[7:], "*" * (len(SECRET) + 2))
FORMS[5] = (b64("x" + SECRET), b64("x" + SECRET)[:2] + "*" * 33 + "=")
FORMS[6] = (b64("xy" + SECRET), b64("xy" + SECRET)[:3] + "*" * 33)


@pytest.mark.parametrize("wbits", [None, GZIP, DEFLATE, RAW])
def test_every_form_in_a_body(weir, origin, wbits):
    text = "".join(f'{{"a": "{sent} "}},\n' for sent, _ in FORMS)
    arrives = "".join(f'{{"a": "{seen} "}},\n' for _, seen in FORMS)
    coding = ENCODINGS.get(wbits)
    origin.on("/", reply(text) if coding is None else coded(pack(text, wbits), coding))
    w = start(weir)
    r = fetch(w, origin, [("Accept-Encoding", "gzip, deflate")])
    if coding is None:
        assert r.get("content-length") == str(len(text))
        assert r.body.decode() == arrives
    else:
        assert r.all("content-length") == []
        assert r.get("content-encoding") == coding
        assert unpack(r.body, wbits).decode() == arrives
    assert "response's body" in w.wait_log("secret_echoed")
    w.stop()
    assert w.error_log().count("secret_echoed") == 1


def test_split_at_every_byte(weir, origin):
    """One response for each place at which the form is cut in two chunks."""
    body = f"a {SECRET} b {b64(SECRET)} c".encode()
    want = f"a {STARS} b {'*' * 34}== c".encode()
    cuts = range(1, len(body))
    for i in cuts:
        origin.on(f"/{i}", chunked(body[:i], body[i:]))
        packed = gzip.compress(body, mtime=0)
        k = i % len(packed) or 1
        origin.on(
            f"/z{i}",
            chunked(
                packed[:k],
                packed[k:],
                headers=[("Content-Encoding", "gzip")],
            ),
        )
    w = start(weir)
    with w.tunnel("origin.test", origin.port) as c:
        for i in cuts:
            assert c.get(f"/{i}", host(origin)).body == want
            assert unpack(c.get(f"/z{i}", host(origin)).body) == want


def test_two_secrets_in_one_body(weir, origin):
    one, two = "one-0123456789-abc", "two-0123456789-abcdef"
    text = f"{one} {two} {b64(two)} {two}{one}".encode() * 500
    want = text.replace(one.encode(), b"*" * len(one))
    want = want.replace(two.encode(), b"*" * len(two))
    want = want.replace(b64(two).encode(), b"*" * len(b64(two)))
    origin.on("/", coded(pack(text)))
    w = weir(
        egress="secret one env:ONE hosts=*.test; secret two env:TWO hosts=*.test;"
        "\nhost origin.test { bearer $secret_one; location /x { bearer $secret_two; } }",
        env={"ONE": one, "TWO": two},
    )
    assert unpack(fetch(w, origin).body) == want
    w.stop()
    assert w.error_log().count("secret_echoed") == 2


@pytest.mark.parametrize("is_packed", [False, True])
def test_an_event_at_a_time(weir, open_steps, is_packed):
    """Each arrives before the next is sent; of one that ends in what may be
    the secret's beginning, only that is waited for."""
    w = start(weir, "redact_hold 1h;")
    field = ["Content-Encoding: gzip"] if is_packed else []
    steps, c = open_steps(w, "Content-Type: text/event-stream", *field)
    z, u = zlib.compressobj(6, zlib.DEFLATED, GZIP), zlib.decompressobj(GZIP)

    def send(text):
        data = text.encode()
        if is_packed:
            data = z.compress(data) + z.flush(zlib.Z_SYNC_FLUSH)
        steps.send(data)

    def arrives(text):
        got = b""
        while len(got) < len(text):
            data = c.reader.chunk()
            got += u.decompress(data) if is_packed else data
        assert got == text.encode()

    with c:
        for i in range(20):
            send(f"data: event {i}\n\n")
            arrives(f"data: event {i}\n\n")
        send(f"data: {SECRET}\n\ndata: {SECRET[:9]}")
        arrives(f"data: {STARS}\n\ndata: ")
        send(SECRET[9:] + " " + SECRET[:3])
        arrives(STARS + " ")
        send("!")
        arrives(SECRET[:3] + "!")
        send(SECRET[:2])
        if is_packed:
            steps.send(z.flush())
        steps.end()
        arrives(SECRET[:2])


def test_idle_with_a_held_tail(weir, open_steps):
    """proxy_read_timeout counts from the last byte in, whatever is held."""
    w = start(weir, "proxy_read_timeout 300ms; redact_hold 1h;")
    steps, c = open_steps(w, "Content-Encoding: gzip")
    z = zlib.compressobj(6, zlib.DEFLATED, GZIP)
    with c:
        for i in range(6):
            data = SECRET[i].encode()
            steps.send(z.compress(data) + z.flush(zlib.Z_SYNC_FLUSH))
        with pytest.raises(Truncated):
            while c.reader.chunk():
                pass
    w.wait_log("upstream timed out in its body")




BAD = {
    "truncated": (pack("text " * 1000)[:-6], "truncated"),
    "empty member cut": (pack("")[:5], "truncated"),
    "no gzip": (b"this is not gzip at all", "corrupt"),
    "bad block": (pack("text " * 1000)[:10] + b"\7", "corrupt"),
    "secret cut": (pack(SECRET + "text " * 1000)[:-6], "truncated"),
    "bomb": (pack(SECRET.encode() + b"\0" * 4_000_000), "gunzip_ratio"),
}  # fmt: skip


@pytest.mark.parametrize("name", list(BAD))
@pytest.mark.parametrize("is_chunked", [True, False])
def test_bad_bodies_are_cut(weir, origin, name, is_chunked):
    """The client can tell, and the log says why."""
    body, why = BAD[name]
    field = [("Content-Encoding", "gzip")]
    origin.on(
        "/", chunked(body, headers=field) if is_chunked else coded(body)
    )
    w = start(weir)
    with w.tunnel("origin.test", origin.port) as c:
        with pytest.raises(Truncated):
            c.get("/", host(origin))
        assert c.is_closed()
    w.wait_log(f"gunzip gave up on the body: .*{why}")


def test_ratio_directive(weir, origin):
    """Of what is compressed anew; nothing else is counted."""
    body, clean = SECRET.encode() + b"\0" * 1_500_000, pack(b"\0" * 4_000_000)
    origin.on("/", coded(pack(body)))
    origin.on("/clean", coded(clean))
    w = start(weir, "gunzip_ratio 0; gzip_comp_level 9;")
    r = fetch(w, origin)
    assert unpack(r.body) == STARS.encode() + body[len(SECRET) :]
    assert len(r.body) < 8000
    w = start(weir, "gunzip_ratio 100;")
    with w.tunnel("origin.test", origin.port) as c:
        assert c.get("/clean", host(origin)).body == clean
        with pytest.raises(Truncated):
            c.get("/", host(origin))


@pytest.mark.parametrize("directive", [
    "gzip_comp_level 0;", "gzip_comp_level 10;", "gunzip_ratio -1;",
    "gunzip_ratio lots;",
])  # fmt: skip
def test_bad_values(weir, origin, directive):
    w = start(weir, directive, start=False)
    done = w.run("-t")
    assert done.returncode != 0
    assert directive.split()[0] in done.stderr


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip, gzip", "br, gzip"])
def test_a_coding_that_is_not_read(weir, origin, coding):
    origin.on("/", coded(b"whatever it is", coding))
    w = start(weir)
    for method in ("GET", "HEAD"):
        r = fetch(w, origin, method=method)
        assert r.status == 502
        assert r.get("proxy-status").startswith(
            "weir; error=http_response_content_coding; details="
        )
        assert b"whatever" not in r.body
    w.wait_log("content coding that cannot be read")


def test_a_coding_that_is_nominated_away(weir, origin):
    """It stays: without the field the body would pass as what it is not."""
    origin.on("/", coded(pack(SECRET), headers=[
        ("Connection", "Content-Encoding")]))  # fmt: skip
    w = start(weir)
    for method in ("GET", "HEAD"):
        r = fetch(w, origin, method=method)
        assert (r.status, r.get("content-encoding")) == (200, "gzip")
        assert method == "HEAD" or unpack(r.body) == STARS.encode()


def test_a_coding_passes_where_nothing_looks(weir, origin):
    """Byte for byte, with all that is said of it."""
    fields = [("ETag", '"1"'), ("Accept-Ranges", "bytes"),
              ("Content-MD5", "x"), ("Vary", "Accept-Encoding")]  # fmt: skip
    bad_gzip = b"\x1f\x8b no gzip at all"
    origin.on("/", coded(bad_gzip, headers=fields))
    w = start(weir, "redact off;")
    ask = [("Accept-Encoding", "br, gzip"), ("Range", "bytes=0-3")]
    r = fetch(w, origin, ask)
    assert r.body == bad_gzip
    assert [(n, v) for n, v in r.headers if (n, v) in fields] == fields
    assert origin.requests[0].get("accept-encoding") == "br, gzip"
    assert origin.requests[0].get("range") == "bytes=0-3"


@pytest.mark.parametrize("sent, arrives", [
    ("gzip, deflate, br, zstd", "gzip, deflate"),
    ("br;q=1.0, gzip;q=0.8, *;q=0.1", "gzip;q=0.8"),
    ("br", "identity"),
    ("*", "identity"),
    ("identity;q=1, *;q=0", "identity;q=1, *;q=0"),
    ("x-gzip , deflate;q=0.5", "x-gzip , deflate;q=0.5"),
    (None, None),
])  # fmt: skip
def test_what_is_asked_for(weir, origin, sent, arrives):
    w = start(weir)
    ask = [("Accept-Encoding", sent)] if sent is not None else []
    fetch(w, origin, [*ask, ("Range", "bytes=0-3"), ("If-Range", '"1"')])
    request = origin.requests[0]
    assert request.get("accept-encoding") == arrives
    assert request.all("range") == request.all("if-range") == []


def test_without_a_body(weir, origin):
    origin.on("/204", b"HTTP/1.1 204 No Content\r\nContent-Encoding: br\r\n\r\n")
    origin.on("/304", b'HTTP/1.1 304 Not Modified\r\nETag: "1"\r\n'
              b"Content-Encoding: gzip\r\nContent-Length: 99\r\n\r\n")  # fmt: skip
    origin.on("/0", coded(b"", "br"))
    w = start(weir)
    with w.tunnel("origin.test", origin.port) as c:
        r = c.get("/204", host(origin))
        assert r.status == 204 and r.all("content-length") == []
        r = c.get("/304", host(origin))
        assert r.status == 304 and r.get("etag") == '"1"'
        assert r.all("content-length") == []
        r = c.get("/0", host(origin))
        assert r.status == 200 and r.get("content-length") == "0"


def test_an_unasked_part(weir, origin):
    part = reply(b"part", "206 Partial Content", [("Content-Range", "bytes 0-3/9")])
    origin.on("/", part)
    r = fetch(start(weir), origin, [("Range", "bytes=0-3")])
    assert r.status == 502 and b"part of a body" in r.body
    w = start(weir, "redact off;")
    assert fetch(w, origin, [("Range", "bytes=0-3")]).body == b"part"


def test_large_bodies(weir, origin):
    """Of many queues' size, with the secret at odd places."""
    text = bytearray(b"".join(b"%d, " % i for i in range(60_000)))
    for at in range(1000, len(text), 9_991):
        text[at : at + len(SECRET)] = SECRET.encode()
    want = bytes(text).replace(SECRET.encode(), STARS.encode())
    origin.on("/", coded(pack(bytes(text))))
    origin.on("/plain", reply(bytes(text)))
    w = start(weir)
    with w.tunnel("origin.test", origin.port) as c:
        assert unpack(c.get("/", host(origin)).body) == want
        assert c.get("/plain", host(origin)).body == want


def test_http_10(weir, origin):
    """Without chunks an error is an end without close_notify."""
    origin.on("/", coded(pack("text " * 50)))
    origin.on("/bad", coded(pack("text " * 50)[:-9]))
    w = start(weir)
    for path in ("/", "/bad"):
        with w.tunnel("origin.test", origin.port) as c:
            c.send(f"GET {path} HTTP/1.0\r\nHost: {host(origin)}\r\n\r\n")
            if path == "/":
                assert unpack(c.read_response().body) == b"text " * 50
            else:
                c.sock.suppress_ragged_eofs = False
                with pytest.raises(OSError):
                    while c.sock.recv(4096):
                        pass


def test_a_client_that_leaves(weir, open_steps):
    w = start(weir)
    steps, c = open_steps(w, "Content-Encoding: gzip")
    z = zlib.compressobj(6, zlib.DEFLATED, GZIP)
    steps.send(z.compress(b"a" + SECRET[:9].encode()) + z.flush(zlib.Z_SYNC_FLUSH))
    assert c.reader.chunk()
    c.close()
    w.access_log()
    w.wait_log("client closed")


def test_a_secret_that_changes_in_a_body(weir, origin, open_steps):
    """The one that was sent is looked for to the end, and the newest."""
    first, second, third = (f"{n}-0123456789" for n in ("first", "second", "third"))
    origin.on("/other", reply(b"."))
    w = weir(
        egress="secret token file:{{dir}}/token;\n"
        "host origin.test { bearer $secret_token; redact_hold 1h; }",
        files={"token": first},
    )
    steps, c = open_steps(w)

    def passes(sent, want):
        steps.send(sent.encode())
        got = b""
        while len(got) < len(want):
            got += c.reader.chunk()
        assert got == want.encode()

    with c:
        assert origin.requests[0].get("authorization") == f"Bearer {first}"
        passes(f"{first} {second}!", f"{'*' * len(first)} {second}!")
        passes(f"x {first[:7]}", "x ")
        w.write("token", second)
        w.wait_log('secret "token" has changed')
        with w.tunnel("origin.test", origin.port) as other:
            other.get("/other", host(origin))
        assert origin.requests[-1].get("authorization") == f"Bearer {second}"
        passes(first[7:] + "!", "*" * len(first) + "!")
        passes(f"{first} {second}!", f"{'*' * len(first)} {'*' * len(second)}!")
        w.write("token", third)
        until(lambda: w.error_log().count("has changed") == 2, "the change")
        with w.tunnel("origin.test", origin.port) as other:
            other.get("/other", host(origin))
        passes(f"{first} {third}!", f"{'*' * len(first)} {'*' * len(third)}!")
        steps.end()
        assert c.reader.chunk() == b""


def test_each_sandbox_its_own_body(weir, origin):
    box, two = "box-0123456789-abc", "two-0123456789-abc"
    origin.on("/", coded(pack(f"{box} {two}")))
    w = weir(
        egress="""
        secret token dir:{{dir}}/secrets per_sandbox;
        host origin.test { bearer $secret_token; }
        sandbox_class test { allowed_hosts *.test; }
        sandbox box { class test; address 127.0.0.1; }
        sandbox two { class test; address 127.0.0.2; }
        """,
        files={"secrets/box": box, "secrets/two": two},
    )
    stars = "*" * len(box)
    want = {"127.0.0.1": f"{stars} {two}", "127.0.0.2": f"{box} {stars}"}
    for source, name in (("127.0.0.1", "box"), ("127.0.0.2", "two")):
        with w.client(source=source) as c:
            assert c.connect(host(origin)).status == 200
            c.tls("origin.test", w.ca(name))
            got = unpack(c.get("/", host(origin)).body)
            assert got == want[source].encode()


def test_what_repeats_is_masked(weir, origin):
    """A run in which the secret begins at every byte, longer than is held."""
    secret = "a" * 100 + "b"
    body = b"a" * 30000 + b"b" + b"." * 3000
    origin.on("/", chunked(*(body[i : i + 500] for i in range(0, 33001, 500))))
    w = start(weir, secret=secret)
    got = fetch(w, origin).body
    assert got == body.replace(secret.encode(), b"*" * len(secret))
