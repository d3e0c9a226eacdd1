"""Whose responses redaction looks at, and which: bodies of text or all, parts
of bodies, codings that cannot be read; and how long it holds an end back.
"""

import threading
import zlib

import pytest

from lib.http import Response, reply

SECRET = "s3cret/0123+456_789-value"
STARS = "*" * len(SECRET)
BLOCK = """
secret token env:TOKEN;
host origin.test { bearer $secret_token; %s }
"""


def host(origin):
    return f"{origin.names[0]}:{origin.port}"


def start(weir, directives="text"):
    egress = BLOCK % f"redact {directives};"
    return weir(egress=egress, env={"TOKEN": SECRET})


@pytest.mark.parametrize("values, text", [
    (("0123456789abcdefghij", "6789abcdefghij-and-0123456789abcdefghij"),
     "6789abcdefghij-and-0123456789abcdefghij"),
    (("0123456789abcdefghij", "abcdefghij-0123456789"), "0123456789abcdefghij-0123456789"),
    (("7" * 90, SECRET), "7" * 200),
])  # fmt: skip
def test_secrets_that_overlap(weir, origin, values, text):
    """One ends another, begins in it, begins in itself: all bytes go, in heads
    and in bodies, in text that comes whole and a byte at a time."""
    def stream(conn, request):
        conn.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        conn.send(b"".join(chunk(bytes([c])) for c in f"a {text} b".encode()) + chunk(b""))

    origin.on("/", reply(f"a {text} b", headers=[("X-Echo", text)]))
    origin.on("/stream", stream)
    w = weir(
        egress="secret one env:ONE; secret two env:TWO;\n"
        "host origin.test { bearer $secret_one;\n"
        "location /two { bearer $secret_two; } }",
        env=dict(zip(("ONE", "TWO"), values)),
    )
    stars = "*" * len(text)
    with w.tunnel("origin.test", origin.port) as c:
        r = c.get("/", host(origin))
        assert (r.get("x-echo"), r.body.decode()) == (stars, f"a {stars} b")
        assert c.get("/stream", host(origin)).body.decode() == f"a {stars} b"


DATA = f"{SECRET} ".encode() * 40 + b"." * 1000
SAYS = [("ETag", '"1"'), ("Accept-Ranges", "bytes"), ("Content-MD5", "x"),
        ("Digest", "x"), ("Content-Digest", "x"), ("Repr-Digest", "x"),
        ("Last-Modified", "x")]  # fmt: skip


def fetch(w, origin, headers=(), method="GET"):
    with w.tunnel("origin.test", origin.port) as c:
        return c.request(method, "/", host(origin), headers)


@pytest.mark.parametrize("kind, is_seen", [
    ("text/plain", True), ("application/json", True), (None, True),
    ("application/zip", False), ("image/png", False),
    ("application/octet-stream", False),
])  # fmt: skip
def test_text_alone(weir, origin, kind, is_seen):
    """The body; a head is looked through whatever it is the head of."""
    kinds = [("Content-Type", kind)] if kind else []
    origin.on("/", reply(SECRET, headers=[*kinds, ("X-Echo", SECRET), *SAYS]))
    r = fetch(start(weir), origin)
    assert r.get("x-echo") == STARS
    assert r.body.decode() == (STARS if is_seen else SECRET)
    assert [(n, v) for n, v in r.headers if (n, v) in SAYS] == SAYS


def test_by_default(weir, origin):
    w = weir(egress=BLOCK % "", env={"TOKEN": SECRET})
    for kind, body in (("text/plain", STARS), ("application/zip", SECRET)):
        origin.on("/", reply(SECRET, headers=[("Content-Type", kind)]))
        assert fetch(w, origin).body.decode() == body


def test_a_clean_body_is_as_it_came(weir, origin):
    """To GET and HEAD; whether a secret was found cannot be known before."""
    headers = [("Content-Type", "text/plain"), *SAYS]
    for body in (DATA, DATA.replace(SECRET.encode(), b"something-else-of-25-byte")):
        origin.on("/", reply(body, headers=headers))
        w = start(weir)
        r = fetch(w, origin)
        assert r.body == body.replace(SECRET.encode(), STARS.encode())
        assert r.get("content-length") == str(len(body))
        origin.on("/", reply(body, headers=headers)[: -len(body)])
        head = fetch(w, origin, method="HEAD")
        for one in (r, head):
            assert [(n, v) for n, v in one.headers if (n, v) in SAYS] == SAYS
        assert head.raw_head == r.raw_head


def test_parts_of_text(weir, origin):
    """Range goes on, and the part is looked through."""
    def answer_part(conn, request):
        first, last = (int(n) for n in request.get("range")[6:].split("-"))
        fields = [("Content-Range", f"bytes {first}-{last}/{len(DATA)}")]
        return reply(DATA[first : last + 1], "206 Partial Content", fields)

    origin.on("/", answer_part)
    asked = [("Range", "bytes=26-1099"), ("If-Range", '"1"')]
    r = fetch(start(weir), origin, asked)
    want = DATA[26:1100].replace(SECRET.encode(), STARS.encode())
    assert (r.status, r.body) == (206, want)
    assert r.get("content-range") == f"bytes 26-1099/{len(DATA)}"
    assert [origin.requests[0].get(n) for n, _ in asked] == [v for _, v in asked]


def test_parts_where_all_is_looked_at(weir, origin):
    """`redact on`: the whole is asked for, and a part is no answer."""
    origin.on("/", reply(DATA, headers=SAYS))
    w = start(weir, "on")
    r = fetch(w, origin, [("Range", "bytes=0-3"), ("If-Range", '"1"')])
    assert r.status == 200 and len(r.body) == len(DATA)
    assert r.all("accept-ranges") == [] and r.get("content-md5") == "x"
    assert origin.requests[0].all("range") == origin.requests[0].all("if-range") == []
    origin.on("/", reply(b"part", "206 Partial Content"))
    assert fetch(w, origin).status == 502


@pytest.mark.parametrize("fields, status", [
    ([("Content-Encoding", "br")], "200 OK"),
    ([("Content-Encoding", "gzip, zstd")], "200 OK"),
    ([("Content-Encoding", "gzip"), ("Content-Range", "bytes 1-9/99")],
     "206 Partial Content"),
])  # fmt: skip
def test_what_cannot_be_read_passes(weir, origin, fields, status):
    """As it came, and the log says so; what is legible in it is masked."""
    body = bytes(range(256)) * 9
    w = start(weir)
    origin.on("/", reply(body, status, [*fields, *SAYS]))
    r = fetch(w, origin, [("Accept-Encoding", "br, gzip")])
    assert r.body == body and r.get("content-encoding") == fields[0][1]
    assert [(n, v) for n, v in r.headers if (n, v) in SAYS] == SAYS
    assert origin.requests[0].get("accept-encoding") == "gzip"
    w.wait_log(r"\[info\].*cannot be read is looked through as it comes")
    origin.on("/", reply(body + SECRET.encode(), status, fields))
    assert fetch(w, origin).body == body + STARS.encode()


@pytest.mark.parametrize("coding", ["aws-chunked", "none", "utf-8", ""])
@pytest.mark.parametrize("mode", ["text", "on"])
def test_a_coding_that_is_none(weir, origin, coding, mode):
    """Case B07."""
    origin.on("/", reply(SECRET, headers=[("Content-Encoding", coding)]))
    r = fetch(start(weir, mode), origin)
    assert (r.status, r.body.decode()) == (200, STARS)
    assert r.get("content-encoding") == coding


def test_the_variable(weir, origin):
    kinds = {
        "/masked": reply(SECRET),
        "/clean": reply("text"),
        "/passed": reply("text", headers=[("Content-Type", "image/png")]),
        "/unread": reply("text", headers=[("Content-Encoding", "br")]),
    }
    w = weir(
        egress="secret token env:TOKEN;\n"
        "log_format r escape=json '{\"uri\":\"$uri\",\"redact\":\"$redact\"}';\n"
        "access_log logs/access.log r;\n"
        "host origin.test { bearer $secret_token; redact text;\n"
        "location /off { redact off; } }",
        env={"TOKEN": SECRET},
    )
    kinds["/off"] = reply(SECRET)
    with w.tunnel("origin.test", origin.port) as c:
        for path, answers in kinds.items():
            origin.on(path, answers)
            c.get(path, host(origin))
    entries = w.access_log(6)  # the CONNECT's too
    got = {e["uri"]: e["redact"] for e in entries if e["uri"] in kinds}
    assert got == {path: path[1:] for path in kinds} | {"/off": "-"}


def test_a_word_that_is_no_mode(weir):
    w = weir(egress="host a.test { redact yes; }", start=False)
    done = w.run("-t")
    assert done.returncode != 0
    assert '"yes"' in done.stderr and '"text"' in done.stderr


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


def flushes(coding):
    """A function that codes one piece so that it can be read."""
    if coding is None:
        return lambda data: data
    z = zlib.compressobj(6, zlib.DEFLATED, 31)
    return lambda data: z.compress(data) + z.flush(zlib.Z_SYNC_FLUSH)


@pytest.mark.parametrize("coding", [None, "gzip"])
def test_what_is_held_goes(weir, origin, coding):
    """When no byte follows it; and when the rest comes after all, that is
    masked: the end of the hold ends no match."""
    goes_on, pack, u = threading.Event(), flushes(coding), zlib.decompressobj(31)
    field = f"Content-Encoding: {coding}\r\n" if coding else ""
    text = SECRET.encode()

    def stream(conn, request):
        conn.send(f"HTTP/1.1 200 OK\r\n{field}Transfer-Encoding: chunked\r\n\r\n".encode())
        conn.send(chunk(pack(text[:9])))
        goes_on.wait()
        conn.send(chunk(pack(text[9:] + b"!")))

    def arrives(want):
        got = b""
        while len(got) < len(want):
            data = c.reader.chunk()
            got += u.decompress(data) if coding else data
        assert got == want

    origin.on("/", stream)
    w = start(weir)
    with w.tunnel("origin.test", origin.port) as c:
        c.send(f"GET / HTTP/1.1\r\nHost: {host(origin)}\r\n\r\n")
        assert c.reader.head(Response).status == 200
        try:
            arrives(text[:9])
        finally:
            goes_on.set()
        arrives(b"*" * len(text[9:]) + b"!")
    w.wait_log("secret_echoed")


@pytest.mark.parametrize("text, kept", [
    ("nothing", ["Content-Digest", "X-Sum", "Digest"]), (SECRET, ["X-Sum"]),
])  # fmt: skip
def test_digests_behind_a_body(weir, origin, text, kept):
    """What was masked has other checks than the origin's."""
    trailers = b"Content-Digest: x\r\nX-Sum: x\r\nDigest: x\r\n\r\n"
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    origin.on("/", head + chunk(text.encode()) + b"0\r\n" + trailers)
    r = fetch(start(weir), origin)
    assert r.body.decode() == text.replace(SECRET, STARS)
    assert r.trailers == [(n, "x") for n in kept]
