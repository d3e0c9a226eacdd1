"""Slow heads, bodies and handshakes, of clients and of origins: each is cut
when its directive says, and two seconds later at most; whatever a peer sends
meanwhile, a byte at a time. Slot and connections are given back."""

import contextlib
import select
import socket
import threading
import time

import pytest

from lib import full
from lib.back import ONE_SLOT, Back
from lib.client import client_hello
from lib.http import Truncated
from lib.origin import UnixOrigin
from lib.wait import SLOW
from lib.weir import GLOBALS

pytestmark = pytest.mark.usefixtures("urgent")

LIMIT = 1.0 * SLOW
LONG_LIMIT = 3.0 * SLOW  # twice that is over two seconds too late
AGAIN = 0.02  # seconds between a trickle's bytes


def host(origin):
    return f"{origin.names[0]}:{origin.port}"


@pytest.fixture
def cut(weir, origins, canary):
    """`with cut(directive, cause, …) as w`: in it something stalls, to its
    end; `cause` is logged. What is left to test of it is as before."""
    good = origins("good.test", tls=False)

    @contextlib.contextmanager
    def until_cut(directive, cause, egress="", limit=LIMIT):
        w = weir(egress=f"{egress}\n{directive} {limit * 1000:.0f}ms;",
                 cls=ONE_SLOT)  # fmt: skip
        back = Back(w, good)
        began = time.monotonic()
        yield w
        took = time.monotonic() - began
        assert limit <= took < limit + 2 * SLOW
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


def ends(c):
    """Whatever it had still to say."""
    with contextlib.suppress(ConnectionError):
        c.reader.to_eof()


# Clients


@pytest.mark.parametrize("blind", [False, True])
def test_trickled_hello(cut, origin, blind):
    rule = "host origin.test { intercept off; }" if blind else ""
    hello = client_hello("origin.test")
    with cut("client_header_timeout", "client handshake timed out", rule) as w:
        with w.client() as c:
            assert c.connect(host(origin)).status == 200
            trickle(c.sock, hello)
            assert c.is_closed()
    assert origin.conns == []


def test_hello_without_an_end(cut, origin):
    """Answered, and the client says no more."""
    hello = client_hello("origin.test")
    with cut("client_header_timeout", "client handshake timed out") as w:
        with w.client() as c:
            assert c.connect(host(origin)).status == 200
            c.send(hello)
            assert c.reader.exactly(1) == b"\x16"
            ends(c)
    assert origin.conns == []


@pytest.mark.parametrize("blind", [False, True])
def test_silence_in_a_tunnel(cut, origin, blind):
    rule = "host origin.test { intercept off; }" if blind else ""
    cause = "tunnel closed before its first byte"
    with cut("client_header_timeout", cause, rule) as w:
        with w.client() as c:
            assert c.connect(host(origin)).status == 200
            assert c.is_closed()
    assert origin.conns == []


@pytest.mark.parametrize("tls", [False, True])
def test_trickled_request_head(cut, origin, tls):
    with cut("client_header_timeout", "request head timed out") as w:
        with w.tunnel("origin.test", origin.port) if tls else w.client() as c:
            trickle(c.sock, b"GET http://origin.test/" + b"a" * 9000)
            assert c.read_response().status == 408
            assert c.is_closed()
    assert origin.conns == []


@pytest.mark.parametrize("chunked", [False, True])
def test_stalled_request_body(cut, origin, chunked):
    framing = "Transfer-Encoding: chunked" if chunked else "Content-Length: 9"
    half = "9\r\nhalf" if chunked else "half"
    head = f"POST / HTTP/1.1\r\nHost: {host(origin)}\r\n{framing}\r\n\r\n"
    with cut("client_body_timeout", "body did not arrive in time") as w:
        with w.tunnel("origin.test", origin.port) as c:
            c.send(head + half)
            assert c.read_response().status == 408
            assert c.is_closed()
    assert origin.conns[0].done.wait(20)
    got = "4\r\nhalf\r\n" if chunked else half
    assert origin.raw == (head + got).encode()


@pytest.mark.skipif("one_byte" in GLOBALS, reason="it takes long to fill up")
def test_a_client_that_does_not_read(cut, origin):
    head = f"GET / HTTP/1.1\r\nHost: {host(origin)}\r\n\r\n"
    origin.default = b"HTTP/1.1 200 OK\r\n\r\n" + bytes(1 << 24)
    with cut("send_timeout", "client timed out", limit=LONG_LIMIT) as w:
        with w.tunnel("origin.test", origin.port) as c:
            c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            c.send(head)
            assert origin.wait_conns(1)[0].done.wait(20)
            assert w.access_log(2)[1]["cause"] == "client timed out"
    assert origin.raw == head.encode()


def test_trickled_proxy_header(cut, origin):
    front = """
    sandbox box { class test; address 10.9.0.7; }
    sandbox good { class test; address 127.0.0.1; }
    listen 127.0.0.1:{{front_port}} proxy proxy_protocol;
    listen 127.0.0.1:{{port}} proxy;
    set_real_ip_from 127.0.0.1;
    """
    with cut("client_header_timeout", "no PROXY header came", front) as w:
        with w.client(w.ports["front_port"]) as c:
            trickle(c.sock, b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x0f\0" + bytes(3000))
            assert c.is_closed()
    assert origin.conns == []


# Origins


def says(conn, data):
    """That slowly; or nothing at all."""
    trickle(conn.sock, data) if data else conn.reader.to_eof()


def read_record(conn):
    head = conn.reader.exactly(5)
    conn.reader.exactly(int.from_bytes(head[3:], "big"))


@pytest.mark.parametrize("is_silent", [True, False])
def test_stalled_handshake_upstream(cut, origin, is_silent):
    """Of a record that would be a long one."""
    origin.context = None
    record = b"" if is_silent else b"\x16\x03\x03\x40\0" + bytes(16384)
    origin.script = lambda conn: (read_record(conn), says(conn, record))
    with cut("proxy_connect_timeout", "TLS handshake did not end in time") as w:
        with w.tunnel("origin.test", origin.port) as c:
            r = c.get("/", host(origin))
            assert r.status == 504
            assert "error=connection_timeout" in r.get("Proxy-Status")
            assert not r.has_token("connection", "close")


LONG = b"HTTP/1.1 200 OK\r\nX: " + b"x" * 9000
HEADS = {
    "silent": b"",
    "slow": LONG,
    "interim": b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 30 + LONG,
}


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("head", HEADS)
def test_stalled_response_head(cut, origins, tls, head):
    o = origins("o.test", tls=tls)
    o.script = lambda conn: (conn.read_request(), says(conn, HEADS[head]))
    url = "" if tls else f"http://{host(o)}"
    with cut("proxy_header_timeout", "origin did not answer in time") as w:
        with w.tunnel("o.test", o.port) if tls else w.client() as c:
            r = c.get(f"{url}/", host(o))
            assert r.status == 504
            assert "error=http_response_timeout" in r.get("Proxy-Status")
            assert not r.has_token("connection", "close")
    assert o.raw == f"GET / HTTP/1.1\r\nHost: {host(o)}\r\n\r\n".encode()


HALVES = {
    "length": b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf",
    "until close": b"HTTP/1.1 200 OK\r\n\r\nhalf",
}


@pytest.mark.parametrize("framing", HALVES)
def test_stalled_response_body(cut, origin, framing):
    def script(conn):
        conn.read_request()
        conn.send(HALVES[framing])
        conn.reader.to_eof()

    origin.script = script
    with cut("proxy_read_timeout", "upstream timed out in its body") as w:
        with w.tunnel("origin.test", origin.port) as c:
            with pytest.raises((Truncated, ConnectionError)):
                c.get("/", host(origin))
    assert origin.conns[0].done.wait(20)


@pytest.mark.skipif("one_byte" in GLOBALS, reason="it takes long to fill up")
def test_an_origin_that_does_not_read(cut, plain_origin):
    over = threading.Event()
    plain_origin.script = lambda conn: (conn.read_head(), over.wait(60))
    plain_origin.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    head = f"PUT / HTTP/1.1\r\nHost: {host(plain_origin)}\r\n"
    head += f"Content-Length: {1 << 24}\r\n\r\n"
    cause = "origin did not read the request in time"
    with cut("proxy_send_timeout", cause, limit=LONG_LIMIT) as w:
        with w.client() as c:
            c.send(head.replace("/ ", f"http://{host(plain_origin)}/ ", 1))
            sender = threading.Thread(target=send_zeros, args=(c, 1 << 24))
            sender.start()
            r = c.read_response()
            sender.join()
            assert r.status == 504
            assert "error=connection_write_timeout" in r.get("Proxy-Status")
    over.set()
    assert plain_origin.requests[0].raw_head == head.encode()


def send_zeros(c, n):
    """As many as are taken."""
    with contextlib.suppress(OSError):
        c.send(bytes(n))


@pytest.mark.skipif("one_byte" in GLOBALS, reason="it takes long to fill up")
def test_an_origin_that_does_not_read_a_trickle(weir, pki):
    """What the client still sends is no sign of life of the origin's. A unix
    socket takes the same each time: three chunks less than all leave room."""
    w = weir(
        cls="allowed_hosts up.test turn.test;",
        egress=f"proxy_send_timeout {LONG_LIMIT * 1000:.0f}ms;\n{full.TURN}"
        "host up.test { proxy_pass http://unix:up.sock; }",
    )
    o, over = UnixOrigin(pki, w.path("up.sock")), threading.Event()
    o.script = lambda conn: (conn.read_head(), over.wait(60))
    first, n = full.upload(w, "up.test")
    first.reset()
    c, sent = full.upload(w, "up.test", n - 3)
    assert sent == n - 3
    began = time.monotonic()
    with c:
        c.send("ffff\r\n")
        trickle(c.sock, bytes(round((LONG_LIMIT + 6 * SLOW) / AGAIN)))
        assert c.read_response().status == 504
    assert time.monotonic() - began < LONG_LIMIT + 2 * SLOW
    w.wait_log("origin did not read the request in time")
    over.set()
    o.close()


@pytest.mark.long
@pytest.mark.skipif("one_byte" in GLOBALS, reason="it takes long to fill up")
def test_an_origin_that_reads_slowly(weir, pki):
    """The last bytes too, for which weir has none to follow: they take longer
    than the limit, and none of them waits for as long."""
    limit, total = 2 * SLOW, 340_000
    w = weir(
        cls="allowed_hosts up.test;",
        egress=f"proxy_send_timeout {limit * 1000:.0f}ms;\n"
        "host up.test { proxy_pass http://unix:up.sock; }",
    )

    def script(conn):
        conn.read_head()
        got = len(conn.reader.buffer)
        while got < total:
            select.select([], [], [], limit / 8)
            got += len(conn.recv(6000))
        conn.send(b"HTTP/1.1 204 All of it\r\n\r\n")

    o = UnixOrigin(pki, w.path("up.sock"))
    o.script = script
    with w.client() as c:
        c.send("PUT http://up.test/ HTTP/1.1\r\nHost: up.test\r\n"
               f"Content-Length: {total}\r\n\r\n")  # fmt: skip
        c.sock.settimeout(20 * limit)
        c.send(bytes(total))
        assert c.read_response().status == 204
    o.close()


def test_blind_tunnel_that_goes_silent(cut, origin):
    origin.context = None
    origin.script = lambda conn: (conn.send(b"some"), conn.reader.to_eof())
    rule = "host origin.test { intercept off; }"
    hello = client_hello("origin.test")
    with cut("proxy_read_timeout", "tunnel timed out", rule) as w:
        with w.client() as c:
            assert c.connect(host(origin)).status == 200
            c.send(hello)
            assert c.reader.exactly(4) == b"some"
            assert c.is_closed()
    assert origin.conns[0].done.wait(20)
    assert origin.raw == hello


@pytest.mark.skipif("one_byte" in GLOBALS, reason="it takes long to fill up")
def test_blind_tunnel_that_nobody_reads(cut, origin):
    over = threading.Event()
    origin.context = None
    origin.script = lambda conn: (send_zeros(conn, 1 << 24), over.wait(60))
    origin.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    rule = "host origin.test { intercept off; }"
    with cut("proxy_read_timeout", "tunnel timed out", rule, LONG_LIMIT) as w:
        with w.client() as c:
            c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            assert c.connect(host(origin)).status == 200
            c.send(client_hello("origin.test"))
            send_zeros(c, 1 << 24)
    over.set()


def test_websocket_that_goes_silent(cut, origin):
    asked = (
        f"GET / HTTP/1.1\r\nHost: {host(origin)}\r\n"
        "Connection: upgrade\r\nUpgrade: websocket\r\n\r\n"
    )
    switched = asked.replace(asked[: asked.index("Connection")],
                             "HTTP/1.1 101 Switching Protocols\r\n")  # fmt: skip
    origin.script = lambda conn: (
        conn.read_request(),
        conn.send(switched.encode()),
        conn.reader.to_eof(),
    )
    with cut("proxy_read_timeout", "tunnel timed out") as w:
        with w.tunnel("origin.test", origin.port) as c:
            c.send(asked + "frame")
            assert c.read_response().status == 101
            assert c.is_closed()
    assert origin.conns[0].done.wait(20)
    assert origin.raw == (asked + "frame").encode()


# Not stalled


def read_slowly(c, limit):
    """Longer than that, and far less than what is on its way."""
    piece = 1 << 16
    c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, piece)
    until = time.monotonic() + 2 * limit
    while time.monotonic() < until:
        assert len(c.reader.exactly(piece)) == piece
        select.select([], [], [], limit / 8)


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
