"""Slow heads, bodies and handshakes, of clients and of origins: one of each
directive, seen end to end. Each step, whoever stalls in it, and the time to the
millisecond are tests/unit/proxy/*_timeout_test.c's and *_slow_test.c's."""

import contextlib
import select
import socket
import time

import pytest

from lib.back import ONE_SLOT, Back
from lib.client import client_hello
from lib.http import Truncated
from lib.wait import SLOW
from lib.weir import GLOBALS

LIMIT = 0.3  # seconds
AGAIN = 0.02  # seconds between a trickle's bytes


def host(origin):
    return f"{origin.names[0]}:{origin.port}"


@pytest.fixture
def cut(weir, origins, canary):
    """`with cut(directive, cause, …) as w`: in it something stalls, to its
    end; `cause` is logged. What is left to test of it is as before."""
    good = origins("good.test", tls=False)

    @contextlib.contextmanager
    def until_cut(directive, cause, is_egress=False, more=""):
        line = f"{directive} {LIMIT * 1000:.0f}ms;"
        own = "" if is_egress else line
        w = weir(egress=f"{line if is_egress else ''}\n"
                 f"host origin.test {{ {own} {more} }}",
                 cls=ONE_SLOT)  # fmt: skip
        back = Back(w, good)
        began = time.monotonic()
        yield w
        assert time.monotonic() - began >= LIMIT
        w.wait_log(cause)
        back.check()

    return until_cut


def trickle(sock, data):
    """A byte at a time, until the other end speaks or leaves."""
    for byte in data:
        if select.select([sock], [], [], AGAIN)[0]:
            return
        sock.sendall(bytes([byte]))
    raise AssertionError("all of it was taken")


# Clients


def test_trickled_hello(cut, origin):
    hello = client_hello("origin.test")
    with cut("client_header_timeout", "client handshake timed out", True) as w:
        with w.client() as c:
            assert c.connect(host(origin)).status == 200
            trickle(c.sock, hello)
            assert c.is_closed()
    assert origin.conns == []


def test_trickled_request_head(cut, origin):
    with cut("client_header_timeout", "request head timed out", True) as w:
        with w.client() as c:
            trickle(c.sock, b"GET http://origin.test/" + b"a" * 9000)
            assert c.read_response().status == 408
            assert c.is_closed()
    assert origin.conns == []


def test_stalled_request_body(cut, origin):
    head = f"POST / HTTP/1.1\r\nHost: {host(origin)}\r\nContent-Length: 9\r\n\r\n"
    with cut("client_body_timeout", "body did not arrive in time") as w:
        with w.tunnel("origin.test", origin.port) as c:
            c.send(head + "half")
            assert c.read_response().status == 408
            assert c.is_closed()
    assert origin.conns[0].done.wait(20)
    assert origin.raw == f"{head}half".encode()


# Origins


def says(conn, data):
    """That slowly; or nothing at all."""
    trickle(conn.sock, data) if data else conn.reader.to_eof()


def test_silent_handshake_upstream(cut, origin):
    origin.context = None
    origin.script = lambda conn: says(conn, b"")
    with cut("proxy_connect_timeout", "TLS handshake did not end in time") as w:
        with w.tunnel("origin.test", origin.port) as c:
            r = c.get("/", host(origin))
            assert r.status == 504
            assert "error=connection_timeout" in r.get("Proxy-Status")
            assert not r.has_token("connection", "close")


def test_trickled_response_head(cut, origin):
    head = b"HTTP/1.1 200 OK\r\nX: " + b"x" * 9000
    origin.script = lambda conn: (conn.read_request(), says(conn, head))
    with cut("proxy_header_timeout", "origin did not answer in time") as w:
        with w.tunnel("origin.test", origin.port) as c:
            r = c.get("/", host(origin))
            assert r.status == 504
            assert "error=http_response_timeout" in r.get("Proxy-Status")
            assert not r.has_token("connection", "close")
    assert origin.raw == f"GET / HTTP/1.1\r\nHost: {host(origin)}\r\n\r\n".encode()


def test_stalled_response_body(cut, origin):
    def script(conn):
        conn.read_request()
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
        conn.reader.to_eof()

    origin.script = script
    with cut("proxy_read_timeout", "upstream timed out in its body") as w:
        with w.tunnel("origin.test", origin.port) as c:
            with pytest.raises((Truncated, ConnectionError)):
                c.get("/", host(origin))
    assert origin.conns[0].done.wait(20)


def test_blind_tunnel_that_goes_silent(cut, origin):
    origin.context = None
    origin.script = lambda conn: (conn.send(b"some"), conn.reader.to_eof())
    hello = client_hello("origin.test")
    cause, blind = "tunnel timed out", "intercept off;"
    with cut("proxy_read_timeout", cause, more=blind) as w:
        with w.client() as c:
            assert c.connect(host(origin)).status == 200
            c.send(hello)
            assert c.reader.exactly(4) == b"some"
            assert c.is_closed()
    assert origin.conns[0].done.wait(20)
    assert origin.raw == hello


# Not stalled, as TCP has it: what a peer takes is too little for the system to
# say so, and weir tries each half a second. So these take seconds.


def send_zeros(c, n):
    """As many as are taken."""
    with contextlib.suppress(OSError):
        c.send(bytes(n))


def read_slowly(c, limit):
    """Longer than that, and far less than what is on its way."""
    piece = 1 << 16
    c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, piece)
    until = time.monotonic() + 2 * limit
    while time.monotonic() < until:
        assert len(c.reader.exactly(piece)) == piece
        select.select([], [], [], limit / 8)


@pytest.mark.long
@pytest.mark.timed
@pytest.mark.slow
@pytest.mark.usefixtures("urgent")
@pytest.mark.skipif("one_byte" in GLOBALS, reason="it takes long to fill up")
@pytest.mark.parametrize("blind", [False, True])
def test_a_client_that_reads_slowly(weir, origin, blind):
    """What it takes is too little for the system to say so."""
    if blind:
        origin.context = None
    origin.script = lambda conn: (
        conn.reader.fill(),
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n"),
        send_zeros(conn, 100_000_000),
    )
    limit = 2 * SLOW
    w = weir(
        egress=f"send_timeout {limit * 1000:.0f}ms;\n"
        f"proxy_read_timeout {limit * 1000:.0f}ms;\n"
        f"host origin.test {{ intercept {'off' if blind else 'on'}; }}"
    )
    with w.client() as c:
        assert c.connect(host(origin)).status == 200
        if blind:
            c.send(client_hello("origin.test"))
        else:
            c.tls("origin.test", w.ca())
            c.send(f"GET / HTTP/1.1\r\nHost: {host(origin)}\r\n\r\n")
        read_slowly(c, limit)
        assert "timed out" not in w.error_log()  # it may not see that yet
