"""What HTTP/1.1 passes from one side to the other, and how each time-out of an
exchange shows: its status, its Proxy-Status, its line in the log."""

import threading

import pytest

from lib.http import reply
from lib.wait import until


def host(origin):
    return f"{origin.names[0]}:{origin.port}"


def url(origin, path="/"):
    return f"http://{host(origin)}{path}"


def test_trailers_both_ways(weir, origin):
    origin.default = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
        b"Trailer: X-Sum\r\n\r\n4\r\nbody\r\n0\r\nX-Sum: 2\r\n\r\n"
    )
    w = weir()
    with w.tunnel("origin.test", origin.port) as c:
        c.send(
            f"POST / HTTP/1.1\r\nHost: {host(origin)}\r\nTE: trailers\r\n"
            "Connection: TE\r\nTransfer-Encoding: chunked\r\n"
            "Trailer: X-Check\r\n\r\n5\r\nhello\r\n0\r\nX-Check: 1\r\n\r\n"
        )
        r = c.read_response()
    assert r.body == b"body" and r.trailers == [("X-Sum", "2")]
    request = origin.requests[0]
    assert request.body == b"hello"
    assert request.trailers == [("X-Check", "1")]
    assert request.get("TE") == "trailers"


def test_ranges_pass(weir, origin):
    origin.on("/file", reply(b"cde", "206 Partial Content",
                             [("Content-Range", "bytes 2-4/9"), ("ETag", '"e"')]))  # fmt: skip
    w = weir()
    with w.tunnel("origin.test", origin.port) as c:
        r = c.get("/file", host(origin),
                  [("Range", "bytes=2-4"), ("If-Range", '"e"')])  # fmt: skip
    assert (r.status, r.body) == (206, b"cde")
    assert r.get("Content-Range") == "bytes 2-4/9" and r.get("ETag") == '"e"'
    request = origin.requests[0]
    assert request.get("Range") == "bytes=2-4"
    assert request.get("If-Range") == '"e"'


def test_expect_that_is_refused(weir, origin):
    """No 100 of weir's own; the final answer passes, the body never comes."""

    def script(conn):
        assert conn.read_head().get("Expect") == "100-continue"
        conn.send(reply(b"no", "417 Expectation Failed"))
        conn.reader.to_eof()

    origin.script = script
    w = weir()
    with w.tunnel("origin.test", origin.port) as c:
        c.send(
            f"PUT / HTTP/1.1\r\nHost: {host(origin)}\r\n"
            "Content-Length: 1000000\r\nExpect: 100-continue\r\n\r\n"
        )
        r = c.read_response(interim=True)
        assert r.status == 417 and r.has_token("connection", "close")
        assert c.is_closed()
    assert origin.conns[0].done.wait(20)
    assert not origin.raw.partition(b"\r\n\r\n")[2]


def test_interim_heads_for_whom_can_read_them(weir, origin):
    """A client of HTTP/1.0 gets the final response alone (RFC 9110 15.2)."""
    origin.default = (
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
        b"HTTP/1.1 103 Early Hints\r\nLink: </b>\r\n\r\n" + reply(b"final")
    )
    w = weir()
    with w.tunnel("origin.test", origin.port) as c:
        c.send(f"GET / HTTP/1.1\r\nHost: {host(origin)}\r\n\r\n")
        for link in ("</a>", "</b>"):
            r = c.read_response(interim=True)
            assert r.status == 103 and r.get("Link") == link
        assert c.read_response(interim=True).body == b"final"
        c.send(f"GET / HTTP/1.0\r\nHost: {host(origin)}\r\n\r\n")
        assert c.read_response(interim=True).body == b"final"


@pytest.mark.parametrize("method", ["GET", "DELETE", "OPTIONS", "HEAD"])
def test_a_body_where_none_is_usual(weir, plain_origin, method):
    """Framed by its length, it means the same to all (RFC 9110 9.3.1)."""
    w = weir()
    with w.client() as c:
        r = c.request(method, url(plain_origin), host(plain_origin), body=b"b")
        assert r.status == 200
        assert c.get(url(plain_origin), host(plain_origin)).status == 200
    assert [r.body for r in plain_origin.requests] == [b"b", b""]


def test_pipelined_behind_a_body(weir, plain_origin):
    w = weir()
    line = f"POST {url(plain_origin)} HTTP/1.1\r\nHost: {host(plain_origin)}\r\n"
    with w.client() as c:
        c.send(
            line + "Content-Length: 3\r\n\r\none"
            + line + "Transfer-Encoding: chunked\r\n\r\n3\r\ntwo\r\n0\r\n\r\n"
            + line + "Content-Length: 5\r\n\r\nthree"
        )  # fmt: skip
        for _ in range(3):
            assert c.read_response().status == 200
    assert [r.body for r in plain_origin.requests] == [b"one", b"two", b"three"]


def test_client_that_ends_at_each_byte(weir, plain_origin):
    """By a FIN, which is no RST: what is not whole reaches no origin as whole,
    and what is whole is answered."""
    text = (
        f"POST {url(plain_origin)} HTTP/1.1\r\nHost: {host(plain_origin)}\r\n"
        "Transfer-Encoding: chunked\r\n\r\n5\r\nwhole\r\n0\r\nX: y\r\n\r\n"
    )
    w = weir()
    for n in range(1, len(text)):
        with w.client() as c:
            c.send(text[:n])
            c.half_close()
            assert c.is_closed()
    with w.client() as c:
        c.send(text)
        c.half_close()
        assert c.read_response().status == 200
        assert c.is_closed()
    assert [r.body for r in plain_origin.requests].count(b"whole") == 1


# Time-outs


def silent(conn):
    conn.read_head()
    conn.reader.to_eof()


def half(conn):
    conn.read_head()
    conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
    conn.reader.to_eof()


HEAD = "{method} {url} HTTP/1.1\r\nHost: {host}\r\n"

# directive: request, origin, status, Proxy-Status, cause
TIMEOUTS = {
    "client_header_timeout": (
        HEAD, silent, 408, "http_request_error", "request head timed out"),
    "client_body_timeout": (
        HEAD + "Content-Length: 9\r\n\r\nhalf", silent, 408,
        "http_request_error", "the request body did not arrive in time"),
    "proxy_header_timeout": (
        HEAD + "\r\n", silent, 504, "http_response_timeout",
        "the origin did not answer in time"),
}  # fmt: skip


@pytest.mark.parametrize("directive", TIMEOUTS)
def test_a_timeout_shows(weir, plain_origin, directive):
    text, script, status, error, cause = TIMEOUTS[directive]
    plain_origin.script = script
    w = weir(egress=f"{directive} 100ms;")
    with w.client() as c:
        c.send(
            text.replace("{url}", url(plain_origin))
            .replace("{host}", host(plain_origin))
            .replace("{method}", "POST")
        )
        r = c.read_response()
        assert r.status == status
        assert f"error={error}" in r.get("Proxy-Status")
    entry = w.access_log(1)[0]
    assert entry["status"] == status and entry["cause"] == cause
    assert cause in w.error_log()


def test_a_timeout_in_the_body_shows(weir, plain_origin):
    plain_origin.script = half
    w = weir(egress="proxy_read_timeout 100ms;")

    def broke_off():
        """False: the head itself was that late."""
        with w.client() as c:
            c.send(f"GET {url(plain_origin)} HTTP/1.1\r\n"
                   f"Host: {host(plain_origin)}\r\n\r\n")  # fmt: skip
            if b" 200 OK" not in c.reader.until(b"\r\n\r\n"):
                return False
            with pytest.raises((AssertionError, ConnectionError)):
                c.reader.exactly(10)
        return True

    until(broke_off, "a body that breaks off")
    cause = "upstream timed out in its body"
    until(lambda: (200, cause) in [(e["status"], e["cause"])
                                   for e in w.access_log()], "its line")  # fmt: skip
    assert cause in w.error_log()


def test_a_block_has_its_own_client_body_timeout(weir, plain_origin):
    """From the first byte that is waited for, though the request came before
    it was known which block that is."""
    w = weir(egress=f"""
        client_body_timeout 1h;
        host {plain_origin.names[0]} {{ client_body_timeout 100ms; }}""")
    text = TIMEOUTS["client_body_timeout"][0].replace("{method}", "POST")
    with w.client() as c:
        c.send(
            text.replace("{url}", url(plain_origin))
            .replace("{host}", host(plain_origin))
        )  # fmt: skip
        assert c.read_response().status == 408


def test_dns_timeout_shows(weir, dns, plain_origin):
    """A resolver that does not answer, by its own words in both places."""
    dns.hold = threading.Event()
    w = weir(
        egress=f"resolver 127.0.0.1:{dns.port}; proxy_connect_timeout 100ms;"
    )
    with w.client() as c:
        r = c.get("http://silent.test/", "silent.test")
        dns.hold.set()
    assert r.status == 504 and "error=dns_timeout" in r.get("Proxy-Status")
    assert w.access_log(1)[0]["cause"] == "the name was not resolved in time"
