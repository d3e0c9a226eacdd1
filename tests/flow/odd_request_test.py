"""What clients send before a request, or in place of one: an empty line is
nothing, another protocol is refused as soon as it shows."""

import pytest

from lib.http import Truncated

BANNERS = [
    b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n",
    b"\0\0\0\x85\xffSMBr", b"\x80\x2e\1\3\1", b"\x13BitTorrent protocol",
    b"EHLO there\r\n", b"GET /\r\n", b"GET / HTTP/1.1 x\r\n", b"x" * 33,
    b"{\"jsonrpc\":\"2.0\"}", b"PRI * HTTP/2.0\r\n", b" GET / HTTP/1.1\r\n",
]  # fmt: skip


def host(origin):
    return f"{origin.names[0]}:{origin.port}"


@pytest.mark.parametrize("pieces", [
    [b"\r\n", b""], [b"\r", b"\n"], [b"", b"\r\n"], [b"\r\n"],
])  # fmt: skip
def test_an_empty_line_before_a_request(weir, plain_origin, pieces):
    """One, before each; a body that a client ends with it has no other end."""
    w = weir()
    with w.client() as c:
        for _ in range(3):
            for piece in pieces:
                if piece:
                    c.send(piece)
            r = c.get(f"http://{host(plain_origin)}/", host(plain_origin))
            assert r.status == 200
    assert len(plain_origin.requests) == 3


def test_two_are_no_request(weir, plain_origin):
    w = weir()
    with w.client() as c:
        c.send(f"\r\n\r\nGET http://{host(plain_origin)}/ HTTP/1.1\r\n"
               f"Host: {host(plain_origin)}\r\n\r\n")  # fmt: skip
        assert c.read_response().status == 400
        assert c.is_closed()
    assert plain_origin.requests == []


@pytest.mark.parametrize("banner", BANNERS)
@pytest.mark.parametrize("where", ["proxy", "tunnel"])
def test_another_protocol(weir, origin, banner, where):
    """No time-out is waited for: the client may wait for the server to speak."""
    w = weir(egress="client_header_timeout 1h;")
    with w.client() as c:
        if where == "tunnel":
            assert c.connect(host(origin)).status == 200
        c.send(banner)
        assert 400 <= c.read_response().status < 600
        assert c.is_closed()
    assert origin.conns == []


@pytest.mark.parametrize("banner", [b"\x16\3\1\0\5hello", b"\x16\2\0", b"\x16\3\3\0\0"])
def test_a_handshake_that_is_none(weir, origin, banner):
    w = weir(egress="client_header_timeout 1h;")
    with w.client() as c:
        assert c.connect(host(origin)).status == 200
        c.send(banner)
        with pytest.raises((Truncated, ConnectionError, AssertionError)):
            c.read_response()
    w.wait_log("malformed ClientHello")
    assert origin.conns == []
