"""Ways round a rule that holds for the plain case: a method, a credential, a
switch of protocols by another door (SPEC 5, 7, 8)."""

import pytest

from lib.http import reply

SECRET = "s3cret-0123456789-value"


def host(origin):
    return f"{origin.names[0]}:{origin.port}"


def test_credential_on_a_plain_port_in_a_tunnel(weir, plain_origin):
    """CONNECT and then no TLS is no TLS: nothing leaves."""
    w = weir(
        egress="secret t env:T; host plain.test { bearer $secret_t; }",
        env={"T": SECRET},
    )
    with w.client() as c:
        assert c.connect(host(plain_origin)).status == 200
        for method in ("GET", "HEAD", "OPTIONS"):
            r = c.request(method, "/", host(plain_origin))
            assert r.status == 403, method
    assert plain_origin.conns == []
    assert SECRET.encode() not in w.all_output()


SPELLINGS = [
    "Authorization", "AUTHORIZATION", "authorization", "aUTHORIZATION",
    "X-Key", "x-key", "X_KEY", "x_key",
]  # fmt: skip


def test_no_spelling_of_a_credentials_name_passes(weir, origin):
    """In a head, behind a nomination, in trailers, announced as those."""
    w = weir(
        egress="secret t env:T;\nhost origin.test { bearer $secret_t;\n"
        "proxy_set_header X-Key $secret_t; }",
        env={"T": SECRET},
    )
    with w.tunnel("origin.test", origin.port) as c:
        for name in SPELLINGS:
            c.send(
                f"POST / HTTP/1.1\r\nHost: {host(origin)}\r\n{name}: mine\r\n"
                f"Connection: {name}, x-key, authorization\r\n{name}:mine\r\n"
                f"Trailer: {name}\r\nTransfer-Encoding: chunked\r\n\r\n"
                f"1\r\na\r\n0\r\n{name}: mine\r\n\r\n"
            )
            assert c.read_response().status == 200
        c.send(f"GET / HTTP/1.1\r\nHost: {host(origin)}\r\nX-Key : mine\r\n\r\n")
        assert c.read_response().status == 400
    assert b"mine" not in origin.raw
    for r in origin.requests:
        assert r.get("Authorization") == f"Bearer {SECRET}"
        assert r.get("X-Key") == SECRET and r.trailers == []


OVERRIDES = ["X-HTTP-Method", "X-HTTP-Method-Override", "X-Method-Override"]


def test_a_methods_rule_and_what_overrides_it(weir, plain_origin):
    """In any spelling, and in the trailers; other methods are 405 or 400."""
    w = weir(egress="host plain.test { methods GET POST; }")
    url = f"http://{host(plain_origin)}/"
    start = f"POST {url} HTTP/1.1\r\nHost: {host(plain_origin)}\r\n"
    with w.client() as c:
        for name in OVERRIDES:
            for n in (name, name.upper(), name.replace("-", "_")):
                c.send(
                    start + f"{n}: DELETE\r\nTransfer-Encoding: chunked\r\n\r\n"
                    f"0\r\n{n}: DELETE\r\n\r\n"
                )
                assert c.read_response().status == 200
        for method in ("DELETE", "PUT", "PATCH", "DELETEX", "TRACK", "TRACE",
                       "PROPFIND", "MOVE", "M-SEARCH", "GETS"):  # fmt: skip
            r = c.request(method, url, host(plain_origin))
            assert r.status == 405, method
    for method in ("Delete", "get", "Post", "G\0T", "GET/", "G(ET"):
        with w.client() as c:
            c.send(f"{method} {url} HTTP/1.1\r\nHost: {host(plain_origin)}\r\n\r\n")
            assert c.read_response().status == 400, method
    assert b"DELETE" not in plain_origin.raw
    assert {r.method for r in plain_origin.requests} == {"POST"}


KEY = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
NO_SWITCH = {  # lines of a request that is no clean upgrade to a WebSocket
    "body": "Content-Length: 5\r\nConnection: upgrade\r\nUpgrade: websocket",
    "chunks": "Transfer-Encoding: chunked\r\nConnection: upgrade\r\n"
              "Upgrade: websocket",
    "no nomination": "Upgrade: websocket",
    "twice": "Connection: upgrade\r\nUpgrade: websocket\r\nUpgrade: h2c",
    "list": "Connection: upgrade\r\nUpgrade: websocket, websocket",
    "version": "Connection: upgrade\r\nUpgrade: websocket/13",
    "h2c": "Connection: upgrade, http2-settings\r\nUpgrade: h2c\r\n"
           "HTTP2-Settings: AAMAAABkAAQAAP__",
}  # fmt: skip


@pytest.mark.parametrize("case", NO_SWITCH)
def test_no_switch_without_a_clean_request_for_one(weir, origin, case):
    """The origin is not asked; if it switches all the same, that is the end:
    a tunnel would carry what nobody judges."""

    def script(conn):
        r = conn.read_head()
        assert r.get("Upgrade") is None and r.get("HTTP2-Settings") is None
        conn.send(b"HTTP/1.1 101 S\r\nConnection: upgrade\r\n"
                  b"Upgrade: websocket\r\n\r\n" + reply(b"switched"))
        conn.reader.to_eof()

    origin.script = script
    w = weir()
    body = {"body": "GET /", "chunks": "5\r\nGET /\r\n0\r\n\r\n"}.get(case, "")
    with w.tunnel("origin.test", origin.port) as c:
        c.send(f"GET / HTTP/1.1\r\nHost: {host(origin)}\r\n{KEY}\r\n"
               f"{NO_SWITCH[case]}\r\n\r\n{body}")
        r = c.read_response()
        assert r.status == 502
        assert "http_upgrade_failed" in r.get("Proxy-Status")
    assert origin.conns[0].done.wait(20) and origin.conns[0].error is None


EXPECTS = {  # a field, and what the origin has of it
    "100-continue": "100-continue", "100-Continue": "100-Continue",
    "200-ok": "200-ok", "100-continue, x": "100-continue, x", "": "",
}  # fmt: skip


@pytest.mark.parametrize("minor", [0, 1])
def test_no_expectation_hides_a_body(weir, plain_origin, minor):
    """Whatever it is, what follows the head is its body, and the request
    behind that is another."""
    w = weir()
    url = f"http://{host(plain_origin)}"
    for expect in EXPECTS:
        with w.client() as c:
            c.send(
                f"POST {url}/ HTTP/1.{minor}\r\nHost: {host(plain_origin)}\r\n"
                f"Connection: keep-alive\r\nExpect: {expect}\r\n"
                "Content-Length: 22\r\n\r\nGET /hidden HTTP/1.1\r\n"
                f"GET {url}/next HTTP/1.1\r\nHost: {host(plain_origin)}\r\n\r\n"
            )
            assert c.read_response().status == 200, expect
            assert c.read_response().status == 200, expect
        first, second = plain_origin.requests[-2:]
        assert first.body == b"GET /hidden HTTP/1.1\r\n"
        assert second.target == "/next"
        assert first.get("Expect", "") == EXPECTS[expect]


def test_no_spelling_of_a_query_credential_passes(weir, origin):
    """What an origin may decode to the same name is that name."""
    w = weir(
        egress="secret t env:T;\n"
        "host origin.test { proxy_set_query api_key $secret_t; }",
        env={"T": SECRET},
    )
    with w.tunnel("origin.test", origin.port) as c:
        for name in ("api_key", "%61pi_key", "api%5Fkey", "api%5fke%79"):
            for query in (f"{name}=mine", f"x=1&{name}=mine", f"{name}&{name}=mine"):
                assert c.get(f"/?{query}", host(origin)).status == 200
    assert b"mine" not in origin.raw
    for r in origin.requests:
        assert r.target.count(f"api_key={SECRET}") == 1


@pytest.mark.parametrize("first", [
    b"SSH-2.0-OpenSSH_9.2\r\n\r\n", b"EHLO x\r\n\r\n", b"\x05\x01\x00\r\n\r\n",
    b"\x00\x00\x00\x08\x04\xd2\x16\x2f\r\n\r\n", b"CONNECT x:22 HTTP/1.1\r\n\r\n",
    b"* a002 NOOP\r\n\r\n", b"\x15\x03\x03\x00\x02\x01\x00\r\n\r\n",
])  # fmt: skip
def test_what_is_neither_tls_nor_http_in_a_tunnel(weir, plain_origin, first):
    """A tunnel carries requests, each of them judged, and nothing else."""
    w = weir()
    with w.client() as c:
        assert c.connect(host(plain_origin)).status == 200
        c.send(first)
        assert c.read_response().status == 400
        assert c.is_closed()
    assert plain_origin.conns == []
