"""Requests that two readers could read in two ways: refused, and what was
hidden behind them with them; or sent on in the one way that is left (RFC 9112
11.2)."""

import pytest

CODED = "Transfer-Encoding: chunked"
LAST = "0\r\n\r\n"

FRAMINGS = [  # of a POST with the last chunk behind its head
    "Transfer-Encoding:\r\nContent-Length: 5", "Transfer-Encoding:\r\n chunked",
    "Transfer-Encoding\t: chunked", "Transfer-Encoding: \x0bchunked",
    "Transfer-Encoding: chunked\x85", "Transfer-Encoding: \xa0chunked",
    "Transfer-Encoding: \xe3\x80\x80chunked", 'Transfer-Encoding: "chunked"',
    "Transfer-Encoding: chunked, identity", "Transfer-Encoding: ,chunked",
    "Transfer-Encoding: chunked;q=0", "Transfer_Encoding: chunked",
    "content_length: 5", "Content-Length: 5\r\nContent-Length: 5",
    "Content-Length: 5, 5", "Content-Length: 05", "Content-Length: 0x5",
    "Content-Length: 5\xa0", "Content-Length:", "Content-Length: 5.0",
    "Content-Length: 5\r\nConnection: content-length",
    CODED + "\r\nConnection: x, Transfer-Encoding",
]  # fmt: skip
FIELDS = [  # of a GET
    "Connection: Host", ":authority: other.test", ": x", "Host\xa0: other.test",
    "H\xc3\xb6st: other.test", "Host\0: other.test", "HOST: other.test",
    "A: b\rHost: other.test", "A: b\nHost: other.test", "A: b\r",
]  # fmt: skip
LINES = [  # before a good Host
    "GET {url} HTTP/1.1\r\n X: y", "GET  {url} HTTP/1.1", "GET\t{url} HTTP/1.1",
    "GET {url} HTTP/1.1 ", "GET {url}a b HTTP/1.1", "GET {url}\x85 HTTP/1.1",
    "GET {url} HTTP/1.10", "GET {url} http/1.1", "GET {url}",
    "\r\n\r\nGET {url} HTTP/1.1", "get {url} HTTP/1.1", "connect {host} HTTP/1.1",
    "CONNECT {host} HTTP/1.1\r\nContent-Length: 5",
    "CONNECT {host} HTTP/1.1\r\n" + CODED, "CONNECT {url} HTTP/1.1",
    "POST {url} HTTP/1.0\r\n" + CODED,
    "POST {url} HTTP/1.0\r\nContent-Length: 5\r\n" + CODED,
    "GET * HTTP/1.1", "GET http:///x HTTP/1.1", "GET http:/{host}/ HTTP/1.1",
    "GET ftp://{host}/ HTTP/1.1", "GET http://{host}\\@other.test/ HTTP/1.1",
    "GET http://other.test@{host}/ HTTP/1.1", "GET http://plain.test:/ HTTP/1.1",
]  # fmt: skip
HEADS = [f"POST {{url}} HTTP/1.1\r\nHost: {{host}}\r\n{x}" for x in FRAMINGS]
HEADS += [f"GET {{url}} HTTP/1.1\r\nHost: {{host}}\r\n{x}" for x in FIELDS]
HEADS += [f"{x}\r\nHost: {{host}}" for x in LINES]


def hidden(host):
    return f"GET http://{host}/hidden HTTP/1.1\r\nHost: {host}\r\n\r\n"


def test_heads_that_are_ambiguous(weir, plain_origin):
    """One answer each and the end; the origin hears of none."""
    host = f"plain.test:{plain_origin.port}"
    w = weir()
    for head in HEADS:
        text = head.replace("{url}", f"http://{host}/").replace("{host}", host)
        with w.client() as c:
            c.send(text + "\r\n\r\n" + LAST + hidden(host))
            r = c.read_response()
            assert r.status == 400, (head, r)
            assert r.has_token("connection", "close") and c.is_closed(), head
    with w.client() as c:
        c.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + hidden(host))
        assert c.read_response().status == 505 and c.is_closed()
    assert plain_origin.conns == []


@pytest.mark.parametrize("host", [
    "plain.test", "plain.test:80", "plain.test:{other}", "", "other.test:{port}",
    "plain.test:{port}, other.test", "plain.test:{port} other.test",
    "plain.test:{port}/", "http://plain.test:{port}", "a@plain.test:{port}",
    "plain.test:0{port}", "plain.test:+{port}", "plain.test%00:{port}",
    "plain.test\xa0:{port}", "[plain.test]:{port}",
])  # fmt: skip
def test_host_that_is_not_the_targets(weir, plain_origin, host):
    port = plain_origin.port
    target = f"http://plain.test:{port}/"
    w = weir(egress=f"ports 80 {port} {port ^ 1};")
    with w.client() as c:
        r = c.get(target, host.format(port=port, other=port ^ 1))
        assert r.status == 400 and c.is_closed()
    assert plain_origin.conns == []


CHUNKS = {  # behind a head; what the origin has of the data
    "bare LF behind a size": "3\nabc\r\n",
    "bare LF in an extension": "3;a\nabc\r\n",
    "quoted LF": '3;a="\n"\r\nabc\r\n',
    "quoted CRLF": '3;a="\r\nabc\r\n"\r\n',
    "bare CR in an extension": "3;a\rb\r\nabc\r\n",
    "NUL in an extension": "3;a\0\r\nabc\r\n",
    "space before a size": " 3\r\nabc\r\n",
    "space behind a size": "3 \r\nabc\r\n",
    "tab before an extension": "3\t;a\r\nabc\r\n",
    "plus": "+3\r\nabc\r\n",
    "hex": "0x3\r\nabc\r\n",
    "underscore": "1_0\r\nabc\r\n",
    "empty size": "\r\nabc\r\n",
    "extension alone": ";a\r\nabc\r\n",
    "2^64 + 3": "10000000000000003\r\nabc\r\n",
    "2^63": "8000000000000000\r\nabc\r\n",
    "long extension": "3;" + "a" * 20000 + "\r\nabc\r\n",
    "data too long": "3\r\nabcd\r\n",
    "data too short": "3\r\nab\r\n0\r\n\r\n",
    "data, bare LF": "3\r\nabc\n0\r\n\r\n",
    "data, bare CR": "3\r\nabc\r0\r\n\r\n",
    "trailer, folded": "0\r\nX: a\r\n b\r\n\r\n",
    "trailer, first folded": "0\r\n X: a\r\n\r\n",
    "trailer, bare LF": "0\r\nX: a\n\r\n",
    "trailer, bare CR": "0\r\nX: a\rY: b\r\n\r\n",
    "trailer, no colon": "0\r\nGET / HTTP/1.1\r\n\r\n",
    "trailer, space": "0\r\nX : a\r\n\r\n",
    "trailer, NUL": "0\r\nX: \0\r\n\r\n",
    "end, bare LF": "0\r\n\n",
    "end, bare CR": "0\r\n\rX",
}


def test_chunks_that_are_ambiguous(weir, plain_origin):
    """400 and the end, with all that follows; upstream the body has none."""
    host = f"plain.test:{plain_origin.port}"
    head = f"POST http://{host}/ HTTP/1.1\r\nHost: {host}\r\n{CODED}\r\n\r\n"
    w = weir()
    for case, body in CHUNKS.items():
        with w.client() as c:
            c.send(head + "2\r\nok\r\n" + body + LAST + hidden(host))
            assert c.read_response().status == 400, case
            assert c.is_closed(), case
    for conn in plain_origin.conns:
        assert conn.done.wait(20)
        assert not conn.raw.endswith(b"0\r\n\r\n") and b"hidden" not in conn.raw


def test_what_is_left_of_a_body(weir, plain_origin):
    """Extensions and odd sizes do not pass; the next request does, alone."""
    host = f"plain.test:{plain_origin.port}"
    head = f"POST http://{host}/ HTTP/1.1\r\nHost: {host}\r\n"
    w = weir()
    with w.client() as c:
        c.send(
            head + "transfer-encoding:\t CHUNKED \t\r\n\r\n"
            '00000003;a="b;c\\"";d = e\r\nabc\r\n00A;x\r\n0123456789\r\n'
            "000;last\r\nX-Sum: 1\r\n\r\n" + hidden(host)
        )  # fmt: skip
        assert c.read_response().status == 200
        assert c.read_response().status == 200
    first, second = plain_origin.requests
    assert first.raw_head.count(b"ransfer-") == 1
    assert (first.body, second.target) == (b"abc0123456789", "/hidden")
    assert b";" not in plain_origin.raw and b"00000003" not in plain_origin.raw
