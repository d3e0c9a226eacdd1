"""Bodies stream: at once, both ways, in bounded memory; time-outs end them."""

import threading

import pytest

from lib.http import reply
from lib.origin import Origin
from lib.weir import GLOBALS


def host(origin):
    return f"origin.test:{origin.port}"


def test_event_leaves_at_once(weir, origin):
    go = threading.Event()

    def events(conn, request):
        conn.send(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n7\r\ndata: 1\r\n"
        )
        assert go.wait(20)
        conn.send(b"7\r\ndata: 2\r\n0\r\n\r\n")

    origin.on("/events", events)
    w = weir()
    with w.tunnel("origin.test", origin.port) as c:
        c.send(f"GET /events HTTP/1.1\r\nHost: {host(origin)}\r\n\r\n")
        head = c.reader.until(b"\r\n\r\n")
        assert b" 200 " in head
        assert c.reader.chunk() == b"data: 1"
        go.set()
        assert c.reader.chunk() == b"data: 2"
        assert c.reader.chunk() == b""


def test_request_body_streams(weir, origin):
    seen = threading.Event()

    def script(conn):
        conn.read_head()
        assert conn.reader.exactly(5) == b"first"
        seen.set()
        assert conn.reader.exactly(6) == b"second"
        conn.send(reply(b"both"))

    origin.script = script
    w = weir()
    with w.tunnel("origin.test", origin.port) as c:
        c.send(
            f"POST / HTTP/1.1\r\nHost: {host(origin)}\r\n"
            "Content-Length: 11\r\n\r\nfirst"
        )
        assert seen.wait(20), "the first part did not arrive by itself"
        c.send("second")
        assert c.read_response().body == b"both"


def test_expect_is_forwarded(weir, origin):
    def script(conn):
        request = conn.read_head()
        assert request.get("Expect") == "100-continue"
        conn.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        assert conn.reader.exactly(4) == b"body"
        conn.send(reply(b"thanks"))

    origin.script = script
    w = weir()
    with w.tunnel("origin.test", origin.port) as c:
        c.send(
            f"POST / HTTP/1.1\r\nHost: {host(origin)}\r\n"
            "Content-Length: 4\r\nExpect: 100-continue\r\n\r\n"
        )
        assert c.read_response(interim=True).status == 100
        c.send("body")
        assert c.read_response().body == b"thanks"


def test_early_answer_to_an_upload(weir, origin):
    def script(conn):
        conn.read_head()
        conn.send(reply(b"too much", "413 Content Too Large"))

    origin.script = script
    w = weir()
    with w.tunnel("origin.test", origin.port) as c:
        c.send(
            f"POST / HTTP/1.1\r\nHost: {host(origin)}\r\n"
            "Content-Length: 1000000\r\n\r\nfirst"
        )
        r = c.read_response()
        assert r.status == 413 and r.body == b"too much"


@pytest.mark.skipif("one_byte" in GLOBALS, reason="32 MiB, a byte at a time")
def test_slow_reader_holds_back_the_origin(weir, origin):
    """The body is far larger than all buffers on the way: what the origin
    can send before the client reads is bounded."""
    total = 32 * 1024 * 1024
    sent = []

    def big(conn, request):
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % total)
        block = bytes(65536)
        for _ in range(total // len(block)):
            conn.send(block)
            sent.append(len(block))

    origin.on("/big", big)
    w = weir()
    with w.tunnel("origin.test", origin.port) as c:
        c.send(f"GET /big HTTP/1.1\r\nHost: {host(origin)}\r\n\r\n")
        c.reader.until(b"\r\n\r\n")
        # Another connection is served meanwhile, and the sender stands.
        with w.tunnel("origin.test", origin.port) as other:
            for _ in range(20):
                assert other.get("/", host(origin)).status == 200
        assert sum(sent) < total / 2
        assert len(c.reader.exactly(total)) == total


def test_client_that_reads_nothing_costs_the_kernel_little(weir, origin):
    """A send buffer grows to megabytes where it may, for what nobody takes."""
    total = 16 * 1024 * 1024
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % total
    origin.on("/big", lambda conn, request: head + bytes(total))
    w = weir(egress="send_timeout 300ms;")
    with w.tunnel("origin.test", origin.port) as c:
        c.send(f"GET /big HTTP/1.1\r\nHost: {host(origin)}\r\n\r\n")
        entry = w.access_log(2)[1]
    assert entry["cause"] == "client timed out"
    assert entry["bytes_sent"] < 1024 * 1024


def test_client_that_leaves_ends_the_upstream_request(weir, origin):
    gone = threading.Event()

    def script(conn):
        conn.read_request()
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        conn.reader.to_eof()
        gone.set()

    origin.script = script
    w = weir()
    with w.tunnel("origin.test", origin.port) as c:
        c.send(f"GET / HTTP/1.1\r\nHost: {host(origin)}\r\n\r\n")
        c.reader.until(b"\r\n\r\n")
    assert gone.wait(20)


def test_origin_that_does_not_answer(weir, origin):
    hold = threading.Event()
    origin.script = lambda conn: (conn.read_request(), hold.wait(30))
    w = weir(egress="proxy_header_timeout 200ms;")
    with w.tunnel("origin.test", origin.port) as c:
        r = c.get("/", host(origin))
    hold.set()
    assert r.status == 504
    assert "http_response_timeout" in r.get("Proxy-Status")


def test_interim_responses_do_not_extend_the_wait(weir, origin):
    hold = threading.Event()

    def script(conn):
        conn.read_request()
        while not hold.wait(0.02):
            conn.send(b"HTTP/1.1 102 Processing\r\n\r\n")

    origin.script = script
    w = weir(egress="proxy_header_timeout 200ms;")
    with w.tunnel("origin.test", origin.port) as c:
        r = c.get("/", host(origin))
    hold.set()
    assert r.status in (502, 504)


def test_body_that_stalls_is_broken_off(weir, origin):
    hold = threading.Event()

    def script(conn):
        conn.read_request()
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        hold.wait(30)

    origin.script = script
    w = weir(egress="proxy_read_timeout 200ms;")
    with w.tunnel("origin.test", origin.port) as c:
        c.send(f"GET / HTTP/1.1\r\nHost: {host(origin)}\r\n\r\n")
        with pytest.raises((AssertionError, ConnectionError)):
            c.read_response()
    hold.set()
    w.wait_log("timed out")


def test_origin_that_refuses(weir, pki, origin):
    gone = Origin(pki, ["gone.test"])
    port = gone.port
    gone.close()
    w = weir(egress=f"ports {port}; resolve gone.test 127.0.0.1;")
    with w.tunnel("gone.test", port) as c:
        r = c.get("/", f"gone.test:{port}")
    assert r.status == 502
    assert "connection_refused" in r.get("Proxy-Status")


def test_client_that_sends_no_head(weir):
    w = weir(egress="client_header_timeout 200ms;")
    with w.client() as c:
        c.send("GET http://a")
        assert c.read_response().status == 408
        assert c.is_closed()


def test_client_that_sends_nothing(weir):
    w = weir(egress="client_header_timeout 200ms;")
    with w.client() as c:
        assert c.is_closed()


def test_idle_connection_is_closed(weir, origin):
    w = weir(egress="keepalive_timeout 300ms;")
    with w.tunnel("origin.test", origin.port) as c:
        assert c.get("/", host(origin)).status == 200
        assert c.is_closed()


def test_keepalive_requests(weir, origin):
    w = weir(egress="keepalive_requests 2;")
    with w.tunnel("origin.test", origin.port) as c:
        assert not c.get("/", host(origin)).has_token("connection", "close")
        assert c.get("/", host(origin)).has_token("connection", "close")
        assert c.is_closed()


def test_body_larger_than_allowed(weir, origin):
    w = weir(egress="client_max_body_size 1k;")
    with w.tunnel("origin.test", origin.port) as c:
        r = c.request("POST", "/", host(origin), body=b"x" * 1025)
    assert r.status == 413
    assert origin.requests == []


def test_chunked_body_larger_than_allowed(weir, origin):
    w = weir(egress="client_max_body_size 1k;")
    with w.tunnel("origin.test", origin.port) as c:
        c.send(
            f"POST / HTTP/1.1\r\nHost: {host(origin)}\r\n"
            "Transfer-Encoding: chunked\r\n\r\n"
            + "400\r\n" + "x" * 1024 + "\r\n400\r\n" + "x" * 1024 + "\r\n"
        )  # fmt: skip
        assert c.read_response().status == 413


@pytest.mark.parametrize("is_chunked", [False, True])
@pytest.mark.parametrize("all_, own, want", [("1k", "1m", 200), ("1m", "1k", 413)])
def test_the_blocks_own_size_holds_from_the_first_byte(
    weir, plain_origin, all_, own, want, is_chunked
):
    """Also for a body that is there before the request is judged."""
    w = weir(
        egress=f"client_max_body_size {all_};\n"
        f"host plain.test {{ client_max_body_size {own}; }}"
    )
    name, body = f"plain.test:{plain_origin.port}", b"x" * 9000
    lines = f"POST http://{name}/ HTTP/1.1\r\nHost: {name}\r\n"
    if is_chunked:
        lines += "Transfer-Encoding: chunked\r\n\r\n"
        sent = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    else:
        lines += f"Content-Length: {len(body)}\r\n\r\n"
        sent = body
    with w.client() as c:
        c.send(lines.encode() + sent)
        assert c.read_response().status == want
    got = [r.body for r in plain_origin.requests]
    assert got == ([body] if want == 200 else [])


def test_stale_connection_is_replaced(weir, origin):
    """An idle upstream connection that died is no failure of the request."""
    def script(conn):
        if conn.read_request() is not None:
            conn.send(reply(b"x"))

    origin.script = script
    w = weir()
    with w.tunnel("origin.test", origin.port) as c:
        for i in range(5):
            assert c.get("/", host(origin)).status == 200
            origin.conns[-1].done.wait(20)
    assert len(origin.requests) == 5
