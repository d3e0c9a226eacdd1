"""What real origins send against the letter, with one meaning left: it reaches
the client as it does without weir, and the connection is used again."""

import pytest

from lib.http import reply

HELLO = b"hello"
CHUNKS = b"5\r\nhello\r\n0\r\n\r\n"
CODED = "Transfer-Encoding: chunked"

# head lines, body
KEPT = {
    "Connection names the coding": ([CODED, "Connection: Transfer-Encoding"], CHUNKS),
    "Connection twice": (
        [CODED, "Connection: keep-alive", "Connection: transfer-encoding"], CHUNKS,
    ),
    "Connection names the length": (
        ["Content-Length: 5", "Connection: Content-Length"], HELLO,
    ),
    "Connection with parameters": (
        ["Content-Length: 5", "Connection: Keep-Alive; timeout=5"], HELLO,
    ),
    "blank before a colon": (["Content-Length : 5", "X-A\t: b"], HELLO),
    "length twice": (["Content-Length: 5", "Content-Length: 5"], HELLO),
    "length in a list": (["Content-Length: 5, 5"], HELLO),
    "zeros before a length": (["Content-Length: 0005"], HELLO),
    "identity": (["Transfer-Encoding: identity", "Content-Length: 5"], HELLO),
    "a field in two lines": (["X-Folded: a", "\tb", "Content-Length: 5"], HELLO),
    "padded sizes": ([CODED], b"5   \r\nhello\r\n0  \r\n\r\n"),
    "blank before an extension": ([CODED], b"5 ;a=b\r\nhello\r\n0\r\n\r\n"),
    "a long extension": ([CODED], b"5;" + b"a" * 4000 + b"\r\nhello\r\n0\r\n\r\n"),
    "zeros before a size": ([CODED], b"0000000000000000000005\r\nhello\r\n0\r\n\r\n"),
    "sizes that end in LF": ([CODED], b"5\nhello\n0\n\n"),
    "trailers that end in LF": ([CODED], b"5\nhello\n0\nX: y\n\n"),
    "blank before a trailer's colon": ([CODED], b"5\r\nhello\r\n0\r\nX : y\r\n\r\n"),
}  # fmt: skip

# What two parsers could read differently.
REFUSED = {
    "two lengths": (["Content-Length: 5", "Content-Length: 6"], HELLO),
    "two in a list": (["Content-Length: 5, 6"], HELLO),
    "length and coding": (["Content-Length: 5", CODED], CHUNKS),
    "coded twice": ([CODED, CODED], CHUNKS),
    "a length in two lines": (["Content-Length: 5", " 0"], HELLO),
}


def host(origin):
    return f"{origin.names[0]}:{origin.port}"


def raw(lines, body):
    head = "\r\n".join(["HTTP/1.1 200 OK", *lines])
    return head.encode() + b"\r\n\r\n" + body


@pytest.mark.parametrize("case", KEPT)
def test_passes(weir, origin, case):
    origin.on("/", raw(*KEPT[case]))
    w = weir()
    with w.tunnel("origin.test", origin.port) as c:
        for _ in range(2):
            r = c.get("/", host(origin))
            assert (r.status, r.body) == (200, HELLO)
            assert not r.get("content-length") or r.all("content-length") == ["5"]
            assert r.get("connection") is None
    assert len(origin.conns) == 1
    if case == "a field in two lines":
        assert r.get("x-folded") == "a b"


# All of the head; {c} stands for what says how its body ends.
LINES = {
    "all": b"HTTP/1.1 200 OK\nX-A: b\n{c}\nX-B: c\n\n",
    "all but the first": b"HTTP/1.1 200 OK\r\nX-A: b\n{c}\nX-B: c\n\n",
    "the last": b"HTTP/1.1 200 OK\r\nX-A: b\r\n{c}\r\nX-B: c\n\n",
    "the end": b"HTTP/1.1 200 OK\r\nX-A: b\r\n{c}\r\nX-B: c\r\n\n",
    "behind a 1xx": b"HTTP/1.1 103 Early\nX-A: z\n\n"
                    b"HTTP/1.1 200 OK\r\nX-A: b\r\n{c}\r\nX-B: c\r\n\r\n",
}  # fmt: skip


@pytest.mark.parametrize("framing, body", [
    (b"Content-Length: 5", HELLO), (CODED.encode(), CHUNKS),
    (CODED.encode(), b"5\nhello\n0\n\n"),
])  # fmt: skip
@pytest.mark.parametrize("case", LINES)
def test_lines_that_end_in_lf(weir, origin, case, framing, body):
    """The client gets lines that end in CRLF, which can be read in one way."""
    origin.on("/", LINES[case].replace(b"{c}", framing) + body)
    w = weir()
    with w.tunnel("origin.test", origin.port) as c:
        for _ in range(2):
            r = c.get("/", host(origin))
            assert (r.status, r.body) == (200, HELLO)
            assert (r.get("x-a"), r.get("x-b")) == ("b", "c")
            assert b"\n" not in r.raw_head.replace(b"\r\n", b"")
    assert len(origin.conns) == 1


@pytest.mark.parametrize("head", [
    b"HTTP/1.1 200 OK\nX-A: b\rc\nContent-Length: 0\n\n",
    b"HTTP/1.1 200 OK\nX-A: b\r\r\nContent-Length: 0\n\n",
    b"HTTP/1.1 200 OK\nX-A: \0\nContent-Length: 0\n\n",
    b"\nHTTP/1.1 200 OK\nContent-Length: 0\n\n",
    b"HTTP/1.1 200 OK\r\nX-A: b\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-A: b\n\r\n",
    b"HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n",
])  # fmt: skip
def test_lines_that_end_in_something_else(weir, origin, head):
    """Or in CRLF behind an LF: by CRLF alone it would be one line."""
    origin.on("/", head)
    w = weir()
    with w.tunnel("origin.test", origin.port) as c:
        assert c.get("/", host(origin)).status == 502


@pytest.mark.parametrize("body", [
    b"5;a\nhello\n0\n\n", b"5\nhello\r\n0\r\n\r\n", b"5\r\nhello\n0\n\n",
    b"5\r\nhello\r\n0\n\n", b"5\nhello\n0\nX: y\r\n\n",
])  # fmt: skip
def test_chunks_that_end_in_two_ways(weir, origin, body):
    """An extension that goes on to a CRLF for some; lines that are not alike."""
    origin.on("/", raw([CODED], body))
    w = weir()
    with w.tunnel("origin.test", origin.port) as c:
        with pytest.raises((AssertionError, ConnectionError)):
            c.get("/", host(origin))
    w.wait_log("upstream sent an invalid response: malformed chunk")


@pytest.mark.parametrize("case", REFUSED)
def test_is_refused(weir, origin, case):
    origin.on("/", raw(*REFUSED[case]))
    w = weir()
    with w.tunnel("origin.test", origin.port) as c:
        assert c.get("/", host(origin)).status == 502


def test_a_field_that_connection_may_not_name(weir, origin):
    """It says how the body is read: it stays, and so does the coding."""
    origin.on("/", raw(
        ["Connection: Content-Encoding, X-Hop", "X-Hop: a",
         "Content-Encoding: br", "Content-Length: 5"], HELLO,
    ))  # fmt: skip
    w = weir()
    with w.tunnel("origin.test", origin.port) as c:
        r = c.get("/", host(origin))
    assert r.get("content-encoding") == "br" and r.get("x-hop") is None


@pytest.mark.parametrize("how", ["close", "hang_up"])
def test_a_body_to_the_end_of_the_connection(weir, origin, how):
    """With close_notify or without: as curl, Python and Node take it."""

    def until_the_end(conn, _):
        conn.send(raw(["X-A: b"], HELLO * 1000))
        getattr(conn, how)()

    origin.on("/", until_the_end)
    origin.on("/next", reply(b"next"))
    w = weir()
    with w.tunnel("origin.test", origin.port) as c:
        assert c.get("/", host(origin)).body == HELLO * 1000
        assert c.get("/next", host(origin)).body == b"next"
    is_told = "without close_notify: it may have been cut" in w.error_log()
    assert is_told == (how == "hang_up")


def test_a_reset_is_no_end(weir, origin):
    def cut(conn, _):
        conn.send(raw([], HELLO))
        conn.reset()

    origin.on("/", cut)
    w = weir()
    with w.tunnel("origin.test", origin.port) as c:
        c.send(f"GET / HTTP/1.0\r\nHost: {host(origin)}\r\n\r\n")
        c.sock.suppress_ragged_eofs = False
        with pytest.raises(OSError):
            while c.sock.recv(4096):
                pass


@pytest.mark.parametrize("lines, body", [
    (["Content-Length: 9"], HELLO), ([CODED], b"5\r\nhello\r\n"),
])  # fmt: skip
def test_what_is_missing_is_missed(weir, origin, lines, body):
    """An end that the framing does not know is none."""

    def cut(conn, _):
        conn.send(raw(lines, body))
        conn.hang_up()

    origin.on("/", cut)
    w = weir()
    with w.tunnel("origin.test", origin.port) as c:
        c.send(f"GET / HTTP/1.1\r\nHost: {host(origin)}\r\n\r\n")
        with pytest.raises((AssertionError, ConnectionError)):
            c.read_response()
