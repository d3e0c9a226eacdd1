"""A client that sends exactly the bytes that a test gives it."""

import base64
import socket
import ssl
import struct

from .http import Reader
from .wait import DEADLINE

# RFC 8446 B.2
HANDSHAKE_FAILURE, ACCESS_DENIED, DECODE_ERROR = 40, 49, 50
PROTOCOL_VERSION, INTERNAL_ERROR, MISSING_EXTENSION = 70, 80, 109
UNRECOGNIZED_NAME, NO_APPLICATION_PROTOCOL = 112, 120


def basic(user, password):
    token = base64.b64encode(f"{user}:{password}".encode()).decode()
    return f"Basic {token}"


def client_hello(name):
    """The bytes of a ClientHello."""
    out = ssl.MemoryBIO()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    tls = context.wrap_bio(ssl.MemoryBIO(), out, server_hostname=name)
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return out.read()


def half_close(sock):
    """Ends what goes out and leaves what comes in: with TLS a close_notify.
    It is for the test to see that the other end does not send meanwhile: for
    Python's unwrap() that would be data behind the end."""
    if not isinstance(sock, ssl.SSLSocket):
        sock.shutdown(socket.SHUT_WR)
        return
    patience = sock.gettimeout()
    sock.setblocking(False)
    try:
        sock.unwrap()
    except ssl.SSLWantReadError:
        pass
    sock.settimeout(patience)


class Client:
    """A TCP connection, or one to a unix socket where the port is a path; TLS
    over it after tls()."""

    def __init__(self, port, address="127.0.0.1", source=None):
        if isinstance(port, str):
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(DEADLINE)
            self.sock.connect(port)
        else:
            self.sock = socket.create_connection(
                (address, port), DEADLINE, source and (source, 0)
            )
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.reader = Reader(self.recv)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def recv(self, n):
        try:
            return self.sock.recv(n)
        except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
            return b""

    def send(self, data):
        if isinstance(data, str):
            data = data.encode("latin-1")
        self.sock.sendall(data)
        return self

    def read_response(self, method="GET", interim=False):
        """The final response, strictly read; it must come."""
        response = self.reader.response(method, interim)
        assert response is not None, "the connection ended instead"
        return response

    def read_eof(self):
        """Everything to the end; a reset is a failure."""
        return self.reader.to_eof()

    def is_closed(self):
        """Whether the other end closes, by FIN or RST, sending no more."""
        try:
            return self.reader.to_eof() == b""
        except ConnectionError:
            return True

    def alert(self):
        """The one fatal TLS alert that the other end leaves with, by its number
        (RFC 8446 B.2); what came before it is no part of it. No reset."""
        said = self.read_eof()
        assert len(said) >= 7, f"no alert but {said!r}"
        assert said[-7:-5] == b"\x15\3" and said[-4:-1] == b"\0\2\2", said
        return said[-1]

    def connect(self, authority, headers=()):
        """Sends a CONNECT and returns its response."""
        lines = [f"CONNECT {authority} HTTP/1.1", f"Host: {authority}"]
        lines += [f"{n}: {v}" for n, v in headers]
        self.send("\r\n".join(lines) + "\r\n\r\n")
        return self.read_response("CONNECT")

    def tls(self, name, ca, session=None, alpn=None, strict=True):
        """TLS from here on, the certificate verified for `name` by `ca`."""
        assert self.reader.buffer == b"", "bytes before the handshake"
        context = ssl.create_default_context(cafile=ca)
        if strict:
            context.verify_flags |= ssl.VERIFY_X509_STRICT
        if alpn:
            context.set_alpn_protocols(alpn)
        if session is not None:
            context = session[0]
        self.context = context
        self.sock = context.wrap_socket(
            self.sock,
            server_hostname=name,
            session=session and session[1],
        )
        self.reader = Reader(self.recv)
        return self

    def session(self):
        """To give to another client's tls(); after a first answer."""
        return self.context, self.sock.session

    def request(self, method, target, host, headers=(), body=None):
        """Sends one request and reads its response."""
        lines = [f"{method} {target} HTTP/1.1", f"Host: {host}"]
        lines += [f"{n}: {v}" for n, v in headers]
        if body is not None:
            lines.append(f"Content-Length: {len(body)}")
        self.send("\r\n".join(lines).encode() + b"\r\n\r\n" + (body or b""))
        return self.read_response(method)

    def get(self, target, host, headers=()):
        return self.request("GET", target, host, headers)

    def peer_certificate(self):
        """The leaf, as openssl prints it in the dict of getpeercert()."""
        return self.sock.getpeercert()

    def half_close(self):
        half_close(self.sock)

    def reset(self):
        self.sock.setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
        self.sock.close()

    def close(self):
        self.sock.close()
