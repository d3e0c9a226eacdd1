"""Malformed and ambiguous input: the answer that SPEC names, and no harm."""

import threading

import pytest

from lib.client import DECODE_ERROR
from lib.http import Truncated, reply

REQUESTS = {
    "not http": ("hello\r\n\r\n", 400),
    "bad version": ("GET {url} HTTP/2.0\r\nHost: {host}\r\n\r\n", 505),
    "bare lf": ("GET {url} HTTP/1.1\nHost: {host}\n\n", 400),
    "no host": ("GET {url} HTTP/1.1\r\n\r\n", 400),
    "two hosts": ("GET {url} HTTP/1.1\r\nHost: {host}\r\nHost: {host}\r\n\r\n",
                  400),
    "other host": ("GET {url} HTTP/1.1\r\nHost: b.test\r\n\r\n", 400),
    "space before colon": ("GET {url} HTTP/1.1\r\nHost : {host}\r\n\r\n", 400),
    "folded": ("GET {url} HTTP/1.1\r\nHost: {host}\r\nA: b\r\n c\r\n\r\n", 400),
    "nul": ("GET {url} HTTP/1.1\r\nHost: {host}\r\nA: \0\r\n\r\n", 400),
    "cr in value": ("GET {url} HTTP/1.1\r\nHost: {host}\r\nA: a\rb\r\n\r\n",
                    400),
    "both framings": ("POST {url} HTTP/1.1\r\nHost: {host}\r\n"
                      "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"
                      "0\r\n\r\n", 400),
    "two lengths": ("POST {url} HTTP/1.1\r\nHost: {host}\r\n"
                    "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400),
    "signed length": ("POST {url} HTTP/1.1\r\nHost: {host}\r\n"
                      "Content-Length: +3\r\n\r\nabc", 400),
    "list length": ("POST {url} HTTP/1.1\r\nHost: {host}\r\n"
                    "Content-Length: 3, 4\r\n\r\nabc", 400),
    "huge length": ("POST {url} HTTP/1.1\r\nHost: {host}\r\n"
                    "Content-Length: 99999999999999999999\r\n\r\nabc", 400),
    "other coding": ("POST {url} HTTP/1.1\r\nHost: {host}\r\n"
                     "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400),
    "coding twice": ("POST {url} HTTP/1.1\r\nHost: {host}\r\n"
                     "Transfer-Encoding: chunked\r\n"
                     "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "odd coding": ("POST {url} HTTP/1.1\r\nHost: {host}\r\n"
                   "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 400),
    "long uri": ("GET {url}{long} HTTP/1.1\r\nHost: {host}\r\n\r\n", 414),
    "long field": ("GET {url} HTTP/1.1\r\nHost: {host}\r\nA: {longer}\r\n\r\n",
                   431),
    "many fields": ("GET {url} HTTP/1.1\r\nHost: {host}\r\n{many}\r\n", 431),
    "userinfo": ("GET http://a@{host}/ HTTP/1.1\r\nHost: {host}\r\n\r\n", 400),
    "empty label": ("GET http://a..test/ HTTP/1.1\r\nHost: a..test\r\n\r\n",
                    400),
    "percent host": ("GET http://pl%61in.test/ HTTP/1.1\r\n"
                     "Host: pl%61in.test\r\n\r\n", 400),
    "hex address": ("GET http://0x7f.1/ HTTP/1.1\r\nHost: 0x7f.1\r\n\r\n", 400),
    "decimal address": ("GET http://2130706433/ HTTP/1.1\r\n"
                        "Host: 2130706433\r\n\r\n", 400),
    "brackets": ("GET http://[plain.test]/ HTTP/1.1\r\n"
                 "Host: [plain.test]\r\n\r\n", 400),
    "port 0": ("CONNECT plain.test:0 HTTP/1.1\r\nHost: plain.test:0\r\n\r\n",
               400),
    "no port": ("CONNECT plain.test HTTP/1.1\r\nHost: plain.test\r\n\r\n",
                400),
    "big port": ("CONNECT plain.test:65536 HTTP/1.1\r\n"
                 "Host: plain.test:65536\r\n\r\n", 400),
    "fragment": ("GET {url}#a HTTP/1.1\r\nHost: {host}\r\n\r\n", 400),
}  # fmt: skip


@pytest.mark.parametrize("name", REQUESTS)
def test_malformed_request(weir, plain_origin, name):
    text, status = REQUESTS[name]
    host = f"plain.test:{plain_origin.port}"
    w = weir()
    with w.client() as c:
        c.send(
            text.replace("{url}", f"http://{host}/")
            .replace("{host}", host)
            .replace("{longer}", "x" * 40000)
            .replace("{long}", "x" * 17000)
            .replace("{many}", "".join(f"A{i}: b\r\n" for i in range(140)))
        )
        r = c.read_response()
        assert r.status == status, r
        assert r.get("Proxy-Status").startswith("weir; error=http_request_error")
        assert r.has_token("connection", "close") and c.is_closed()
    assert plain_origin.raw == b""
    # It cost no one else anything.
    with w.client() as c:
        assert c.get(f"http://{host}/", host).status == 200


CHUNKS = {
    "not hex": "xyz\r\n",
    "negative": "-1\r\n",
    "prefixed": "0x3\r\nabc\r\n",
    "no crlf": "3\r\nabcX",
    "bare lf": "3\nabc\n0\n\n",
    "overflow": "fffffffffffffffff\r\n",
    "bad trailer": "0\r\nbad trailer\r\n\r\n",
}


@pytest.mark.parametrize("name", CHUNKS)
def test_malformed_chunks_end_the_request(weir, plain_origin, name):
    host = f"plain.test:{plain_origin.port}"
    w = weir()
    with w.client() as c:
        c.send(
            f"POST http://{host}/ HTTP/1.1\r\nHost: {host}\r\n"
            "Transfer-Encoding: chunked\r\n\r\n" + CHUNKS[name]
        )
        assert c.read_response().status == 400
        assert c.is_closed()
    # What the origin has of it, if anything, has no end.
    for conn in plain_origin.conns:
        conn.done.wait()
        assert not conn.raw.endswith(b"0\r\n\r\n")


RESPONSES = {
    "mimic": b"HTTP/1.1 200 OK\r\nContent_Length: 3\r\n"
             b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "not http": b"hello\r\n\r\n",
    "bare cr": b"HTTP/1.1 200 OK\rContent-Length: 1\r\n\r\nx",
    "both framings": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n"
                     b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n"
                   b"Content-Length: 2\r\n\r\nxy",
    "folded length": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n c\r\n\r\n",
    "nul": b"HTTP/1.1 200 OK\r\nA: \0\r\nContent-Length: 0\r\n\r\n",
    "status": b"HTTP/1.1 99 Low\r\nContent-Length: 0\r\n\r\n",
    "huge head": b"HTTP/1.1 200 OK\r\nA: " + b"x" * 70000 + b"\r\n\r\n",
    "unasked 101": b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n"
                   b"Connection: upgrade\r\n\r\n",
    "nothing": b"",
    "half a head": b"HTTP/1.1 200 OK\r\nConte",
}  # fmt: skip


ENDS = {
    "nothing": "connection_terminated",
    "half a head": "connection_terminated",
    "unasked 101": "http_upgrade_failed",
}


@pytest.mark.parametrize("name", RESPONSES)
def test_malformed_response(weir, plain_origin, name):
    def script(conn):
        conn.read_request()
        conn.send(RESPONSES[name])

    plain_origin.script = script
    host = f"plain.test:{plain_origin.port}"
    w = weir()
    with w.client() as c:
        r = c.get(f"http://{host}/", host)
    assert r.status == 502
    error = ENDS.get(name, "http_protocol_error")
    assert r.get("Proxy-Status").startswith(f"weir; error={error};")


def test_bytes_after_a_response_reach_no_one(weir, plain_origin):
    plain_origin.on("/x", reply(b"one") + reply(b"smuggled"))
    host = f"plain.test:{plain_origin.port}"
    w = weir()
    with w.client() as c:
        assert c.get(f"http://{host}/x", host).body == b"one"
        r = c.get(f"http://{host}/y", host)
        assert r.body == b"hello from the origin\n"
    assert len(plain_origin.conns) == 2


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_truncated_response_is_not_taken_for_whole(weir, plain_origin, framing):
    head = {
        "length": b"Content-Length: 100\r\n\r\nhalf",
        "chunked": b"Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    }[framing]

    was_read = threading.Event()

    def script(conn):
        conn.read_request()
        conn.send(b"HTTP/1.1 200 OK\r\n" + head)
        assert was_read.wait(20)  # or a reset would overtake it

    plain_origin.script = script
    host = f"plain.test:{plain_origin.port}"
    w = weir()
    with w.client() as c:
        c.send(f"GET http://{host}/ HTTP/1.1\r\nHost: {host}\r\n\r\n")
        assert b" 200 OK" in c.reader.until(b"\r\n\r\n")
        was_read.set()
        # A reset says it too.
        with pytest.raises((Truncated, ConnectionError)):
            if framing == "length":
                c.reader.exactly(100)
            else:
                assert c.reader.chunk() == b"half" and c.reader.chunk() == b""


def test_garbage_instead_of_tls_upstream(weir, origins):
    fake = origins("fake.test", tls=False)
    fake.script = lambda conn: conn.send(b"this is not TLS at all\r\n")
    w = weir()
    with w.tunnel("fake.test", fake.port) as c:
        assert c.get("/", f"fake.test:{fake.port}").status == 502


def test_garbage_that_looks_like_tls(weir, origin):
    w = weir()
    host = f"origin.test:{origin.port}"
    with w.client() as c:
        assert c.connect(host).status == 200
        c.send(b"\x16\x03\x01\x00\x05hello")
        assert c.alert() == DECODE_ERROR
    with w.client() as c:
        assert c.connect(host).status == 200
        c.send(b"\x16" * 4000)
        assert c.is_closed(), "no alert: it was no TLS"
    assert w.error_log().count("malformed ClientHello") == 2
    assert origin.conns == []
    with w.tunnel("origin.test", origin.port) as c:
        assert c.get("/", host).status == 200


def test_the_answer_is_read_whatever_follows_a_bad_head(weir):
    """Closing on unread bytes would reset the connection, and the answer
    with it."""
    w = weir()
    with w.client() as c:
        c.send(b"GET http://a/ HTTP/1.1\nHost: a\n\n" + bytes(200_000))
        assert c.read_response().status == 400
        assert c.is_closed()
