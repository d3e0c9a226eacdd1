"""The server's side of RFC 6455, frame by frame."""

import base64
import hashlib
import zlib

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT, BINARY, CLOSE, PING, PONG = 0x81, 0x82, 0x88, 0x89, 0x8A
# RFC 7692: RSV1 in the first byte of a message that is compressed; what Node's
# clients and Chromium offer, and an answer by which each message stands alone.
DEFLATED = 0x40
OFFERED = "permessage-deflate; client_max_window_bits"
AGREED = (
    "permessage-deflate; server_no_context_takeover; "
    "client_no_context_takeover"
)
ASKED = b"are you there?"


def switched(request, *headers):
    """The 101 that this request asks for."""
    key = request.get("sec-websocket-key") + GUID
    digest = hashlib.sha1(key.encode()).digest()
    lines = [
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Accept: {base64.b64encode(digest).decode()}",
        *headers,
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def frame(first, data):
    """As a server sends it: without a mask."""
    n = len(data)
    if n < 126:
        return bytes([first, n]) + data
    if n < 65536:
        return bytes([first, 126]) + n.to_bytes(2, "big") + data
    return bytes([first, 127]) + n.to_bytes(8, "big") + data


def read_frame(reader):
    """A client's: its first byte, and its payload without the mask."""
    first, length = reader.exactly(2)
    assert length & 0x80, "a client masks"
    n = length & 0x7F
    if n > 125:
        n = int.from_bytes(reader.exactly(2 if n == 126 else 8), "big")
    mask = reader.exactly(4)
    masks = mask * (n // 4 + 1)
    data = int.from_bytes(reader.exactly(n), "big")
    data ^= int.from_bytes(masks[:n], "big")
    return first, data.to_bytes(n, "big")


class Echo:
    """An origin's answer: switches, asks whether it is heard, answers a ping,
    sends each other frame back, and hangs up first after the closing one.
    `frames` are those that came."""

    def __init__(self, compresses=False):
        self.headers = []
        if compresses:
            self.headers.append(f"Sec-WebSocket-Extensions: {AGREED}")
        self.frames = []

    def __call__(self, conn, request):
        conn.send(switched(request, *self.headers) + frame(PING, ASKED))
        kind = 0
        while kind != CLOSE:
            kind, data = read_frame(conn.reader)
            self.frames.append((kind, data))
            if kind == PING:
                conn.send(frame(PONG, data))
            elif kind != PONG:
                conn.send(frame(kind, data))
        conn.close()

    @property
    def pong(self):
        [data] = [data for kind, data in self.frames if kind == PONG]
        return data

    @property
    def messages(self):
        """The messages, of whatever frames, inflated."""
        whole = []
        for kind, data in self.frames:
            if kind & 0x08:
                continue
            if kind & 0x0F:
                whole.append([kind, b""])
            whole[-1][1] += data
        return [
            inflated(data) if kind & DEFLATED else data for kind, data in whole
        ]


def inflated(data):
    """A message of RFC 7692, which ends without a final block."""
    return zlib.decompressobj(-15).decompress(data + b"\x00\x00\xff\xff")
