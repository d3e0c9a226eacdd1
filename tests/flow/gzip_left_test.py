"""What leaves as it came of a body that is looked through, and what does not.

Each is held to what the origin sent, byte for byte.
"""

import gzip
import random
import struct
import zlib

import pytest

from lib.coded import DEFLATE, ENCODINGS, GZIP, RAW, chunked, coded, pack, unpack
from lib.http import Response, Truncated, reply

pytestmark = pytest.mark.egress("redact on;")

SECRET = "0123456789-s3cret-value"
STARS = "*" * len(SECRET)


def host(origin):
    return f"{origin.names[0]}:{origin.port}"


def start(weir, block="", **more):
    egress = "secret token env:TOKEN; host origin.test { bearer $secret_token; %s }"
    return weir(egress=egress % block, env={"TOKEN": SECRET}, **more)


def fetch(w, origin, headers=(), method="GET"):
    with w.tunnel("origin.test", origin.port) as c:
        return c.request(method, "/", host(origin), headers)


def prose(n, seed=1):
    r = random.Random(seed)
    return "".join(f"{r.choice('abcdef') * r.randrange(9)} {r.randrange(999)}\n"
                   for _ in range(n))  # fmt: skip


def flushed(text, wbits=GZIP, flush=zlib.Z_SYNC_FLUSH, size=3000):
    z, out = zlib.compressobj(6, zlib.DEFLATED, wbits), b""
    for i in range(0, len(text), size):
        out += z.compress(text[i : i + size].encode()) + z.flush(flush)
    return out + z.flush()


def in_pieces(body, seed=2):
    r, pieces = random.Random(seed), []
    while body:
        n = r.choice([1, 7, 500, 9000])
        pieces.append(body[:n])
        body = body[n:]
    return pieces


@pytest.mark.parametrize("wbits", [GZIP, DEFLATE, RAW])
def test_a_large_body(weir, origin, wbits):
    """As it came, whatever its blocks; with one secret, up to that one's."""
    text = prose(40_000)
    at = len(text) * 2 // 3
    coding = [("Content-Encoding", ENCODINGS[wbits])]
    bodies = {
        "/best": pack(text, wbits),
        "/flushed": flushed(text, wbits),
        "/full": flushed(text, wbits, zlib.Z_FULL_FLUSH, 50_000),
    }
    echo = f"{text[:at]} {SECRET} {text[at:]}"
    for path, body in bodies.items():
        origin.on(path, chunked(*in_pieces(body), headers=coding))
    packed = flushed(echo, wbits)
    origin.on("/echo", chunked(*in_pieces(packed), headers=coding))
    w = start(weir)
    with w.tunnel("origin.test", origin.port) as c:
        for path, body in bodies.items():
            assert c.get(path, host(origin)).body == body
        got = c.get("/echo", host(origin)).body
    assert unpack(got, wbits).decode() == echo.replace(SECRET, STARS)
    same = next(i for i, (a, b) in enumerate(zip(got, packed)) if a != b)
    z = zlib.decompressobj(wbits)
    assert at - 6000 < len(z.decompress(got[:same])) < at + 6000


def test_an_event_leaves_as_it_came(weir, open_steps):
    """The origin's own bytes, each time that it flushes, up to the secret."""
    w = start(weir)
    steps, c = open_steps(w, "Content-Encoding: gzip")
    z, u = zlib.compressobj(6, zlib.DEFLATED, GZIP), zlib.decompressobj(GZIP)
    with c:
        for i in range(20):
            text = f"data: event {i}\n\n".encode()
            data = z.compress(text) + z.flush(zlib.Z_SYNC_FLUSH)
            steps.send(data)
            got = b""
            while len(got) < len(data):
                got += c.reader.chunk()
            assert got == data
            assert u.decompress(got) == text
        for text in (f"data: {SECRET}\n\n", "data: more\n\n"):
            steps.send(z.compress(text.encode()) + z.flush(zlib.Z_SYNC_FLUSH))
            got = b""
            while len(got) < len(text):
                got += u.decompress(c.reader.chunk())
            assert got.decode() == text.replace(SECRET, STARS)
        steps.send(z.flush())
        steps.end()
        assert u.decompress(b"".join(iter(c.reader.chunk, b""))) == b""
        assert u.eof


def test_what_is_open_does_not_leave(weir, open_steps):
    """A block whose text ends in what may be the secret's begin waits whole; it
    leaves as it came when it is none."""
    w = start(weir)
    steps, c = open_steps(w, "Content-Encoding: gzip")
    z = zlib.compressobj(6, zlib.DEFLATED, GZIP)

    def data(text):
        return z.compress(text.encode()) + z.flush(zlib.Z_SYNC_FLUSH)

    with c:
        one, two, three = data("one."), data(f"two {SECRET[:11]}"), data("x.")
        steps.send(one)
        got = b""
        while len(got) < len(one):
            got += c.reader.chunk()
        assert got == one
        steps.send(two)
        steps.send(three)
        got = b""
        while len(got) < len(two + three):
            got += c.reader.chunk()
        assert got == two + three


@pytest.mark.parametrize("packed", [
    pack("one ") + pack("two ") + pack(""), pack("one") + b"\0" * 512, b"",
    pack(""), pack("text") + b"<!-- -->", pack("text")[:-8] + b"\0" * 8,
    pack(b"\0" * 4_000_000),
])  # fmt: skip
def test_what_is_odd_and_has_no_secret(weir, origin, packed):
    """Members, what stands behind them, a wrong check, a bomb: as it came."""
    origin.on("/", coded(packed))
    origin.on("/c", chunked(*[packed] if packed else [], headers=[("Content-Encoding", "x-gzip")]))
    w = start(weir)
    with w.tunnel("origin.test", origin.port) as c:
        r = c.get("/", host(origin))
        assert r.body == packed
        assert r.get("content-encoding") == "gzip"
        assert c.get("/c", host(origin)).body == packed


FIELDS = [("ETag", '"1"'), ("Accept-Ranges", "bytes"), ("Content-MD5", "x"),
          ("Digest", "x"), ("Repr-Digest", "x"), ("Content-Digest", "x"),
          ("Vary", "Accept-Encoding")]  # fmt: skip


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("is_packed", [True, False])
def test_what_the_head_says(weir, origin, method, is_packed):
    """All that it said but for ranges, which are not asked for, and the length
    of what is compressed."""
    body = pack("text") if is_packed else b"text"
    more = [("Content-Encoding", "gzip")] if is_packed else []
    answer = reply(body, headers=FIELDS + more)
    if method == "HEAD":
        answer = answer[: -len(body)]
    origin.on("/", answer)
    r = fetch(start(weir), origin, method=method)
    kept = [f for f in FIELDS + more if f[0] != "Accept-Ranges"]
    assert [(n, v) for n, v in r.headers if (n, v) in FIELDS + more] == kept
    assert r.all("content-length") == ([] if is_packed else ["4"])
    assert r.body == (b"" if method == "HEAD" else body)


@pytest.mark.parametrize("is_packed", [True, False])
def test_trailers_behind_a_body(weir, origin, is_packed):
    """A digest of a body that was masked is of no use."""
    trailers = f"X-Echo: {SECRET}\r\nDigest: x\r\nX-Sum: 1\r\n\r\n".encode()
    for path, text in (("/", "text"), ("/echo", f"text {SECRET}")):
        sent = pack(text) if is_packed else text.encode()
        head = [("Content-Encoding", "gzip")] if is_packed else []
        origin.on(path, chunked(sent, headers=head)[:-2] + trailers)
    w = start(weir)
    with w.tunnel("origin.test", origin.port) as c:
        r = c.get("/", host(origin))
        assert r.body == (pack("text") if is_packed else b"text")
        assert r.trailers == [("X-Echo", STARS), ("Digest", "x"), ("X-Sum", "1")]
        r = c.get("/echo", host(origin))
        got = unpack(r.body) if is_packed else r.body
        assert got == f"text {STARS}".encode()
        assert r.trailers == [("X-Echo", STARS), ("X-Sum", "1")]


def test_a_name_in_a_header(weir, origin):
    """The name of a member is plain text: masked, and the rest as it came."""
    def member(name, text):
        return (b"\x1f\x8b\x08\x08" + bytes(6) + name.encode() + b"\0"
                + pack(text, RAW)
                + struct.pack("<II", zlib.crc32(text.encode()), len(text)))  # fmt: skip

    clean = member("file.txt", "one ") + member("other.txt", "two")
    origin.on("/clean", coded(clean))
    origin.on("/", coded(member(f"a {SECRET} b", "one ") + member("c", "two")))
    w = start(weir)
    with w.tunnel("origin.test", origin.port) as c:
        assert c.get("/clean", host(origin)).body == clean
        got = c.get("/", host(origin)).body
    assert got == member(f"a {STARS} b", "one ") + member("c", "two")
    w.wait_log("secret_echoed")


def test_a_secret_over_two_members(weir, origin):
    packed = gzip.compress(f"one {SECRET[:9]}".encode())
    packed += gzip.compress(f"{SECRET[9:]} two ".encode())
    origin.on("/", coded(packed + gzip.compress(b"three") + b" behind"))
    r = fetch(start(weir), origin)
    z = zlib.decompressobj(GZIP)
    assert z.decompress(r.body).decode() == f"one {STARS} two three"
    assert z.eof and z.unused_data == b" behind"


def test_what_stands_behind(weir, origin):
    packed = pack("text")
    origin.on("/", coded(packed + f" {SECRET} ".encode()))
    assert fetch(start(weir), origin).body == packed + f" {STARS} ".encode()


def test_a_wrong_check_stays_wrong(weir, origin):
    """Of a body that is masked too."""
    packed = bytearray(pack(f"text {SECRET} text"))
    packed[-6] ^= 1
    origin.on("/", coded(bytes(packed)))
    r = fetch(start(weir), origin)
    with pytest.raises(zlib.error, match="incorrect data check"):
        unpack(r.body)
    assert unpack(r.body[10:-8], RAW).decode() == f"text {STARS} text"


@pytest.mark.parametrize("is_cut", [True, False])
def test_what_is_corrupt_leaves_to_its_last_block(weir, origin, is_cut):
    """The blocks that could be read, and no byte of the one that could not."""
    z = zlib.compressobj(6, zlib.DEFLATED, GZIP)
    good = z.compress(prose(500).encode()) + z.flush(zlib.Z_SYNC_FLUSH)
    rest = z.compress(prose(500, 9).encode()) + z.flush()
    bad = rest[:50] if is_cut else b"\7" + rest
    origin.on("/", chunked(good + bad, headers=[("Content-Encoding", "gzip")]))
    w = start(weir)
    with w.tunnel("origin.test", origin.port) as c:
        c.send(f"GET / HTTP/1.1\r\nHost: {host(origin)}\r\n\r\n")
        assert c.reader.head(Response).status == 200
        got = b""
        with pytest.raises(Truncated):
            while chunk := c.reader.chunk():
                got += chunk
    assert got == good
    w.wait_log("gunzip gave up on the body")


def one_block(n):
    """A block of deflate of `n` bytes of text and as many compressed: fixed
    codes of eight bits for each (RFC 1951 3.2.6)."""
    text = bytes(random.Random(3).choices(b"abcdefgh ", k=n))
    bits = "110" + "".join(f"{0x30 + c:08b}" for c in text) + "0" * 7
    bits += "0" * (-len(bits) % 8)
    return text, bytes(int(bits[i : i + 8][::-1], 2) for i in range(0, len(bits), 8))


def test_a_block_that_is_too_large(weir, origin):
    """256 KiB are held for a block's end; one that has more is compressed anew,
    and the log says so."""
    for path, n in (("/passes", 200_000), ("/anew", 300_000)):
        origin.on(path, coded(one_block(n)[1], "deflate"))
    w = start(weir)
    with w.tunnel("origin.test", origin.port) as c:
        assert c.get("/passes", host(origin)).body == one_block(200_000)[1]
        got = c.get("/anew", host(origin)).body
    text, packed = one_block(300_000)
    assert len(got) < len(packed) and unpack(got, RAW) == text
    w.wait_log("compressed anew from a block on: a block is larger than 256k")
    w.stop()
    assert w.error_log().count("compressed anew") == 1
