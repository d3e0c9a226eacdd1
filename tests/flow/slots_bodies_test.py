"""Six header slots, and hundreds of bodies that flow at once: a body holds
none, however slow, identity or gzip."""

import resource
import threading
import zlib

import pytest

from lib.wait import DEADLINE, SLOW, until
from lib.weir import GLOBALS

pytestmark = pytest.mark.egress("redact on; redact_hold 1h;")

WAITS = "waits for a header slot"
SECRET = "sk-trickle-0123456789-abcdef"
BOUND = "secret t env:T; host origin.test { bearer $secret_t; redact_hold 1h; }"


def identity(n):
    """A head, three pieces of the body that follows, and what arrives."""
    pieces = [f"{n}".encode(), b" and", b" tail"]
    size = sum(map(len, pieces))
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n"
    return [head.encode(), *pieces], b"".join(pieces)


def packed(n):
    """The same of gzip, in which the secret stands in two of the pieces."""
    cut, z = n % len(SECRET), zlib.compressobj(wbits=31)
    texts = [f"{n} {SECRET[:cut]}", f"{SECRET[cut:]} {SECRET[:n % 7]}", "!"]
    pieces = [z.compress(t.encode()) + z.flush(zlib.Z_SYNC_FLUSH) for t in texts]
    pieces[2] += z.flush()
    head = (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n")  # fmt: skip
    chunks = [b"%x\r\n%s\r\n" % (len(p), p) for p in pieces]
    chunks[2] += b"0\r\n\r\n"
    text = "".join(texts).replace(SECRET, "*" * len(SECRET))
    return [head, *chunks], text.encode()


def unpack(data):
    """Exactly one whole stream."""
    z = zlib.decompressobj(31)
    text = z.decompress(data) + z.flush()
    assert z.eof and z.unused_data == b""
    return text


class Trickles:
    """Bodies of which each piece waits until every one is as far; counts the
    requests that wait for a head, of which none comes before go."""

    def __init__(self, origin, make, n):
        self.make = make
        self.gate = threading.Barrier(n + 1)
        self.go = threading.Event()
        self.lock = threading.Lock()
        self.waiting = self.most = 0
        origin.on("/body", self.answer)

    def answer(self, conn, request):
        (head, *pieces), _ = self.make(int(request.target.partition("?")[2]))
        with self.lock:
            self.waiting += 1
            self.most = max(self.most, self.waiting)
        self.go.wait(DEADLINE * 6)
        with self.lock:
            self.waiting -= 1
        conn.send(head)
        for piece in pieces:
            self.gate.wait(DEADLINE * 6)
            conn.send(piece)


@pytest.fixture
def many_descriptors():
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.slow
@pytest.mark.parametrize("make, rounds", [
    (identity, 2), (packed, 2),
    pytest.param(identity, 17, marks=pytest.mark.long),
    pytest.param(packed, 17, marks=pytest.mark.long),
])  # fmt: skip
def test_six_hundred_bodies_on_six_slots(
    weir, origin, plain_origin, many_descriptors, make, rounds
):
    """All are open at once, no more than six ever wait for a head at the
    origin, each arrives whole, one after the other: ten thousand with --long.
    It is work and no waiting, so it takes seconds."""
    is_fast = SLOW <= 1 and "one_byte" not in GLOBALS
    n, rounds = (600, rounds) if is_fast else (200, 1)
    o = origin if make is packed else plain_origin
    trickles = Trickles(o, make, n)
    w = weir(
        main="worker_processes 3;",
        events="worker_connections 2048;",
        cls="connections 1000;",
        egress=BOUND,
        env={"T": SECRET},
    )
    tunnel = make is packed
    host = f"{o.names[0]}:{o.port}"
    clients = [w.tunnel("origin.test", o.port) if tunnel else w.client()
               for _ in range(n)]  # fmt: skip
    base = "" if tunnel else f"http://{host}"
    for _ in range(rounds):
        for i, client in enumerate(clients):
            client.send(f"GET {base}/body?{i} HTTP/1.1\r\nHost: {host}\r\n\r\n")
        if not trickles.go.is_set():
            until(lambda: w.error_log().count(WAITS) == n - 6, "the line")
            until(lambda: trickles.waiting == 6, "six at the origin")
            trickles.go.set()
        for _ in range(3):
            trickles.gate.wait(DEADLINE * 6)
        for i, client in enumerate(clients):
            body = client.read_response().body
            assert (unpack(body) if tunnel else body) == make(i)[1]
    for client in clients:
        client.close()
    found = [e for e in w.access_log(n * rounds) if e["method"] != "CONNECT"]
    assert len(found) == len(o.requests) == n * rounds
    assert {e["status"] for e in found} == {200}
    assert trickles.most == 6
