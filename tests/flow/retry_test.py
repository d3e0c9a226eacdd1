"""A kept connection to the origin that dies under a request: sent once more,
if that can do no harm and all of it is there."""

import threading

import pytest

from lib.http import reply


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


@pytest.mark.smoke
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
