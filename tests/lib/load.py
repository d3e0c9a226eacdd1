"""Short connections from several threads, each of them counted."""

import socket
import threading
import time
from collections import Counter

from .wait import DEADLINE, until

REQUEST = b"GET http://here.test/ HTTP/1.1\r\nHost: here.test\r\n\r\n"
HERE = 'host here.test { return 200 "here"; }\n'


def connect(where, timeout=DEADLINE):
    """Where: a port of 127.0.0.1, or the path of a unix socket."""
    if isinstance(where, str):
        sock = socket.socket(socket.AF_UNIX)
        where_to = where
    else:
        sock = socket.socket()
        where_to = ("127.0.0.1", where)
    sock.settimeout(timeout)
    try:
        sock.connect(where_to)
    except BaseException:
        sock.close()
        raise
    return sock


def read_answer(sock):
    """Whether the request that was sent is answered."""
    got = b""
    while not got.endswith(b"here"):
        more = sock.recv(4096)
        if not more:
            return False
        got += more
    return got.startswith(b"HTTP/1.1 200 ")


def answer(sock):
    """The same of the one request of `sock`, which is closed."""
    with sock:
        return read_answer(sock)


class Load:
    """Connects again and again: `counts` has "answered", "refused" (before
    there was a connection) and "lost" (after); `lost` is their addresses."""

    def __init__(self, *wheres, threads=3):
        self.counts = Counter()
        self.errors = []
        self.lost = []
        self.lock = threading.Lock()
        self.is_over = False
        self.threads = [
            threading.Thread(target=self.run, args=(where,))
            for where in wheres
            for _ in range(threads)
        ]

    def once(self, where):
        try:
            sock = connect(where)
        except OSError:
            time.sleep(0.005)  # the listener is away: not a busy loop
            return "refused"
        address = sock.getsockname()
        try:
            sock.sendall(REQUEST)
            if answer(sock):
                return "answered"
        except OSError as e:
            self.errors.append(repr(e))
        self.lost.append(address)
        return "lost"

    def run(self, where):
        while not self.is_over:
            what = self.once(where)
            with self.lock:
                self.counts[what] += 1

    def more(self, n=50):
        """Waits until as many are answered from now on."""
        want = self.counts["answered"] + n
        until(lambda: self.counts["answered"] >= want, f"{n} more answers")

    def __enter__(self):
        for t in self.threads:
            t.start()
        self.more()
        return self

    def __exit__(self, *_):
        self.is_over = True
        for t in self.threads:
            t.join()

    def assert_none_lost(self, refused=False):
        assert self.counts["lost"] == 0, (self.counts, self.errors)
        assert refused or self.counts["refused"] == 0, self.counts


class Waiting:
    """Connections with a request that nobody has accepted yet; MANY are more
    than a worker accepts at once."""

    MANY = 160

    def __init__(self, where, n=24, sends=True):
        self.socks = [connect(where) for _ in range(n)]
        if sends:
            self.send()

    def send(self):
        for s in self.socks:
            s.sendall(REQUEST)

    def assert_answered(self):
        """Reads them all first, so that none is left open."""
        results = []
        for s in self.socks:
            try:
                results.append(answer(s))
            except OSError as e:
                results.append(repr(e))
        assert results == [True] * len(results)
