"""What stays open for long: each piece passes as soon as it came, in either
direction, and is passed as it is."""

import queue
import threading
import zlib

import pytest

from lib.http import reply

STREAM = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)
LAST = b"0\r\n\r\n"


def host(origin):
    return f"{origin.names[0]}:{origin.port}"


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


def test_trickles_both_ways(weir, origin):
    """Neither body is over when the other's next byte arrives."""

    def script(conn):
        conn.read_head()
        conn.send(STREAM)
        while data := conn.reader.chunk():
            conn.send(chunk(data.upper()))
        conn.reader.trailers()
        conn.send(LAST)

    origin.script = script
    w = weir()
    with w.tunnel("origin.test", origin.port) as c:
        c.send(
            f"POST / HTTP/1.1\r\nHost: {host(origin)}\r\n"
            "Transfer-Encoding: chunked\r\n\r\n"
        )
        assert b" 200 " in c.reader.until(b"\r\n\r\n")
        for letter in b"a stream, a byte at a time":
            c.send(chunk(bytes([letter])))
            assert c.reader.chunk() == bytes([letter]).upper()
        c.send(LAST)
        assert c.reader.chunk() == b"" and c.reader.trailers() == []


class Events:
    """An origin's answer: what is put in its queue, as it comes."""

    def __init__(self):
        self.queue = queue.Queue()

    def __call__(self, conn, request):
        conn.send(STREAM)
        while data := self.queue.get(timeout=30):
            conn.send(chunk(data))
        conn.send(LAST)

    def send(self, data):
        self.queue.put(data)


def begin(c, target, origin):
    c.send(f"GET {target} HTTP/1.1\r\nHost: {host(origin)}\r\n\r\n")
    assert b" 200 " in c.reader.until(b"\r\n\r\n")


@pytest.mark.parametrize("redact", ["on", "off"])
def test_events_where_a_secret_is(weir, origin, redact):
    """Redaction waits only where the secret may have begun: an event's end
    is none."""
    events = Events()
    origin.on("/events", events)
    w = weir(
        egress="secret t env:T; host origin.test "
        f"{{ bearer $secret_t; redact {redact}; }}",
        env={"T": "sk-0123456789abcdef"},
    )
    sent = [b": alive\n\n", b"data: sk-01234567\n\n", b"id: 7\r\n\r\n",
            b"data: {\"delta\": \"s\"}\n\n", b"event: done\ndata\n\n"]  # fmt: skip
    with w.tunnel("origin.test", origin.port) as c:
        begin(c, "/events", origin)
        for event in sent:
            events.send(event)
            got = b""
            while len(got) < len(event):
                got += c.reader.chunk()
            assert got == event
        events.send(None)
        assert c.reader.chunk() == b""


def test_many_streams_at_once(weir, plain_origin):
    """By turns: none waits for another."""
    every = [Events() for _ in range(40)]
    for i, events in enumerate(every):
        plain_origin.on(f"/{i}", events)
    w = weir()
    clients = [w.client() for _ in every]
    base = f"http://{host(plain_origin)}"
    for i, c in enumerate(clients):
        begin(c, f"{base}/{i}", plain_origin)
    for turn in (b"one", b"two", b"three"):
        for events in reversed(every):
            events.send(turn)
        for c in clients:
            assert c.reader.chunk() == turn
    for events, c in zip(every, clients):
        events.send(None)
        assert c.reader.chunk() == b""
        c.close()


def test_silence_for_good(weir, origin):
    """One is cut for it, which began later; then the other one speaks."""
    ever, limited = Events(), Events()
    origin.on("/ever", ever)
    origin.on("/limited", limited)
    w = weir(egress="""
        proxy_read_timeout 100ms;
        host origin.test { location /ever { proxy_read_timeout off; } }""")
    with w.tunnel("origin.test", origin.port) as c:
        begin(c, "/ever", origin)
        with w.tunnel("origin.test", origin.port) as other:
            begin(other, "/limited", origin)
            assert other.is_closed()
        w.wait_log("upstream timed out in its body")
        ever.send(b"still here")
        assert c.reader.chunk() == b"still here"
        ever.send(b"")
        limited.send(b"")


def test_long_poll(weir, origin):
    """Its answer may be late where the host says so; others go by."""
    go = threading.Event()
    news = reply(b"news")
    origin.on("/poll", lambda conn, request: go.wait(30) and news)
    w = weir(
        egress="proxy_header_timeout 1ms; proxy_read_timeout 1ms;\n"
        "host origin.test"
        " { proxy_header_timeout 1m; proxy_read_timeout 1m; }"
    )
    with w.tunnel("origin.test", origin.port) as c:
        c.send(f"GET /poll HTTP/1.1\r\nHost: {host(origin)}\r\n\r\n")
        origin.wait_requests(1)
        with w.tunnel("origin.test", origin.port) as other:
            for _ in range(3):
                assert other.get("/", host(origin)).status == 200
        go.set()
        assert c.read_response().body == b"news"


def test_long_poll_that_is_given_up(weir, origin):
    """The origin hears of it though it has answered nothing yet."""

    def script(conn):
        conn.read_request()
        conn.reader.to_eof()

    origin.script = script
    w = weir()
    with w.tunnel("origin.test", origin.port) as c:
        c.send(f"GET /poll HTTP/1.1\r\nHost: {host(origin)}\r\n\r\n")
        origin.wait_requests(1)
    assert origin.conns[0].done.wait(20)


# WebSockets

EXTENSIONS = "permessage-deflate; client_max_window_bits"
AGREED = "permessage-deflate; server_no_context_takeover"
HANDSHAKE = (
    "GET /chat HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\n"
    "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    f"Sec-WebSocket-Extensions: {EXTENSIONS}\r\n"
    "Sec-WebSocket-Protocol: chat, superchat\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
SWITCHED = (
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
    "Connection: Upgrade\r\n"
    f"Sec-WebSocket-Extensions: {AGREED}\r\n"
    "Sec-WebSocket-Protocol: superchat\r\n"
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
).encode()


def deflated(text):
    """The payload of RFC 7692's 7.2.1, in a frame with RSV1."""
    squeeze = zlib.compressobj(wbits=-15)
    data = squeeze.compress(text) + squeeze.flush(zlib.Z_SYNC_FLUSH)
    return frame(0xC1, data.removesuffix(b"\x00\x00\xff\xff"))


def frame(first, data, mask=None):
    assert len(data) < 126
    head = bytes([first, len(data) | (0x80 if mask else 0)])
    if mask:
        data = mask + bytes(b ^ mask[i % 4] for i, b in enumerate(data))
    return head + data


# Each is answered by the other side's next.
TURNS = [
    (frame(0x89, b"ping", b"mask"), frame(0x8A, b"ping")),
    (frame(0x8A, b"", b"pong"), frame(0x89, b"are you there?")),
    (frame(0x01, b"in p", b"abcd"), deflated(b"squeeze " * 40)),
    (frame(0x80, b"ieces", b"\0\xff\0\xff"), frame(0x82, bytes(125))),
    (frame(0x88, b"\x03\xe8bye", b"last"), frame(0x88, b"\x03\xe8bye")),
]


def test_frames_pass_as_they_are(weir, origin):
    """Ping, pong, a compressed message, close: weir reads none of them."""

    def script(conn):
        conn.read_head()
        conn.send(SWITCHED)
        for asked, answer in TURNS:
            assert conn.reader.exactly(len(asked)) == asked
            conn.send(answer)
        conn.close()

    origin.script = script
    w = weir(
        egress="secret t env:T; host origin.test { bearer $secret_t; }",
        env={"T": "are-you-there-0123456789"},
    )
    with w.tunnel("origin.test", origin.port) as c:
        c.send(HANDSHAKE.format(host=host(origin)))
        r = c.read_response(interim=True)
        assert r.status == 101
        assert r.get("Sec-WebSocket-Extensions") == AGREED
        assert r.get("Sec-WebSocket-Protocol") == "superchat"
        for asked, answer in TURNS:
            c.send(asked)
            assert c.reader.exactly(len(answer)) == answer
        assert c.is_closed()
    [request] = origin.requests
    assert request.get("Sec-WebSocket-Extensions") == EXTENSIONS
    assert request.get("Sec-WebSocket-Protocol") == "chat, superchat"
    assert request.get("Authorization") == "Bearer are-you-there-0123456789"
    assert origin.conns[0].error is None
