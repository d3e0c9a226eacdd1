"""A browser as a service: Chromium's DevTools endpoint, headless, behind TLS
and a token."""

import os
import selectors
import shutil
import socket
import subprocess
import tempfile

from .clients import end_group
from .http import reply
from .origin import Origin
from .wait import DEADLINE, until

QUIET = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
    "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
]  # fmt: skip


class Chromium:
    """Its DevTools at `port` of loopback; `path` is the browser's own."""

    def __init__(self):
        self.home = tempfile.mkdtemp(prefix="weir-chromium.")
        with open(os.path.join(self.home, "stderr"), "w") as log:
            self.process = subprocess.Popen(
                ["chromium", *QUIET, "--remote-debugging-port=0",
                 f"--user-data-dir={self.home}", "about:blank"],
                env={"PATH": os.environ["PATH"], "HOME": self.home},
                cwd=self.home, stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        try:
            lines = until(self.active_port, "Chromium's port", DEADLINE * 3)
        except BaseException:
            self.close()
            raise
        self.port, self.path = int(lines[0]), lines[1]

    def active_port(self):
        assert self.process.poll() is None, self.log()
        try:
            with open(os.path.join(self.home, "DevToolsActivePort")) as f:
                lines = f.read().splitlines()
        except FileNotFoundError:
            return None
        return lines if len(lines) == 2 else None

    def log(self):
        with open(os.path.join(self.home, "stderr"), errors="replace") as f:
            return f.read()

    def close(self):
        end_group(self.process)
        shutil.rmtree(self.home, ignore_errors=True)


class Gate(Origin):
    """An origin that leads those who bring the token to a Chromium, and gives
    401 to the others. `refused` counts these."""

    def __init__(self, pki, name, token, chromium):
        self.token = token
        self.chromium = chromium
        self.refused = 0
        super().__init__(pki, [name])
        self.script = self.lead

    @property
    def host(self):
        return f"{self.names[0]}:{self.port}"

    def lead(self, conn):
        request = conn.read_request()
        while request is not None:
            if request.all("authorization") != [f"Bearer {self.token}"]:
                self.refused += 1
                conn.send(reply("who?\n", "401 Unauthorized"))
            elif request.get("upgrade") == "websocket":
                return self.pass_on(conn, request)
            else:
                conn.send(self.ask(request))
            request = conn.read_request()

    def head_for_chromium(self, request):
        """Without the token, and for a name that Chromium takes."""
        lines = [f"{request.method} {request.target} HTTP/1.1"]
        for name, value in request.headers:
            if name.lower() == "host":
                value = f"127.0.0.1:{self.chromium.port}"
            if name.lower() != "authorization":
                lines.append(f"{name}: {value}")
        return "\r\n".join(lines).encode() + b"\r\n\r\n"

    def open(self):
        address = ("127.0.0.1", self.chromium.port)
        return socket.create_connection(address, DEADLINE * 3)

    def ask(self, request):
        """What Chromium answers; the addresses in it lead here."""
        assert request.target.startswith("/json/"), request
        with self.open() as sock:
            sock.sendall(self.head_for_chromium(request))
            answer = b""
            while b"\r\n\r\n" not in answer:
                answer += sock.recv(65536)
            head, _, body = answer.partition(b"\r\n\r\n")
            rest = head.lower().partition(b"content-length:")[2]
            length = int(rest.split()[0])
            while len(body) < length:
                body += sock.recv(65536)
        here = f"ws://127.0.0.1:{self.chromium.port}".encode()
        assert here in body, body
        return reply(
            body.replace(here, f"wss://{self.host}".encode()),
            headers=[("Content-Type", "application/json; charset=UTF-8")],
        )

    def pass_on(self, conn, request):
        """Bytes both ways, in one thread: a TLS socket is for one alone."""
        with self.open() as sock, selectors.DefaultSelector() as ready:
            sock.sendall(self.head_for_chromium(request))
            sock.sendall(bytes(conn.reader.buffer))
            ready.register(conn.sock, selectors.EVENT_READ)
            ready.register(sock, selectors.EVENT_READ)
            while True:
                for key, _ in ready.select():
                    if key.fileobj is sock:
                        data = sock.recv(65536)
                        conn.send(data)
                    else:
                        data = conn.recv(65536)
                        while conn.sock.pending():
                            data += conn.recv(65536)
                        sock.sendall(data)
                    if not data:
                        return
