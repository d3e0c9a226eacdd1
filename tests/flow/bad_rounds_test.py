"""What nobody should send, two hundred times over: each time the same answer,
the slot given back, the connection not used again; afterwards the worker has
the memory that it had."""

import contextlib
import zlib

import pytest

from lib.back import ONE_SLOT, Back
from lib.http import Truncated, reply
from lib.weir import GLOBALS

pytestmark = pytest.mark.egress("redact on;")

ROUNDS = 10 if "one_byte" in GLOBALS else 200
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
GZIP = [("Content-Encoding", "gzip")]
INTERIM = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
BROKEN = None


def pack(text):
    z = zlib.compressobj(9, zlib.DEFLATED, 31)
    return z.compress(text) + z.flush()


PACKED = pack(b"text " * 900)


def endless(piece, first=b""):
    """Until nobody wants more."""

    def send(conn, request):
        with contextlib.suppress(OSError):
            conn.send(first)
            while True:
                conn.send(piece)

    return send


ANSWERS = {  # the bytes, and the status or what the client can tell
    "large head": (b"HTTP/1.1 200 OK\r\nA: " + b"x" * 65536 + b"\r\n\r\n", 502),
    "head of many": (b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 12000 + b"\r\n", 502),
    "endless head": (endless(b"x" * 9999, b"HTTP/1.1 200 OK\r\nA: "), 502),
    "endless fields": (endless(b"A: b\r\n" * 999, b"HTTP/1.1 200 OK\r\n"), 502),
    "both framings": (CHUNKED + b"Content-Length: 1\r\n\r\n0\r\n\r\n", 502),
    "two lengths": (reply(b"xy", headers=[("Content-Length", "1")]), 502),
    "negative length": (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", 502),
    "length too large": (reply(b"12345")[:-1], BROKEN),
    "length too small": (reply(b"1234") + b"5", 200),
    "chunk too large": (CHUNKED + b"\r\n6\r\n12345\r\n0\r\n\r\n", BROKEN),
    "chunk too small": (CHUNKED + b"\r\n4\r\n12345\r\n0\r\n\r\n", BROKEN),
    "no last chunk": (CHUNKED + b"\r\n5\r\n12345\r\n", BROKEN),
    "gzip cut": (reply(PACKED[:-1], headers=GZIP), BROKEN),
    "gzip corrupt": (reply(PACKED[:20] + b"\xff" * 20, headers=GZIP), BROKEN),
    "gzip check": (reply(PACKED[:-8] + b"\0" * 8, headers=GZIP), BROKEN),
    "gzip bomb": (reply(pack(bytes(1 << 22)), headers=GZIP), BROKEN),
    "no gzip": (reply(b"no gzip", headers=GZIP), BROKEN),
    "endless 1xx": (endless(INTERIM * 9), 502),
    "body after HEAD": (reply(b"12345"), 200),
    "body after 204": (reply(b"12345", status="204 No Content"), 204),
    "body after 304": (reply(b"12345", status="304 Not Modified"), 304),
    "unasked 101": (b"HTTP/1.1 101 S\r\nConnection: upgrade\r\n"
                    b"Upgrade: websocket\r\n\r\nframe", 502),
}  # fmt: skip
SERVICE = """
secret t env:TOKEN hosts=plain.test;
host plain.test { proxy_pass http://127.0.0.1:%d; bearer $secret_t; }
"""


def rounds(back, ask):
    """So often; how often that was."""
    for _ in range(ROUNDS // 2):  # caches and free lists fill
        ask()
    back.check()
    before = back.resident() if ROUNDS > 100 else None
    for _ in range(ROUNDS):
        ask()
    back.check()
    # KiB: two of each round would be seen.
    assert before is None or back.resident() < before + 400
    return ROUNDS // 2 + ROUNDS


@pytest.mark.parametrize("name", ANSWERS)
def test_bad_responses_cost_nothing(weir, origins, plain_origin, name):
    answer, status = ANSWERS[name]
    method = "HEAD" if "HEAD" in name else "GET"

    def script(conn):
        request = conn.read_request()
        answer(conn, request) if callable(answer) else conn.send(answer)
        if status is BROKEN:
            conn.hang_up()
        conn.reader.to_eof()  # of a connection that is kept there is none

    def ask():
        with w.client() as c:
            if status is not BROKEN:
                r = c.request(method, "http://plain.test/", "plain.test")
                assert r.status == status
                assert (r.get("Proxy-Status") is not None) == (status == 502)
                assert r.body in (b"", b"1234") or status == 502
                return
            with pytest.raises((Truncated, ConnectionError)):
                c.get("http://plain.test/", "plain.test")

    plain_origin.script = script
    good = origins("good.test", tls=False)
    w = weir(cls=ONE_SLOT, egress=SERVICE % plain_origin.port,
             env={"TOKEN": "never-to-be-said"})  # fmt: skip
    n = rounds(Back(w, good), ask)
    assert [c.raw for c in plain_origin.conns] == [(
        f"{method} / HTTP/1.1\r\nHost: 127.0.0.1:{plain_origin.port}\r\n"
        "Authorization: Bearer never-to-be-said\r\n\r\n"
    ).encode()] * n  # fmt: skip


FORM = "POST http://{host}/ HTTP/1.1\r\nHost: {host}\r\n"
CODED = FORM + "Transfer-Encoding: chunked\r\n"
REQUESTS = {  # the text, the status, whether any of it may go on
    "large head": (FORM + "A: " + "x" * 65536 + "\r\n\r\n", 431, False),
    "both framings": (CODED + "Content-Length: 3\r\n\r\n0\r\n\r\n", 400, False),
    "two lengths": (FORM + "Content-Length: 1\r\n" * 2 + "\r\nxy", 400, False),
    "length too large": (FORM + "Content-Length: 9\r\n\r\nx", None, True),
    "length too small": (FORM + "Content-Length: 1\r\n\r\nx\0", 400, True),
    "bad chunk": (CODED + "\r\n1\r\nxy\r\n", 400, True),
    "no last chunk": (CODED + "\r\n1\r\nx\r\n", None, True),
    "endless trailers": (CODED + "\r\n0\r\n" + "A: b\r\n" * 9999, 400, True),
}  # fmt: skip


@pytest.mark.parametrize("name", REQUESTS)
def test_bad_requests_cost_nothing(weir, origins, plain_origin, name):
    text, status, may_go_on = REQUESTS[name]
    text = text.replace("{host}", f"plain.test:{plain_origin.port}")

    def ask():
        with w.client() as c:
            c.send(text)
            c.half_close()
            if name == "length too small":
                assert c.read_response().status == 200
            if status is not None:
                assert c.read_response().status == status
            assert c.is_closed()

    good = origins("good.test", tls=False)
    w = weir(cls=ONE_SLOT, egress="proxy_keepalive_timeout 1ms;")
    rounds(Back(w, good), ask)
    assert may_go_on or plain_origin.conns == []
    assert all(r.body == b"x" for r in plain_origin.requests if r.body)
