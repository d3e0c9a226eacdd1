"""TCP asks silent peers whether they are there: one whose host died without
a word is found, though nothing is to be sent to it."""

import socket
import threading

import pytest

from lib.wait import until

HALF = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"
TCP_REPAIR = 19  # linux/tcp.h


def host(origin):
    return f"origin.test:{origin.port}"


def keepalive_timer(near, far):
    """Seconds until TCP asks on the connection between two ports, at the end
    of the first; None where it does not."""
    with open("/proc/net/tcp") as f:
        rows = [line.split() for line in f.readlines()[1:]]
    for row in rows:
        ports = [int(a.rpartition(":")[2], 16) for a in row[1:3]]
        if row[3] == "01" and ports == [near, far]:
            kind, _, ticks = row[5].partition(":")
            return int(ticks, 16) / 100 if kind == "02" else None
    raise AssertionError("no such connection")


def ports_of(w, c, conn):
    """Both of weir's connections, its own end first."""
    return [
        (w.port, c.sock.getsockname()[1]),
        (conn.sock.getpeername()[1], conn.sock.getsockname()[1]),
    ]


@pytest.fixture
def half(origin):
    """An origin that stops in the middle; `gone` is the end of its peer."""
    gone = threading.Event()

    def script(conn):
        conn.read_request()
        conn.send(HALF)
        conn.reader.to_eof()
        gone.set()

    origin.script = script
    origin.gone = gone
    return origin


def begin(c, origin):
    c.send(f"GET / HTTP/1.1\r\nHost: {host(origin)}\r\n\r\n")
    assert c.reader.exactly(len(HALF)).endswith(b"half")


@pytest.mark.parametrize(
    "value, least, most",
    [(None, 15, 60), ("on", 15, 60), ("90:1:1", 60, 90), ("2m::", 90, 120)],
)
def test_silent_peers_are_asked(weir, half, value, least, most):
    w = weir(egress=f"so_keepalive {value};" if value else "")
    with w.tunnel("origin.test", half.port) as c:
        begin(c, half)
        for ports in ports_of(w, c, half.conns[0]):
            seconds = until(lambda: keepalive_timer(*ports), "a timer")
            assert least < seconds <= most


def test_a_reload_says_otherwise(weir, half):
    """To the connections that are accepted from then on, of the same socket."""
    w = weir(egress="so_keepalive off;")
    w.configure(w.config(egress="so_keepalive 90:1:1;\n"
                                "host marker.test { return 410; }"))  # fmt: skip
    w.signal("HUP")

    def is_new():
        with w.client() as c:
            marker = "http://marker.test/"
            return c.get(marker, "marker.test").status == 410

    until(is_new, "the new configuration")
    with w.tunnel("origin.test", half.port) as c:
        begin(c, half)
        for ports in ports_of(w, c, half.conns[0]):
            seconds = until(lambda: keepalive_timer(*ports), "a timer")
            assert 60 < seconds <= 90


def test_off(weir, origin):
    w = weir(egress="so_keepalive off;")
    with w.tunnel("origin.test", origin.port) as c:
        assert c.get("/", host(origin)).status == 200
        for ports in ports_of(w, c, origin.conns[0]):
            assert keepalive_timer(*ports) is None


def vanish(sock):
    """Its end of the connection is no more, and the other is not told."""
    try:
        sock.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
    except PermissionError:
        pytest.skip("not allowed to")
    sock.close()


def test_client_that_vanished(weir, half):
    w = weir(egress="so_keepalive 1s:1s:1;")
    with w.tunnel("origin.test", half.port) as c:
        begin(c, half)
        ports = ports_of(w, c, half.conns[0])[0]
        until(lambda: keepalive_timer(*ports), "all is acknowledged")
        vanish(c.sock)
        assert half.gone.wait(20)


@pytest.mark.long
def test_origin_that_vanished(weir, origin):
    go = threading.Event()

    def script(conn):
        conn.read_request()
        conn.send(HALF)
        assert go.wait(20)
        vanish(conn.sock)

    origin.script = script
    w = weir(egress="so_keepalive 1s:1s:1;")
    with w.tunnel("origin.test", origin.port) as c:
        begin(c, origin)
        ports = ports_of(w, c, origin.conns[0])[1]
        until(lambda: keepalive_timer(*ports), "all is acknowledged")
        go.set()
        assert c.is_closed()


def test_bad_value(weir):
    w = weir(egress="so_keepalive 1:2;", start=False)
    done = w.run("-t")
    assert done.returncode == 1
    assert 'invalid so_keepalive "1:2"' in done.stderr
