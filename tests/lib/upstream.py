"""An HTTP proxy beyond weir: a script for an origin that serves CONNECT."""

import socket
import threading

from .http import Request
from .wait import DEADLINE

ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"


class UpstreamProxy:
    """proxy.script = UpstreamProxy({"origin.test": 443}). `names` are those
    that it knows, with the ports that they are served at here; addresses are
    taken as they are. `asked` is each CONNECT's head."""

    def __init__(self, names=(), answer=ESTABLISHED, user=None):
        self.names = dict(names)
        self.answer = answer
        self.user = user  # the value of Proxy-Authorization
        self.asked = []

    def __call__(self, conn):
        head = conn.reader.head(Request)
        if head is None:
            return
        self.asked.append(head)
        if self.user and head.all("Proxy-Authorization") != [self.user]:
            conn.send(
                b"HTTP/1.1 407 Proxy Authentication Required\r\n"
                b'Proxy-Authenticate: Basic realm="corp"\r\n'
                b"Content-Length: 2\r\n\r\nno"
            )
            return
        answer = self.answer(head) if callable(self.answer) else self.answer
        conn.send(answer)
        if answer.startswith(b"HTTP/1.1 200"):
            self.splice(conn, head.target)

    def splice(self, conn, target):
        host, port = target.rsplit(":", 1)
        at = ("127.0.0.1", self.names[host]) if host in self.names else None
        at = at or (host.strip("[]"), int(port))
        with socket.create_connection(at, timeout=DEADLINE * 3) as there:
            back = threading.Thread(
                target=self.copy, args=(there.recv, conn.sock), daemon=True
            )
            back.start()
            self.copy(conn.sock.recv, there)
            back.join()

    @staticmethod
    def copy(recv, to):
        try:
            while data := recv(65536):
                to.sendall(data)
            to.shutdown(socket.SHUT_WR)
        except OSError:
            pass
