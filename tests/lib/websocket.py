"""The server's side of RFC 6455, frame by frame."""

import base64
import hashlib

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT, BINARY, CLOSE, PING, PONG = 0x81, 0x82, 0x88, 0x89, 0x8A
DEFLATED = 0x40  # RSV1, in the first byte of a frame


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
