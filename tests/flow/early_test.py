"""Answers that come before the request's end, and clients that say no more:
how long each side is listened to."""

import contextlib
import threading

import pytest

from lib.http import reply
from lib.weir import GLOBALS


def host(origin):
    return f"{origin.names[0]}:{origin.port}"


def head(origin, length, more=""):
    return (
        f"POST /early HTTP/1.1\r\nHost: {host(origin)}\r\n"
        f"Content-Length: {length}\r\n{more}\r\n"
    )


def refuses(origin, then):
    """Answers 401 to the head of the first request, then does `then(conn)`."""

    def script(conn):
        if len(origin.conns) > 1:
            origin.serve(conn)
            return
        conn.read_head()
        conn.send(reply(b"who?", "401 Unauthorized"))
        then(conn)

    origin.script = script


def keeps_reading(conn):
    conn.reader.to_eof()


def closes(conn):
    pass


def resets(conn):
    conn.reset()


@pytest.mark.parametrize("then", [keeps_reading, closes, resets])
def test_the_rest_is_drained(weir, origin, then):
    """A little: the client's connection serves the next request, the origin's
    does not."""
    refuses(origin, then)
    w = weir()
    with w.tunnel("origin.test", origin.port) as c:
        c.send(head(origin, 1000) + "x" * 400)
        r = c.read_response()
        assert (r.status, r.body) == (401, b"who?")
        assert not r.has_token("connection", "close")
        c.send("x" * 599)
        c.send(f"xGET /next HTTP/1.1\r\nHost: {host(origin)}\r\n\r\n")
        assert c.read_response().body == b"hello from the origin\n"
    assert origin.conns[0].done.wait(20)
    assert [r.target for r in origin.conns[1].requests] == ["/next"]


def test_weirs_own_answer(weir, origin):
    w = weir(egress="host origin.test { location /early { return 403; } }")
    with w.tunnel("origin.test", origin.port) as c:
        c.send(head(origin, 10))
        assert c.read_response().status == 403
        c.send("0123456789")
        assert c.get("/", host(origin)).status == 200
    assert len(origin.requests) == 1


def ends(weir, origin, first, egress=""):
    """The answer says that the connection ends; returns the client."""
    refuses(origin, keeps_reading)
    w = weir(egress=egress)
    c = w.tunnel("origin.test", origin.port)
    c.send(first)
    r = c.read_response()
    assert r.status == 401 and r.has_token("connection", "close")
    return c


def test_much_is_not_drained(weir, origin):
    """But some is thrown away, so that no reset takes the answer away."""
    c = ends(weir, origin, head(origin, 10_000_000))
    c.send(b"x" * 100_000)
    assert c.is_closed()
    c.close()


def test_after_expect_nothing_is_drained(weir, origin):
    """What comes next may be a body or a request."""
    c = ends(weir, origin, head(origin, 10, "Expect: 100-continue\r\n"))
    c.send(f"GET /next HTTP/1.1\r\nHost: {host(origin)}\r\n\r\n")
    assert c.is_closed()
    c.close()
    assert [r.target for r in origin.requests] == ["/early"]


def test_a_client_that_sends_for_ever(weir, origin):
    """Until lingering_time is over."""
    chunked = head(origin, 0).replace(
        "Content-Length: 0", "Transfer-Encoding: chunked"
    )
    c = ends(weir, origin, chunked, "lingering_time 100ms;")
    chunk = b"10000\r\n" + bytes(65536) + b"\r\n"
    with pytest.raises(OSError):
        while True:
            c.send(chunk)
    c.close()


@pytest.mark.skipif("one_byte" in GLOBALS, reason="a byte at a time")
def test_a_client_that_sends_all_before_it_reads(weir, origin):
    """Its answer waits for it."""
    refuses(origin, keeps_reading)
    w = weir(egress="lingering_time 60s;")
    with w.tunnel("origin.test", origin.port) as c:
        c.send(head(origin, 20_000_000))
        c.send(bytes(20_000_000))
        assert c.read_response().status == 401


@pytest.mark.parametrize("length", [1000, 10_000_000])
def test_a_client_that_stops(weir, origin, length):
    """Both: one that would be drained, one that is told to close."""
    refuses(origin, keeps_reading)
    w = weir(egress="lingering_time 100ms;")
    with w.tunnel("origin.test", origin.port) as c:
        c.send(head(origin, length) + "x")
        assert c.read_response().status == 401
        assert c.is_closed()


# Clients that end their side


def request(origin, path="/"):
    url = f"http://{host(origin)}{path}"
    return f"GET {url} HTTP/1.1\r\nHost: {host(origin)}\r\n\r\n"


def test_half_closed_after_two_requests(weir, plain_origin):
    """As `printf … | nc -N` does."""
    w = weir()
    with w.client() as c:
        c.send(request(plain_origin, "/1") + request(plain_origin, "/2"))
        c.half_close()
        for _ in range(2):
            assert c.read_response().body == b"hello from the origin\n"
        assert c.is_closed()
    assert [r.target for r in plain_origin.requests] == ["/1", "/2"]


def test_half_closed_while_bytes_come(weir, plain_origin):
    """Each part is sent when the client has read the one before."""
    w = weir()
    turn = threading.Semaphore(0)

    def trickle(conn, request):
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n")
        for _ in range(8):
            assert turn.acquire(timeout=20)
            conn.send(b"x")

    plain_origin.default = trickle
    with w.client() as c:
        c.send(request(plain_origin))
        c.half_close()
        c.reader.until(b"\r\n\r\n")
        for _ in range(8):
            turn.release()
            assert c.reader.exactly(1) == b"x"
        assert c.is_closed()


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\n\r\nZ"])
def test_a_client_that_left(weir, plain_origin, answer):
    """Its request is ended upstream, before the answer and in it."""
    plain_origin.on("/", lambda conn, request: answer or None)
    w = weir(egress="lingering_time 100ms;")
    with w.client() as c:
        c.send(request(plain_origin))
        plain_origin.wait_requests(1)
        if answer:
            c.reader.until(b"Z\r\n")
    assert plain_origin.conns[0].done.wait(20)
    entry = w.access_log(1)[0]
    assert entry["status"] == (200 if answer else 499)
    assert entry["cause"] == "client closed the connection"


@pytest.mark.parametrize("how", ["close_notify", "fin", "reset"])
def test_a_tls_client_that_leaves_is_gone_at_once(weir, origin, how):
    origin.on("/", lambda conn, request: None)
    w = weir(egress="lingering_time 1h;")
    c = w.tunnel("origin.test", origin.port)
    c.send(f"GET / HTTP/1.1\r\nHost: {host(origin)}\r\n\r\n")
    origin.wait_requests(1)
    if how == "close_notify":
        c.sock.setblocking(False)
        with contextlib.suppress(OSError):  # weir's own may not have come yet
            c.sock.unwrap()
    c.reset() if how == "reset" else c.close()
    assert origin.conns[0].done.wait(20)
    assert w.access_log(2)[1]["status"] == 499


def test_half_closed_in_a_body(weir, plain_origin):
    w = weir(egress="lingering_time 1h;")
    with w.client() as c:
        c.send(request(plain_origin).replace(
            "GET", "POST").replace("\r\n\r\n", "\r\nContent-Length: 9\r\n\r\nx"))  # fmt: skip
        c.half_close()
        assert c.is_closed()
    assert w.access_log(1)[0]["cause"] == "client broke off in its body"
