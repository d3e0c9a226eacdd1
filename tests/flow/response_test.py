"""What an origin sends where nothing may be, or what is no response: no byte
of it is anyone's next response (RFC 9112 6.3, SPEC 9)."""

import pytest

from lib.http import reply
from lib.wait import DEADLINE

SMUGGLED = reply(b"smuggled")
CHUNKS = b"8\r\nsmuggled\r\n0\r\n\r\n"


def host(origin):
    return f"{origin.names[0]}:{origin.port}"


def head(status, *lines):
    lines = [f"HTTP/1.1 {status}", *lines, "X-Mark: a"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


LENGTH, CODED = "Content-Length: 8", "Transfer-Encoding: chunked"
# method, response, what follows it, whether the connection serves the next too
BARE = {
    "HEAD": ("HEAD", head("200 OK", LENGTH), b"", True),
    "HEAD, coded": ("HEAD", head("200 OK", CODED), b"", True),
    "HEAD, no length": ("HEAD", head("200 OK"), b"", True),
    "HEAD, body": ("HEAD", head("200 OK", LENGTH), b"smuggled", False),
    "HEAD, chunks": ("HEAD", head("200 OK", CODED), CHUNKS, False),
    "HEAD, response": ("HEAD", head("200 OK", LENGTH), SMUGGLED, False),
    "HEAD, 204": ("HEAD", head("204 No Content"), SMUGGLED, False),
    "204": ("GET", head("204 No Content"), b"", True),
    "204, length 0": ("GET", head("204 No", "Content-Length: 0"), b"", True),
    "204, length": ("GET", head("204 No Content", LENGTH), b"", False),
    "204, body": ("GET", head("204 No Content", LENGTH), b"smuggled", False),
    "204, chunks": ("GET", head("204 No Content", CODED), CHUNKS, False),
    "204, response": ("GET", head("204 No Content"), SMUGGLED, False),
    "304": ("GET", head("304 Not Modified", LENGTH), b"", True),
    "304, coded": ("GET", head("304 Not Modified", CODED), b"", True),
    "304, body": ("GET", head("304 Not Modified", LENGTH), b"smuggled", False),
    "304, chunks": ("GET", head("304 Not Modified", CODED), CHUNKS, False),
    "304, response": ("GET", head("304 Not Modified"), SMUGGLED, False),
    "POST, 204": ("POST", head("204 No Content"), SMUGGLED, False),
    "length": ("GET", head("200 OK", "Content-Length: 0"), SMUGGLED, False),
    "chunks": ("GET", head("200 OK", CODED), b"0\r\n\r\n" + SMUGGLED, False),
    "trailers": ("GET", head("200 OK", CODED), b"0\r\nX: y\r\n\r\n\r\n", False),
}


@pytest.mark.parametrize("tls", [True, False])
def test_what_follows_where_no_body_is(weir, origins, tls):
    """Both requests are there at once: the second is not answered by it."""
    o = origins("o.test", tls=tls)
    last = reply(b"of its own", headers=[("Connection", "close")])
    o.on("/y", lambda conn, _: (conn.send(last), conn.close()) and None)
    w = weir()
    for case, (method, answer, more, is_kept) in BARE.items():
        o.on("/x", lambda conn, _: conn.send(answer + more))
        before = len(o.conns)
        with w.tunnel("o.test", o.port) if tls else w.client() as c:
            url = "" if tls else f"http://{host(o)}"
            c.send(
                f"{method} {url}/x HTTP/1.1\r\nHost: {host(o)}\r\n\r\n"
                f"GET {url}/y HTTP/1.1\r\nHost: {host(o)}\r\n\r\n"
            )
            r = c.read_response(method)
            assert r.get("X-Mark") == "a" and r.body == b"", case
            assert c.read_response().body == b"of its own", case
        assert [x.target for x in o.requests[-2:]] == ["/x", "/y"], case
        assert len(o.conns) - before == (1 if is_kept else 2), case


def test_bytes_that_come_later_end_the_connection(weir, plain_origin):
    """It waits for a request then, and speaks instead."""
    w = weir()
    url = f"http://{host(plain_origin)}/"
    for n, (method, more) in enumerate(
        [("GET", SMUGGLED), ("HEAD", b"smuggled"), ("GET", b"\r\n")], 1
    ):
        with w.client() as c:
            c.request(method, url, host(plain_origin))
            conn = plain_origin.conns[-1]
            conn.send(more)
            assert conn.done.wait(DEADLINE), "weir's end of it"
            r = c.get(url, host(plain_origin))
            assert r.body == b"hello from the origin\n"
        assert len(plain_origin.conns) == n + 1


LINES = {  # status lines, and the status that the client gets
    b"HTTP/1.1 200": 200, b"HTTP/1.1 200 ": 200, b"HTTP/1.0 200 OK": 200,
    b"HTTP/1.1 200 caf\xe9\x85": 200, b"HTTP/1.1 599 x": 599,
    b"HTTP/1.1 999 x": 999,
    b"HTTP/1.1 000 x": 502, b"HTTP/1.1 099 x": 502, b"HTTP/1.1 20 OK": 502,
    b"HTTP/1.1 2000 OK": 502, b"HTTP/1.1 +20 OK": 502, b"HTTP/1.1 0x20 OK": 502,
    b"HTTP/1.1 200OK": 502, b"HTTP/1.1  200 OK": 502, b"HTTP/1.1\t200 OK": 502,
    b"HTTP/1.1 200\tOK": 502, b" HTTP/1.1 200 OK": 502, b"http/1.1 200 OK": 502,
    b"HTTP/1.10 200 OK": 502, b"HTTP/1.2 200 OK": 502, b"HTTP/0.9 200 OK": 502,
    b"HTTP/2.0 200 OK": 502, b"HTTP/11 200 OK": 502, b"ICY 200 OK": 502,
    b"HTTP/1.1": 502, b"HTTP/1.1 ": 502, b"200 OK": 502,
    b"HTTP/1.1 200 a\0b": 502, b"HTTP/1.1 200 a\x0bb": 502,
    b"HTTP/1.1 200 a\x7fb": 502,
    b"GET / HTTP/1.1": 502,
}  # fmt: skip
FIELDS = {  # and lines of fields
    b"A: caf\xe9\x85\xc2\x85\xe2\x80\xa8": 200, b"A:": 200, b"A_b: c": 200,
    b"\xc3\xa9: c": 502, b"A\x85: c": 502, b"A\xa0: c": 502, b"A\t: c": 200,
    b"A;b: c": 502, b"A/b: c": 502, b"A(b): c": 502, b"A": 502,
    b"A: b\x0bc": 502, b"A: b\x7fc": 502, b"A: b\x1b[2J": 502,
    b"A: b\r\r\nC: d": 502, b"A: b\n\r\nC: d": 502, b" A: b": 502,
    b"Content-Length: 0x1": 502, b"Content-Length: 1 1": 502,
    b"Content-Length: 00": 200, b"Content-Length:": 502, b"Content-Length: 1,": 502,
    b"Content-Length: 9223372036854775808": 502,
    b"content_length: 1": 502, b"Transfer_Encoding: chunked": 502,
    b"Transfer-Encoding: identity": 200, b"Transfer-Encoding: chunked,": 502,
    b"Transfer-Encoding: chunked, chunked": 502, b"Transfer-Encoding:": 502,
    b"Transfer-Encoding: \x0bchunked": 502, b"Transfer-Encoding: chunked;q=1": 502,
    b"Connection: transfer-encoding": 200, b"Connection: a b": 200,
}  # fmt: skip


def test_lines_that_are_none(weir, plain_origin):
    """What is none is 502, and ends only the origin's connection."""
    answers = [(x + b"\r\nConnection: close\r\n\r\n", s) for x, s in LINES.items()]
    answers += [
        (b"HTTP/1.1 200 OK\r\n" + x + b"\r\nConnection: close\r\n\r\n", s)
        for x, s in FIELDS.items()
    ]

    def answer(conn, request):
        conn.send(answers[int(request.target[1:])][0])
        conn.close()

    plain_origin.default = answer
    w = weir()
    with w.client() as c:
        for i, (sent, status) in enumerate(answers):
            r = c.get(f"http://{host(plain_origin)}/{i}", host(plain_origin))
            assert r.status == status, sent
    assert len(plain_origin.requests) == len(answers)
