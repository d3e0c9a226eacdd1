"""Attacks by a hostile sandbox or origin: each found something once, or might
have."""

import pytest

from lib.http import reply


def host(origin):
    return f"{origin.names[0]}:{origin.port}"


@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_own_answer_to_head_has_no_body(weir, method):
    """A body behind it would be read as the next response."""
    w = weir()
    with w.client() as c:
        for _ in range(2):
            r = c.request(method, "http://no.example/", "no.example")
            assert r.status == 403 and int(r.get("Content-Length")) > 0
            assert c.reader.buffer == b""
        assert c.get("http://no.example/", "no.example").status == 403


@pytest.mark.parametrize("tls", [True, False])
def test_bytes_behind_a_long_body_reach_no_one(weir, origins, tls):
    """They lie in the TLS layer or the socket, where the body's last read
    left them, when the next request looks for a connection."""
    o = origins("o.test", tls=tls)
    body = b"a" * 20000

    def answer(conn, request):
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 20000\r\n\r\n" + body[:9999])
        conn.send(body[9999:] + reply(b"smuggled"))

    o.on("/x", answer)
    w = weir()
    with w.tunnel("o.test", o.port) if tls else w.client() as c:
        url = "" if tls else f"http://{host(o)}"
        for i in range(1, 4):
            c.send(
                f"GET {url}/x HTTP/1.1\r\nHost: {host(o)}\r\n\r\n"
                f"GET {url}/y HTTP/1.1\r\nHost: {host(o)}\r\n\r\n"
            )
            assert c.read_response().body == body
            assert c.read_response().body == b"hello from the origin\n"
            o.wait_conns(i + 1)
