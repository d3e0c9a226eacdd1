"""Compressed bodies, and an origin that sends one piece after another."""

import queue
import zlib

from lib.http import reply

GZIP, DEFLATE, RAW = 31, 15, -15
ENCODINGS = {GZIP: "gzip", DEFLATE: "deflate", RAW: "deflate"}


def pack(text, wbits=GZIP):
    if isinstance(text, str):
        text = text.encode()
    z = zlib.compressobj(9, zlib.DEFLATED, wbits)
    return z.compress(text) + z.flush()


def unpack(data, wbits=GZIP):
    """Exactly one whole stream."""
    z = zlib.decompressobj(wbits)
    text = z.decompress(data) + z.flush()
    assert z.eof and z.unused_data == b""
    return text


def chunked(*pieces, status="200 OK", headers=()):
    lines = [f"HTTP/1.1 {status}", "Transfer-Encoding: chunked"]
    lines += [f"{n}: {v}" for n, v in headers]
    out = "\r\n".join(lines).encode() + b"\r\n\r\n"
    for piece in pieces:
        out += b"%x\r\n%s\r\n" % (len(piece), piece)
    return out + b"0\r\n\r\n"


def coded(body, coding="gzip", **more):
    headers = [("Content-Encoding", coding), *more.pop("headers", ())]
    return reply(body, headers=headers, **more)


class Steps:
    """An origin that sends the next piece when the test says so."""

    def __init__(self, origin, head):
        self.queue = queue.SimpleQueue()
        self.queue.put(head)
        origin.on("/", self.answer)

    def answer(self, conn, request):
        for piece in iter(self.queue.get, b""):
            conn.send(piece)

    def send(self, data):
        self.queue.put(b"%x\r\n%s\r\n" % (len(data), data))

    def end(self):
        self.queue.put(b"0\r\n\r\n")
        self.queue.put(b"")
