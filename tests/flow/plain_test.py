"""Plain HTTP through the proxy: absolute-form requests and their answers."""

import pytest

from lib.http import reply


def url(origin, path="/"):
    return f"http://plain.test:{origin.port}{path}"


def host(origin):
    return f"plain.test:{origin.port}"


def test_absolute_form_becomes_origin_form(weir, plain_origin):
    w = weir()
    with w.client() as c:
        r = c.get(url(plain_origin, "/a/b?c=d"), host(plain_origin))
    assert (r.status, r.body) == (200, b"hello from the origin\n")
    request = plain_origin.requests[0]
    assert request.target == "/a/b?c=d"
    assert request.get("Host") == host(plain_origin)
    entry = w.access_log()[0]
    assert entry["sandbox"] == "box" and entry["status"] == 200
    assert entry["host"] == "plain.test"


def test_connections_are_kept_on_both_sides(weir, plain_origin):
    w = weir()
    with w.client() as c:
        for i in range(5):
            r = c.get(url(plain_origin, f"/{i}"), host(plain_origin))
            assert r.status == 200 and not r.has_token("connection", "close")
    assert [r.target for r in plain_origin.requests] == [
        "/0", "/1", "/2", "/3", "/4",
    ]  # fmt: skip
    assert len(plain_origin.conns) == 1


def test_pipelined_requests_are_answered_in_order(weir, plain_origin):
    for i in range(3):
        plain_origin.on(f"/{i}", reply(f"answer {i}"))
    w = weir()
    with w.client() as c:
        c.send(
            "".join(
                f"GET {url(plain_origin, f'/{i}')} HTTP/1.1\r\n"
                f"Host: {host(plain_origin)}\r\n\r\n"
                for i in range(3)
            )
        )
        bodies = [c.read_response().body for _ in range(3)]
    assert bodies == [b"answer 0", b"answer 1", b"answer 2"]


def test_body_with_a_length(weir, plain_origin):
    body = bytes(range(256)) * 1000
    w = weir()
    with w.client() as c:
        r = c.request(
            "POST", url(plain_origin), host(plain_origin), body=body
        )
    assert r.status == 200
    assert plain_origin.requests[0].body == body


def test_chunked_body_both_ways(weir, plain_origin):
    plain_origin.default = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"5\r\nhello\r\n6;x=y\r\n there\r\n0\r\nX-Trailer: t\r\n\r\n"
    )
    w = weir()
    with w.client() as c:
        c.send(
            f"PUT {url(plain_origin)} HTTP/1.1\r\nHost: {host(plain_origin)}"
            "\r\nTransfer-Encoding: chunked\r\n\r\n"
            "3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n"
        )
        r = c.read_response()
    assert r.body == b"hello there"
    assert plain_origin.requests[0].body == b"abcdefg"


def test_head_has_no_body_and_keeps_the_connection(weir, plain_origin):
    w = weir()
    with w.client() as c:
        r = c.request("HEAD", url(plain_origin), host(plain_origin))
        assert r.status == 200 and r.get("Content-Length") == "22"
        assert c.get(url(plain_origin), host(plain_origin)).status == 200


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_statuses_without_a_body(weir, plain_origin, status):
    plain_origin.on("/x", f"HTTP/1.1 {status}\r\nETag: \"a\"\r\n\r\n".encode())
    w = weir()
    with w.client() as c:
        r = c.get(url(plain_origin, "/x"), host(plain_origin))
        assert r.status == int(status[:3]) and r.get("ETag") == '"a"'
        assert c.get(url(plain_origin), host(plain_origin)).status == 200


def test_response_until_close_is_chunked_for_the_client(weir, plain_origin):
    def until_close(conn, request):
        conn.send(b"HTTP/1.1 200 OK\r\n\r\nto the end")
        conn.close()

    plain_origin.on("/x", until_close)
    w = weir()
    with w.client() as c:
        r = c.get(url(plain_origin, "/x"), host(plain_origin))
        assert r.body == b"to the end"
        assert r.all("transfer-encoding") == ["chunked"]


def test_hop_by_hop_fields_stay_on_their_hop(weir, plain_origin):
    plain_origin.default = reply(
        b"x", headers=[("Connection", "X-Down"), ("X-Down", "1")]
    )
    w = weir(sandbox="token file:{{dir}}/token;", files={"token": "x"})
    with w.client() as c:
        r = c.get(
            url(plain_origin),
            host(plain_origin),
            [
                ("Connection", "X-Up, close"),
                ("X-Up", "1"),
                ("Keep-Alive", "5"),
                ("TE", "trailers"),
                ("Proxy-Authorization", "Basic Ym94Ong="),
                ("Proxy-Connection", "keep-alive"),
                ("X-Kept", "yes"),
            ],
        )
        assert c.is_closed()
    assert r.get("X-Down") is None
    request = plain_origin.requests[0]
    for name in ("X-Up", "Keep-Alive", "Proxy-Authorization",
                 "Proxy-Connection", "Upgrade"):  # fmt: skip
        assert request.all(name) == [], name
    assert request.get("X-Kept") == "yes"


def test_http_1_0_client(weir, plain_origin):
    plain_origin.default = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"3\r\nabc\r\n0\r\n\r\n"
    )
    w = weir()
    with w.client() as c:
        c.send(
            f"GET {url(plain_origin)} HTTP/1.0\r\n"
            f"Host: {host(plain_origin)}\r\n\r\n"
        )
        r = c.read_response()
    assert r.body == b"abc" and r.all("transfer-encoding") == []


def test_origin_form_is_refused(weir, plain_origin):
    w = weir()
    with w.client() as c:
        assert c.get("/", host(plain_origin)).status == 400
    assert plain_origin.conns == []


def test_https_in_absolute_form_is_refused(weir, origin):
    w = weir()
    with w.client() as c:
        r = c.get(f"https://origin.test:{origin.port}/", "origin.test")
    assert r.status == 400
    assert origin.conns == []


def test_trace_is_refused(weir, plain_origin):
    w = weir()
    with w.client() as c:
        r = c.request("TRACE", url(plain_origin), host(plain_origin))
    assert r.status == 405 and "TRACE" not in r.get("Allow").split(", ")
    assert plain_origin.conns == []


def test_interim_responses_pass(weir, plain_origin):
    plain_origin.default = (
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
        + reply(b"final")
    )
    w = weir()
    with w.client() as c:
        c.send(
            f"GET {url(plain_origin)} HTTP/1.1\r\n"
            f"Host: {host(plain_origin)}\r\n\r\n"
        )
        first = c.read_response(interim=True)
        assert first.status == 103 and first.get("Link") == "</a>"
        assert c.read_response(interim=True).body == b"final"


def test_via_where_it_is_on(weir, plain_origin):
    w = weir(egress="via on;")
    with w.client() as c:
        c.get(url(plain_origin), host(plain_origin))
    assert plain_origin.requests[0].get("Via") == "1.1 weir"
