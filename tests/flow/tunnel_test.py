"""What is passed on byte for byte: passthrough tunnels, and what follows a 101."""

import ssl
import threading

import pytest

from lib.client import (
    ACCESS_DENIED, INTERNAL_ERROR, MISSING_EXTENSION, UNRECOGNIZED_NAME,
)  # fmt: skip
from lib.http import reply
from lib.weir import GLOBALS

BLIND = "host origin.test { intercept off; }"
HANDSHAKE = (
    "GET /chat HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\n"
    "Connection: keep-alive, Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
SWITCHED = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)
ALL_BYTES = bytes(range(256)) * (20 if "one_byte" in GLOBALS else 1000)


def host(origin):
    return f"{origin.names[0]}:{origin.port}"


# Passthrough tunnels


def test_blind_tunnel_shows_the_origins_own_certificate(weir, origin, pki):
    w = weir(egress=BLIND)
    with w.client() as c:
        assert c.connect(host(origin)).status == 200
        c.tls("origin.test", pki.ca, strict=False)
        assert c.get("/one", host(origin)).body == b"hello from the origin\n"
        assert c.get("/two", host(origin)).status == 200
    connect, tunnel = w.access_log(2)
    assert connect["status"] == tunnel["status"] == 200
    assert tunnel["host"] == "origin.test" and tunnel["rule"] == "5"
    assert tunnel["bytes_sent"] > 1000
    assert tunnel["upstream_addr"] == f"127.0.0.1:{origin.port}"


def hello(name):
    """A ClientHello for that name, or without one."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = name is not None
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


@pytest.mark.parametrize(
    "first, alert",
    [(hello("other.test"), UNRECOGNIZED_NAME),
     (hello("a.origin.test"), UNRECOGNIZED_NAME),
     (hello(None), MISSING_EXTENSION),
     (b"GET / HTTP/1.1\r\nHost: origin.test\r\n\r\n", None),
     (b"SSH-2.0-x\r\n", None)],
    ids=["another name", "a name below", "no name", "http", "ssh"],
)  # fmt: skip
def test_blind_tunnel_is_for_its_name_alone(weir, origin, first, alert):
    w = weir(egress=BLIND)
    with w.client() as c:
        assert c.connect(host(origin)).status == 200
        c.send(first)
        assert c.is_closed() if alert is None else c.alert() == alert
    assert origin.conns == []


def test_blind_tunnel_split_hello(weir, origin, pki):
    """The hello comes in pieces, and arrives whole."""
    w = weir(egress=BLIND)
    with w.client() as c:
        assert c.connect(host(origin)).status == 200
        data = hello("origin.test")
        for i in range(0, len(data), 50):
            c.send(data[i : i + 50])
        assert c.reader.exactly(1) == b"\x16", "the origin's ServerHello"


def test_denied_host_is_no_blind_tunnel(weir, origin):
    w = weir(
        egress=BLIND + "deny_inside on;",
        cls="allowed_hosts other.test;",
    )
    with w.tunnel("origin.test", origin.port) as c:
        assert c.get("/", host(origin)).status == 403
    assert origin.conns == []


def test_blind_tunnel_to_a_private_address(weir, canary):
    w = weir(
        egress=f"ports {canary.port}; resolve origin.test 127.0.0.1;"
        "allow_address 203.0.113.7/32;" + BLIND
    )
    with w.client() as c:
        assert c.connect(f"origin.test:{canary.port}").status == 200
        c.send(hello("origin.test"))
        assert c.alert() == ACCESS_DENIED
    assert w.access_log(2)[1]["status"] == 403


def test_blind_tunnel_to_an_origin_that_is_not_there(weir, origin):
    origin.close()
    w = weir(egress=BLIND)
    with w.client() as c:
        assert c.connect(host(origin)).status == 200
        c.send(hello("origin.test") + b"\x17\3\3\0\5early")
        assert c.alert() == INTERNAL_ERROR
    assert w.access_log(2)[1]["status"] == 502


@pytest.mark.parametrize("first", ["client", "origin"])
def test_blind_tunnel_half_closed(weir, origins, first):
    """Whoever ends first is answered to the other's end."""
    origin = origins("origin.test", tls=False)
    said = hello("origin.test") + ALL_BYTES

    def script(conn):
        if first == "client":
            assert conn.reader.to_eof() == said
            conn.send(b"an answer, " + ALL_BYTES)
            return
        assert conn.reader.exactly(len(said)) == said
        conn.send(b"an answer, " + ALL_BYTES)
        conn.half_close()
        assert conn.reader.to_eof() == b"the rest, " + ALL_BYTES

    origin.script = script
    w = weir(egress=BLIND)
    with w.client() as c:
        assert c.connect(host(origin)).status == 200
        c.send(said)
        if first == "client":
            c.half_close()
        assert c.read_eof() == b"an answer, " + ALL_BYTES
        if first == "origin":
            c.send(b"the rest, " + ALL_BYTES)
            c.half_close()
        assert origin.conns[0].done.wait(20)
    assert origin.conns[0].error is None
    assert w.access_log(2)[1]["cause"] == "-"


def test_blind_tunnel_that_stalls(weir, origin):
    origin.context = None  # it never answers the hello
    w = weir(egress=BLIND + "proxy_read_timeout 200ms;")
    with w.client() as c:
        assert c.connect(host(origin)).status == 200
        c.send(hello("origin.test"))
        assert c.is_closed()
    w.wait_log("tunnel timed out")


@pytest.mark.parametrize(
    "rule",
    ["bearer $secret_t;", "location /x { return 403; }", "methods GET;",
     "return 403;"],
)  # fmt: skip
def test_what_a_blind_tunnel_cannot_hold(weir, rule):
    w = weir(
        egress="secret t env:T hosts=origin.test;\n"
        f"host origin.test {{ intercept off; {rule} }}",
        env={"T": "t"},
        start=False,
    )
    done = w.run("-t")
    assert done.returncode == 1 and "intercept off" in done.stderr


# After a 101


def upgraded(conn):
    """Switches, and says what it hears back in capitals, to the end."""
    request = conn.read_head()
    conn.send(SWITCHED)
    data = conn.reader.to_eof() if request else b""
    conn.send(data.upper())


def test_websocket(weir, origin):
    """Frames behind each head reach the other side, which may come with it."""

    def script(conn):
        assert conn.read_head() is not None
        conn.send(SWITCHED + b"early bird")
        assert conn.reader.exactly(9) == b"too early"
        for _ in range(3):
            conn.send(b"pong:" + conn.reader.exactly(4))
        conn.close()

    origin.script = script
    w = weir(
        egress="secret t env:T;\nhost origin.test { bearer $secret_t; }",
        env={"T": "for-the-upgrade"},
    )
    with w.tunnel("origin.test", origin.port) as c:
        c.send(HANDSHAKE.format(host=host(origin)) + "too early")
        r = c.read_response(interim=True)
        assert r.status == 101
        assert r.get("Upgrade") == "websocket"
        assert r.has_token("connection", "upgrade")
        assert r.get("Sec-WebSocket-Accept")
        assert c.reader.exactly(10) == b"early bird"
        for i in range(3):
            c.send(b"%04d" % i)
            assert c.reader.exactly(9) == b"pong:%04d" % i
        assert c.is_closed()
    request = origin.requests[0]
    assert request.get("Upgrade") == "websocket"
    assert request.has_token("connection", "upgrade")
    assert request.get("Authorization") == "Bearer for-the-upgrade"
    assert w.access_log(2)[1]["status"] == 101


def switch(w, origin):
    """A client behind a 101, with TLS on both sides or on neither."""
    if origin.is_tls:
        c = w.tunnel(origin.names[0], origin.port)
        base = ""
    else:
        c = w.client()
        base = f"http://{host(origin)}"
    handshake = HANDSHAKE.format(host=host(origin))
    c.send(handshake.replace("/chat", base + "/chat"))
    assert c.read_response(interim=True).status == 101
    return c


@pytest.mark.parametrize("tls", [True, False], ids=["TLS", "plain"])
def test_half_close_is_passed_on(weir, origins, tls):
    """The client has said all; the origin still answers."""
    has_ended = threading.Event()

    def script(conn):
        conn.read_head()
        conn.send(SWITCHED)
        data = conn.reader.to_eof()
        assert has_ended.wait(20)
        conn.send(data.upper() + ALL_BYTES)

    origin = origins("origin.test", tls=tls)
    origin.script = script
    with switch(weir(), origin) as c:
        c.send(b"half a word")
        c.half_close()
        has_ended.set()
        assert c.read_eof() == b"HALF A WORD" + ALL_BYTES


@pytest.mark.parametrize("tls", [True, False], ids=["TLS", "plain"])
def test_half_close_of_the_origin(weir, origins, tls):
    """It has said all and still hears the client, whose end is the last."""
    heard, has_ended = [], threading.Event()

    def script(conn):
        conn.read_head()
        conn.send(SWITCHED + b"all of it")
        conn.half_close()
        has_ended.set()
        heard.append(conn.reader.to_eof())

    origin = origins("origin.test", tls=tls)
    origin.script = script
    w = weir()
    with switch(w, origin) as c:
        assert c.read_eof() == b"all of it"
        assert has_ended.wait(20)
        c.send(b"a word, ")
        c.send(ALL_BYTES)
        c.half_close()
        assert origin.conns[0].done.wait(20)
    assert heard == [b"a word, " + ALL_BYTES]
    entry = w.access_log(1 + tls)[-1]
    assert entry["status"] == 101 and entry["cause"] == "-"


def test_large_both_ways_after_a_101(weir, origin):
    size = 300_000

    def script(conn):
        conn.read_head()
        conn.send(SWITCHED)
        while data := conn.recv(65536):
            conn.send(data)

    origin.script = script
    w = weir()
    body = bytes(range(256)) * (size // 256)
    with w.tunnel("origin.test", origin.port) as c:
        c.send(HANDSHAKE.format(host=host(origin)))
        assert c.read_response(interim=True).status == 101
        for at in range(0, len(body), 30_000):
            c.send(body[at : at + 30_000])
            assert c.reader.exactly(len(body[at : at + 30_000])) == (
                body[at : at + 30_000]
            )


def test_idle_websocket_ends(weir, origin):
    def script(conn):
        conn.read_head()
        conn.send(SWITCHED)
        conn.reader.to_eof()

    origin.script = script
    w = weir(egress="proxy_read_timeout 200ms;")
    with w.tunnel("origin.test", origin.port) as c:
        c.send(HANDSHAKE.format(host=host(origin)))
        assert c.read_response(interim=True).status == 101
        assert c.is_closed()
    w.wait_log("tunnel timed out")
    assert origin.conns[0].done.wait(20)


def test_client_that_resets_a_websocket(weir, origin):
    origin.script = upgraded
    w = weir()
    c = w.tunnel("origin.test", origin.port)
    c.send(HANDSHAKE.format(host=host(origin)))
    assert c.read_response(interim=True).status == 101
    c.reset()
    assert origin.conns[0].done.wait(20)


@pytest.mark.parametrize("upgrade", ["h2c", "websocket, h2c", "TLS/1.0"])
def test_other_upgrades_are_not_forwarded(weir, origin, upgrade):
    w = weir()
    with w.tunnel("origin.test", origin.port) as c:
        r = c.get("/", host(origin),
            [("Upgrade", upgrade), ("Connection", "Upgrade")])  # fmt: skip
    assert r.status == 200
    assert origin.requests[0].get("Upgrade") is None
    assert origin.requests[0].get("Connection") is None


def test_websocket_that_the_origin_does_not_take(weir, origin):
    origin.default = reply(b"no", "426 Upgrade Required")
    w = weir()
    with w.tunnel("origin.test", origin.port) as c:
        c.send(HANDSHAKE.format(host=host(origin)))
        assert c.read_response().status == 426
        assert c.get("/", host(origin)).status == 426


@pytest.mark.parametrize(
    "request_, answer",
    [
        (HANDSHAKE.replace("GET", "POST"), SWITCHED),
        (HANDSHAKE, SWITCHED.replace(b"Upgrade: websocket", b"Upgrade: h2c")),
        (HANDSHAKE, SWITCHED.replace(b"Upgrade: websocket\r\n", b"")),
    ],
    ids=["POST", "another protocol", "no protocol"],
)
def test_switch_that_was_not_asked_for(weir, origin, request_, answer):
    def script(conn):
        conn.read_head()
        conn.send(answer + b"smuggled")

    origin.script = script
    w = weir()
    with w.tunnel("origin.test", origin.port) as c:
        c.send(request_.format(host=host(origin)))
        assert c.read_response().status == 502
