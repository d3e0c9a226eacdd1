"""ClientHellos in any form: their extensions, the records and the segments
that they come in."""

import ssl
import struct

from .client import client_hello

SERVER_NAME, ALPN, PADDING, VERSIONS, ECH = 0, 16, 21, 43, 0xFE0D


def vector(size, data):
    return len(data).to_bytes(size, "big") + data


def message_of(hello):
    """The handshake message of a hello in one record."""
    assert len(hello) == 5 + struct.unpack_from(">H", hello, 3)[0]
    return hello[5:]


def records(message, sizes):
    """`message` in records of these sizes, the last one for all the rest."""
    out, sizes = [], list(sizes)
    while message:
        n = sizes.pop(0) if len(sizes) > 1 else sizes[0]
        out.append(b"\x16\x03\x01" + vector(2, message[:n]))
        message = message[n:]
    return out


def split_extensions(message):
    """What stands before the extensions, and (type, body) of each."""
    at = 4 + 2 + 32
    at += 1 + message[at]
    at += 2 + struct.unpack_from(">H", message, at)[0]
    at += 1 + message[at]
    start, extensions = message[4:at], []
    at += 2
    while at < len(message):
        kind, n = struct.unpack_from(">HH", message, at)
        extensions.append((kind, message[at + 4 : at + 4 + n]))
        at += 4 + n
    return start, extensions


def join_extensions(start, extensions):
    body = b"".join(struct.pack(">H", k) + vector(2, b) for k, b in extensions)
    return b"\x01" + vector(3, start + vector(2, body))


def message_with(name, extensions):
    """A hello's message for that name, with these extensions instead of or
    besides its own; None takes one out."""
    start, own = split_extensions(message_of(client_hello(name)))
    all_ = [(k, b) for k, b in own if k not in extensions]
    all_ += [(k, b) for k, b in extensions.items() if b is not None]
    return join_extensions(start, all_)


def hello_with(name, extensions):
    """The same in a record."""
    return b"".join(records(message_with(name, extensions), [16384]))


def server_name(*names):
    """The body of the extension, with these names' bytes."""
    return vector(2, b"".join(b"\0" + vector(2, n) for n in names))


class PiecewiseTls:
    """TLS over a client's socket, whose ClientHello leaves in the pieces that
    cut(hello) makes of it. Reads and writes like a socket."""

    def __init__(self, sock, name, ca, cut):
        context = ssl.create_default_context(cafile=ca)
        context.check_hostname = name is not None
        self.sock = sock
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(
            self.incoming, self.outgoing, server_hostname=name
        )
        self.cut = cut
        self.wait_for(self.tls.do_handshake)

    def wait_for(self, call, *args):
        while True:
            try:
                result = call(*args)
                self.flush()
                return result
            except ssl.SSLWantReadError:
                self.flush()
            data = self.sock.recv(65536)
            if not data:
                raise ssl.SSLEOFError("the connection ended")
            self.incoming.write(data)

    def flush(self):
        data = self.outgoing.read()
        if data:
            cut, self.cut = self.cut, lambda data: [data]
            for piece in cut(data):
                self.sock.sendall(piece)

    def sendall(self, data):
        self.wait_for(self.tls.write, data)

    def recv(self, n):
        return self.wait_for(self.tls.read, n)

    def names(self):
        return self.tls.getpeercert()["subjectAltName"]

    def close(self):
        self.sock.close()
