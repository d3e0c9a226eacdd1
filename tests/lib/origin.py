"""Origins on loopback that do as a test says and record what they get."""

import os
import socket
import ssl
import struct
import threading

from .client import half_close
from .http import Reader, Request, reply
from .wait import DEADLINE, until

LINGER_RST = struct.pack("ii", 1, 0)


def listener(address, port):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return socket.create_server(
        (address, port), family=family, backlog=512,
        dualstack_ipv6=address == "::",
    )  # fmt: skip


class OriginConn:
    """One accepted connection, in a thread of its own. `raw` is every byte
    that came in (inside TLS), `requests` what was read as requests."""

    def __init__(self, origin, sock):
        self.origin = origin
        self.sock = sock
        self.raw = bytearray()
        self.sni = None
        self.requests = []
        self.error = None
        self.reader = Reader(self.recv)
        self.was_resumed = None
        self.done = threading.Event()

    def recv(self, n):
        try:
            data = self.sock.recv(n)
        except (ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError):
            data = b""
        self.raw += data
        return data

    def read_request(self):
        """The next request with its body, or None at the end."""
        request = self.reader.request()
        if request is not None:
            self.record(request)
        return request

    def read_head(self):
        """The next request's head; its body stays to be read."""
        request = self.reader.head(Request)
        if request is not None:
            self.record(request)
        return request

    def record(self, request):
        request.conn = self
        self.requests.append(request)
        with self.origin.lock:
            self.origin.requests.append(request)

    def send(self, data):
        self.sock.sendall(data)

    def half_close(self):
        half_close(self.sock)

    def close(self):
        """An orderly end, with TLS's close_notify."""
        try:
            if isinstance(self.sock, ssl.SSLSocket):
                self.sock.unwrap()
        except (OSError, ValueError):
            pass
        self.hang_up()

    def hang_up(self):
        """FIN without a close_notify."""
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.sock.close()

    def cut_off(self):
        """From another thread than its own, which closes it: a descriptor
        closed here could be another socket's when that reads on."""
        try:
            socket.socket.shutdown(self.sock, socket.SHUT_RDWR)
        except OSError:
            pass

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_RST)
        self.sock.close()


class Origin:
    """A server for `names`. on(path, answer) fixes the answer for a path:
    bytes, or a function of (conn, request) that sends them itself. A whole
    connection can be scripted by `script = function(conn)`."""

    def __init__(
        self, pki, names=("origin.test",), tls=True, cert=None,
        address="127.0.0.1", port=0,
    ):  # fmt: skip
        self.names = list(names)
        self.address = address
        self.pki = pki
        self.is_tls = tls
        self.answers = {}
        self.default = reply(b"hello from the origin\n")
        self.script = self.serve
        self.lock = threading.Lock()
        self.conns = []
        self.requests = []
        self.cert = cert
        self.contexts = {}
        self.context = None
        if tls:
            self.context = self.make_context(*(cert or pki.leaf(*names)))
            self.context.sni_callback = self.on_sni
        self.current = threading.local()
        self.is_closing = False
        self.socket = listener(address, port)
        self.port = self.socket.getsockname()[1]
        self.start()

    def start(self):
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()

    def make_context(self, cert, key):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        return context

    def on_sni(self, sock, name, context):
        self.current.conn.sni = name

    def on(self, path, answer):
        self.answers[path] = answer

    @property
    def raw(self):
        """Every byte that came over any connection."""
        return b"".join(c.raw for c in self.conns)

    def wait_requests(self, n):
        until(lambda: len(self.requests) >= n, f"{n} requests at the origin")
        return self.requests[:n]

    def wait_conns(self, n):
        until(lambda: len(self.conns) >= n, f"{n} connections at the origin")
        return self.conns[:n]

    def accept(self):
        while True:
            try:
                sock, _ = self.socket.accept()
            except OSError:
                return
            if self.is_closing:
                sock.close()
                return
            sock.settimeout(DEADLINE * 3)
            if sock.family != socket.AF_UNIX:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            conn = OriginConn(self, sock)
            with self.lock:
                self.conns.append(conn)
            threading.Thread(
                target=self.run, args=(conn,), daemon=True
            ).start()

    def run(self, conn):
        self.current.conn = conn
        try:
            if self.context is not None:
                conn.sock = self.context.wrap_socket(
                    conn.sock, server_side=True
                )
                conn.was_resumed = conn.sock.session_reused
            self.script(conn)
        except (OSError, AssertionError) as e:
            conn.error = e
        finally:
            conn.close()
            conn.done.set()

    def serve(self, conn):
        request = conn.read_request()
        while request is not None:
            path = request.target.split("?")[0]
            answer = self.answers.get(path, self.default)
            if callable(answer):
                answer = answer(conn, request)
            elif request.method == "HEAD":
                answer = answer.split(b"\r\n\r\n")[0] + b"\r\n\r\n"
            if answer:
                conn.send(answer)
            request = conn.read_request()

    def close(self):
        self.is_closing = True
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.socket.close()
        self.thread.join(DEADLINE)
        for conn in list(self.conns):
            conn.cut_off()


class UnixOrigin(Origin):
    """A plain one behind a socket in the file system."""

    def __init__(self, pki, path):
        super().__init__(pki, ["service.test"], tls=False)
        self.close()
        self.is_closing = False
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(path)
        os.chmod(path, 0o777)
        self.socket.listen(8)
        self.start()


class Canary:
    """A listener to which nothing may connect."""

    def __init__(self, address="127.0.0.1", port=0):
        self.socket = listener(address, port)
        self.socket.setblocking(False)
        self.port = self.socket.getsockname()[1]

    def assert_untouched(self):
        try:
            sock, peer = self.socket.accept()
        except BlockingIOError:
            return
        sock.close()
        raise AssertionError(f"{peer} connected to the canary")

    def close(self):
        self.socket.close()
