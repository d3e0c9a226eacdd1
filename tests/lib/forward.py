"""For clients that know no proxy: a port that leads through a CONNECT."""

import socket
import threading

from .client import Client
from .wait import DEADLINE


class ConnectForwarder:
    """Each connection to `port` is a tunnel through weir to `authority`."""

    def __init__(self, weir, authority):
        self.weir = weir
        self.authority = authority
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.socket.getsockname()[1]
        self.held = []
        threading.Thread(target=self.accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        for sock in self.held:
            sock.close()

    def accept(self):
        while True:
            try:
                sock, _ = self.socket.accept()
            except OSError:
                return
            self.held.append(sock)
            threading.Thread(
                target=self.serve, args=(sock,), daemon=True
            ).start()

    def serve(self, sock):
        sock.settimeout(DEADLINE * 3)
        with sock, self.weir.client() as client:
            if client.connect(self.authority).status != 200:
                return
            back = threading.Thread(
                target=self.copy, args=(client.sock, sock), daemon=True
            )
            back.start()
            self.copy(sock, client.sock)
            back.join()

    def copy(self, source, target):
        try:
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass
