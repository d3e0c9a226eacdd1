"""Origins that fail at each offset of what they say: handshake, head, a body
that is looked through. The client can tell, and all that was taken for the
request is given back."""

import contextlib
import ssl
import zlib

import pytest

from lib.back import ONE_SLOT, Back
from lib.http import Truncated
from lib.wait import SLOW

pytestmark = pytest.mark.egress("redact on;")

SECRET = "0123456789abcdef-secret"
STARS = "*" * len(SECRET)


def host(origin):
    return f"{origin.names[0]}:{origin.port}"


@pytest.fixture
def good(origins):
    return origins("good.test", tls=False)


# Handshakes

STEP = 31  # bytes from one cut to the next


def shake_hands(conn, context, n):
    """The origin's side of it, `n` bytes of that at most; whether it was all
    of it."""
    got, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(got, out, server_side=True)
    is_done = False
    while not is_done and n > 0:
        with contextlib.suppress(ssl.SSLWantReadError):
            tls.do_handshake()
            is_done = True
        data = out.read()
        conn.send(data[:n])
        n -= len(data)
        if not is_done and n > 0:
            got.write(conn.recv(65536))
    return is_done and n >= 0


@pytest.mark.parametrize("end", ["hang_up", "reset"])
@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_handshake_cut_at_each_offset(weir, origin, good, canary, version, end):
    context, origin.context = origin.context, None
    context.maximum_version = ssl.TLSVersion[version]
    whole = []

    def script(conn):
        n = (len(origin.conns) - 1) * STEP
        whole.append(shake_hands(conn, context, n))
        getattr(conn, end)()

    origin.script = script
    w = weir(cls=ONE_SLOT)
    with w.tunnel("origin.test", origin.port) as c:
        back = Back(w, good)
        while not any(whole):
            r = c.get("/", host(origin))
            assert r.status == 502
            assert "error=" in r.get("Proxy-Status")
            back.check(f"after {len(origin.conns)}")
    assert len(origin.conns) == len(whole) > 20  # none was tried again
    assert origin.requests == []


# Heads

HEAD = (b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")  # fmt: skip


def test_head_that_stops_at_each_offset(weir, origins):
    """All at once, twice, on as many slots as there are offsets: a slot that
    was not given back would be missing."""
    o = origins("o.test", tls=False)

    def stop(conn, request):
        conn.send(HEAD[: int(request.target.partition("?")[2])])

    o.default = stop
    w = weir(
        cls=f"header_slots {len(HEAD)}; header_slots_queue 0;",
        egress=f"proxy_header_timeout {SLOW * 300:.0f}ms;",
    )
    for _ in range(2):
        clients = []
        for n in range(len(HEAD)):
            c = w.client()
            c.send(f"GET http://{host(o)}/?{n} HTTP/1.1\r\nHost: {host(o)}\r\n\r\n")
            clients.append(c)
        for c in clients:
            r = c.read_response()
            assert r.status == 504
            assert "error=http_response_timeout" in r.get("Proxy-Status")
            c.close()
    for conn in o.conns:
        assert conn.done.wait(20) and len(conn.requests) == 1


# Bodies


def packed():
    z = zlib.compressobj(9, zlib.DEFLATED, 31)
    out = z.compress(b"said: ") + z.flush(zlib.Z_SYNC_FLUSH)
    return out + z.compress(f"{SECRET}. ".encode() * 3) + z.flush()


FRAMED = {
    "length": (f"Content-Length: {len(packed())}", packed()),
    "chunked": ("Transfer-Encoding: chunked",
                b"%x\r\n%s\r\n0\r\n\r\n" % (len(packed()), packed())),
    "until close": ("Connection: close", packed()),
}  # fmt: skip
SERVICE = """
secret t env:TOKEN hosts=plain.test;
host plain.test { proxy_pass http://127.0.0.1:%d; bearer $secret_t; }
"""


def read_packed(c):
    """A whole response's body, which passed as gzip."""
    z = zlib.decompressobj(31)
    text = z.decompress(c.read_response().body)
    assert z.eof
    return text.decode()


@pytest.mark.parametrize("end", ["hang_up", "reset"])
@pytest.mark.parametrize("framing", FRAMED)
def test_packed_body_cut_at_each_offset(weir, plain_origin, good, framing, end):
    """Whatever the framing: what is cut has no end. (Nothing at all, to the
    connection's end, is an empty body.)"""
    field, body = FRAMED[framing]
    first = 1 if framing == "until close" else 0
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n{field}\r\n\r\n"

    def cut(conn, request):
        n = int(request.target.partition("?")[2])
        conn.send(head.encode() + body[:n])
        getattr(conn, "hang_up" if n == len(body) else end)()

    plain_origin.default = cut
    w = weir(cls=ONE_SLOT, egress=SERVICE % plain_origin.port,
             env={"TOKEN": SECRET})  # fmt: skip
    back = Back(w, good)
    asked = "GET http://plain.test/?{} HTTP/1.1\r\nHost: plain.test\r\n\r\n"
    for n in range(first, len(body)):
        with w.client() as c:
            c.send(asked.format(n))
            with pytest.raises((Truncated, ConnectionError)):
                read_packed(c)
        back.check(f"after {n}")
    with w.client() as c:
        c.send(asked.format(len(body)))
        assert read_packed(c) == f"said: {STARS}. {STARS}. {STARS}. "
    assert len(plain_origin.conns) == len(body) + 1 - first
