"""TCP asks silent peers whether they are there: one whose host died without
a word is found, though nothing is to be sent to it. What weir sets is read here,
and in tests/unit/net/tcp_test.c; those that wait for TCP itself take as many
whole seconds as it takes, and but for one of each side are for --long."""

import socket
import threading
import time

import pytest

from lib.client import Client
from lib.far import FAR, NEAR, Far
from lib.http import Truncated
from lib.tcp import keepalive_timer
from lib.wait import SLOW, until

HALF = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"
TCP_REPAIR = 19  # linux/tcp.h


def host(origin):
    return f"origin.test:{origin.port}"


def ends_of(w, c, conn):
    """Both of weir's connections, its own end first."""
    return [
        (c.sock.getpeername(), c.sock.getsockname()),
        (conn.sock.getpeername(), conn.sock.getsockname()),
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
        for ends in ends_of(w, c, half.conns[0]):
            seconds = until(lambda: keepalive_timer(*ends), "a timer")
            assert least < seconds <= most


@pytest.mark.parametrize("before, after", [
    ("off", "90:1:1"), ("90:1:1", "off"), ("20:1:1", "90:1:1"),
])  # fmt: skip
def test_a_reload_says_otherwise(weir, half, before, after):
    """To the connections that are accepted from then on, of the same socket."""
    w = weir(egress=f"so_keepalive {before};")
    w.configure(w.config(egress=f"so_keepalive {after};"))
    old = w.children("worker")
    w.signal("HUP")
    until(lambda: not set(old) & set(w.children("worker")), "the old ones' end")
    with w.tunnel("origin.test", half.port) as c:
        begin(c, half)
        for ends in ends_of(w, c, half.conns[0]):
            if after == "off":
                assert keepalive_timer(*ends) is None
                continue
            seconds = until(lambda: keepalive_timer(*ends), "a timer")
            assert 60 < seconds <= 90


def test_off(weir, origin):
    w = weir(egress="so_keepalive off;")
    with w.tunnel("origin.test", origin.port) as c:
        assert c.get("/", host(origin)).status == 200
        for ends in ends_of(w, c, origin.conns[0]):
            assert keepalive_timer(*ends) is None


def vanish(sock):
    """Its end of the connection is no more, and the other is not told."""
    try:
        sock.setsockopt(socket.IPPROTO_TCP, TCP_REPAIR, 1)
    except PermissionError:
        pytest.skip("not allowed to")
    sock.close()


@pytest.mark.long
def test_client_that_vanished(weir, half):
    w = weir(egress="so_keepalive 1s:1s:1;")
    with w.tunnel("origin.test", half.port) as c:
        begin(c, half)
        ends = ends_of(w, c, half.conns[0])[0]
        until(lambda: keepalive_timer(*ends), "all is acknowledged")
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
        ends = ends_of(w, c, origin.conns[0])[1]
        until(lambda: keepalive_timer(*ends), "all is acknowledged")
        go.set()
        assert c.is_closed()


# Behind a link that is cut: after idle + interval * count


@pytest.fixture
def far():
    try:
        there = Far()
    except PermissionError:
        pytest.skip("not allowed to")
    yield there
    there.leave()


def ended_in_time(began):
    return 1 < time.monotonic() - began < 2 + 2 * SLOW


@pytest.mark.parametrize("in_flight", [
    pytest.param(True, marks=pytest.mark.long), False,
])  # fmt: skip
@pytest.mark.timed
@pytest.mark.slow
@pytest.mark.usefixtures("urgent")
def test_client_behind_a_dead_link(far, weir, origin, in_flight):
    """Bytes on their way to it, or none: two seconds, which are the least that
    there is of idle and interval."""
    cut = threading.Event()

    def script(conn):
        conn.read_request()
        conn.send(HALF)
        assert cut.wait(20)
        if in_flight:
            conn.send(b"more")
        conn.reader.to_eof()

    origin.script = script
    w = weir(
        egress="so_keepalive 1s:1s:1; listen 127.0.0.1:{{port}} proxy;\n"
        f"listen {NEAR}:{{{{port}}}} proxy;",
        sandbox=f"class test; address {FAR};",
    )
    with far.there(Client, w.port, NEAR) as c:
        assert c.connect(host(origin)).status == 200
        begin(c.tls("origin.test", w.ca()), origin)
        ends = ends_of(w, c, origin.conns[0])[0]
        until(lambda: keepalive_timer(*ends), "all is acknowledged")
        far.cut()
        began = time.monotonic()
        cut.set()
        assert origin.conns[0].done.wait(20)
        assert ended_in_time(began)
    asked = f"GET / HTTP/1.1\r\nHost: {host(origin)}\r\n\r\n"
    assert origin.raw == asked.encode()
    assert w.access_log(2)[1]["cause"] == "client closed the connection"


@pytest.mark.parametrize("in_flight", [
    True, pytest.param(False, marks=pytest.mark.long),
])  # fmt: skip
@pytest.mark.timed
@pytest.mark.slow
@pytest.mark.usefixtures("urgent")
def test_origin_behind_a_dead_link(far, weir, in_flight):
    """It vanishes in a request's body, or in a response's: two seconds and what
    TCP takes to repeat what it sent."""
    listener = far.there(socket.create_server, (FAR, 0))
    name = f"far.test:{listener.getsockname()[1]}"
    head = f"PUT http://{name}/ HTTP/1.1\r\nHost: {name}\r\n"
    w = weir(
        egress=f"so_keepalive 1s:1s:1; ports {name[9:]};\n"
        f"resolve far.test {FAR}; allow_address {FAR}/32;"
    )
    with w.client() as c, listener:
        c.send(f"{head}Content-Length: 8\r\n\r\nhalf")
        with listener.accept()[0] as conn, conn.makefile("rb") as got:
            while got.readline() != b"\r\n":
                pass
            assert got.read(4) == b"half"
            if not in_flight:
                c.send("more")
                assert got.read(4) == b"more"
                conn.sendall(HALF)
                assert c.reader.exactly(len(HALF)).endswith(b"half")
            ends = conn.getpeername(), conn.getsockname()
            until(lambda: keepalive_timer(*ends), "all is acknowledged")
            far.cut()
            began = time.monotonic()
            if in_flight:
                c.send("mor")
                assert c.read_response().status == 502
            else:
                with pytest.raises((Truncated, ConnectionError)):
                    c.reader.exactly(1)
            assert ended_in_time(began)


def test_bad_value(weir):
    w = weir(egress="so_keepalive 1:2;", start=False)
    done = w.run("-t")
    assert done.returncode == 1
    assert 'invalid so_keepalive "1:2"' in done.stderr
