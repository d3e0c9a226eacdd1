"""A kept connection to the origin that dies under a request: sent once more,
if that can do no harm and all of it is there."""

import os
import signal
import threading

import pytest

from lib.http import reply
from lib.wait import until
from lib.weir import GLOBALS, is_stopped


def host(origin):
    return f"{origin.names[0]}:{origin.port}"


def dies(origin, at, how="hang_up", answer=b""):
    """The first connection answers one request and dies under the next, once
    `at(conn)` has read of it what it wants; later ones serve."""
    first = threading.Lock()

    def script(conn):
        if not first.acquire(blocking=False):
            origin.serve(conn)
            return
        conn.read_request()
        conn.send(reply(b"first"))
        at(conn)
        conn.send(answer)
        getattr(conn, how)()

    origin.script = script


def begin(w, origin):
    c = w.tunnel(origin.names[0], origin.port) if origin.is_tls else w.client()
    url = "" if origin.is_tls else f"http://{host(origin)}"
    assert c.get(url + "/", host(origin)).body == b"first"
    return c, url


@pytest.mark.parametrize("how", ["hang_up", "reset", "close"])
@pytest.mark.parametrize("tls", [True, False])
def test_a_body_is_sent_again(weir, origins, tls, how):
    origin = origins("o.test", tls=tls)
    dies(origin, lambda conn: conn.read_request(), how)
    w = weir()
    c, url = begin(w, origin)
    body = bytes(range(256)) * 100
    r = c.request("PUT", url + "/x", host(origin), body=body)
    assert (r.status, r.body) == (200, b"hello from the origin\n")
    one, two = origin.conns
    assert one.requests[1].body == two.requests[0].body == body
    assert two.requests[0].target == "/x"
    c.close()


def test_what_comes_later_follows_what_was_held(weir, plain_origin):
    """The first connection dies in the middle of a chunked body with trailers;
    the second gets it whole."""
    dies(plain_origin, lambda conn: (conn.read_head(),
                                     conn.reader.until(b"first\r\n")))  # fmt: skip
    w = weir()
    c, url = begin(w, plain_origin)
    c.send(
        f"PUT {url}/ HTTP/1.1\r\nHost: {host(plain_origin)}\r\n"
        "Transfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n"
    )
    plain_origin.wait_conns(2)
    c.send("6\r\nsecond\r\n0\r\nX-Trailer: t\r\n\r\n")
    assert c.read_response().status == 200
    request = plain_origin.conns[1].requests[0]
    assert request.body == b"firstsecond"
    assert request.trailers == [("X-Trailer", "t")]
    c.close()


def refused(weir, origin, method, body, reads):
    dies(origin, reads)
    w = weir()
    c, url = begin(w, origin)
    r = c.request(method, url + "/", host(origin), body=body)
    assert r.status == 502 and "connection_terminated" in r.get("Proxy-Status")
    assert len(origin.conns) == 1
    c.close()


@pytest.mark.parametrize("method", ["POST", "PATCH", "FROB"])
def test_what_may_have_had_an_effect_is_not(weir, plain_origin, method):
    refused(weir, plain_origin, method, b"x", lambda conn: conn.read_request())


def test_a_body_that_is_not_held(weir, plain_origin):
    body = bytes(200_000)
    refused(weir, plain_origin, "PUT", body, lambda conn: conn.read_request())


def test_not_twice(weir, plain_origin):
    """The second connection is new: that it dies is an answer."""
    def script(conn):
        is_first = len(plain_origin.conns) == 1
        conn.read_request()
        if is_first:
            conn.send(reply(b"first"))
            conn.read_request()
        conn.hang_up()

    plain_origin.script = script
    w = weir()
    c, url = begin(w, plain_origin)
    r = c.request("PUT", url + "/", host(plain_origin), body=b"x")
    assert r.status == 502
    assert len(plain_origin.conns) == 2
    c.close()


@pytest.mark.parametrize(
    "answer", [b"H", b"HTTP/1.1 100 Continue\r\n\r\n",
               b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n"]
)  # fmt: skip
def test_not_after_a_byte_of_the_answer(weir, plain_origin, answer):
    dies(plain_origin, lambda conn: conn.read_request(), "hang_up", answer)
    w = weir()
    c, url = begin(w, plain_origin)
    try:
        r = c.request("PUT", url + "/", host(plain_origin), body=b"x")
        assert r.status == 502
    except (AssertionError, ConnectionError):
        assert b"200 OK" in answer, "the client sees that it is cut"
    assert len(plain_origin.conns) == 1
    c.close()


# What was not sent yet


def die_unseen(w, origin, text, client):
    """The worker learns of the request before it learns of the end of the
    connection that it takes for it: of a hundred events in between it gets 64
    at a time."""
    (pid,) = w.children("worker")
    others = [w.client() for _ in range(100)]
    for other in others:
        assert other.get("http://no.example/", "no.example").status == 403
    os.kill(pid, signal.SIGSTOP)
    until(lambda: is_stopped(pid), "a stop")
    client.send(text)
    for other in others:
        other.send("G")
    origin.end.set()
    assert origin.conns[0].done.wait(20)
    os.kill(pid, signal.SIGCONT)
    r = client.read_response()
    for other in others:
        other.close()
    return r


@pytest.mark.parametrize("tls", [True, False])
@pytest.mark.parametrize("how", ["reset", "hang_up"])
def test_what_was_not_sent_may_be_sent(weir, origins, canary, tls, how):
    """Of a reset connection nothing is taken: what is sent again, whatever the
    method, was sent to no one. One that has ended takes it, and it is lost:
    all of it or, but for a part of a record of TLS, the first byte."""
    is_lost = how == "hang_up" and not (tls and "one_byte" in GLOBALS)
    o = origins("o.test", tls=tls)
    o.end = threading.Event()
    dies(o, lambda conn: o.end.wait(60), how)
    w = weir()
    c, url = begin(w, o)
    body = "x" * 300
    head = (f"POST {{}}/ HTTP/1.1\r\nHost: {host(o)}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n")  # fmt: skip
    r = die_unseen(w, o, head.format(url) + body, c)
    if not is_lost:
        assert (r.status, r.body) == (200, b"hello from the origin\n")
        assert o.conns[1].raw == (head.format("") + body).encode()
    else:
        assert r.status == 502
    assert len(o.conns) == (1 if is_lost else 2)
    c.close()


@pytest.mark.parametrize("tls", [True, False])
def test_what_was_sent_in_part_is_not(weir, origins, tls):
    """Though all of it is held."""
    o = origins("o.test", tls=tls)
    dies(o, lambda conn: (conn.read_head(), conn.reader.until(b"first\r\n")))
    w = weir()
    c, url = begin(w, o)
    c.send(
        f"POST {url}/ HTTP/1.1\r\nHost: {host(o)}\r\n"
        "Transfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n"
    )
    r = c.read_response()
    assert r.status == 502 and "connection_terminated" in r.get("Proxy-Status")
    assert len(o.conns) == 1
    c.close()


def test_the_slot_is_kept(weir, plain_origin):
    """By the one that is sent again: who waits comes after its final head."""
    seen = [threading.Event() for _ in range(2)]
    go = [threading.Event() for _ in range(2)]

    def held(conn, i):
        conn.read_request()
        seen[i].set()
        assert go[i].wait(60)

    def script(conn):
        if len(plain_origin.conns) == 1:
            conn.read_request()
            conn.send(reply(b"first"))
            held(conn, 0)
            return
        held(conn, 1)
        conn.send(b"HTTP/1.1 103 Early Hints\r\n\r\n" + reply(b"again"))
        plain_origin.serve(conn)

    plain_origin.script = script
    w = weir(cls="header_slots 1;")
    c, url = begin(w, plain_origin)
    line = f"{url}/{{}} HTTP/1.1\r\nHost: {host(plain_origin)}\r\n"
    c.send(f"PUT {line.format('a')}Content-Length: 1\r\n\r\nx")
    assert seen[0].wait(20)
    with w.client() as other:
        other.send(f"GET {line.format('b')}\r\n")
        w.wait_log("waits for a header slot")
        go[0].set()
        assert seen[1].wait(20)
        go[1].set()
        assert c.read_response().body == b"again"
        assert other.read_response().body == b"hello from the origin\n"
    targets = [r.target for r in plain_origin.requests]
    assert targets == ["/", "/a", "/a", "/b"]
    assert w.error_log().count("waits for a header slot") == 1
    waits = [float(e["slot_wait_time"]) for e in w.access_log(3)]
    assert waits[:2] == [0, 0]  # the third's may be under a millisecond
    c.close()
