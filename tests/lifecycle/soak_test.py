"""Thousands of requests, good, bad and broken off: afterwards a worker has
the descriptors and the memory that it had, and each slot is free."""

import gzip
import os
import random
import ssl
import threading

import pytest

from lib.http import Truncated, reply
from lib.wait import DEADLINE, until
from lib.weir import GLOBALS, resident

pytestmark = pytest.mark.egress("redact on;")

THREADS = 4
WAITS = "waits for a header slot"
SECRET = "sk-soak-0123456789-abcdef"
STARS = "*" * len(SECRET)
ECHO = f"you are {SECRET}, so " * 400


def host(origin):
    return f"{origin.names[0]}:{origin.port}"


def descriptors(pid):
    return sorted(os.listdir(f"/proc/{pid}/fd"))


class Soak:
    """Each method is one client's doing. Those named good_ must be
    served, those named cut_ cut."""

    def __init__(self, w, tls, plain):
        self.w, self.tls, self.plain = w, tls, plain
        self.url = f"http://{host(plain)}"
        self.failed = []

    def good_tunnel(self, rng):
        with self.w.tunnel("origin.test", self.tls.port) as c:
            for _ in range(rng.randrange(1, 4)):
                assert c.get("/", host(self.tls)).status == 200

    def good_plain(self, rng):
        with self.w.client() as c:
            assert c.get(self.url + "/", host(self.plain)).status == 200
            body = bytes(rng.randrange(1, 30000))
            r = c.request("POST", self.url + "/", host(self.plain), body=body)
            assert r.status == 200

    def good_denied(self, rng):
        with self.w.client() as c:
            for method in ("GET", "HEAD", "POST"):
                r = c.request(method, "http://no.example/", "no.example")
                assert r.status == 403

    def good_chunked(self, rng):
        with self.w.client() as c:
            c.send(
                f"POST {self.url}/ HTTP/1.1\r\nHost: {host(self.plain)}\r\n"
                "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n"
                f"X-T: {'t' * rng.randrange(5000)}\r\n\r\n"
            )
            assert c.read_response().status == 200

    def good_echo(self, rng):
        with self.w.tunnel("origin.test", self.tls.port) as c:
            for path in rng.choices(["/gzip", "/echo"], k=2):
                r = c.get(path, host(self.tls))
                body = gzip.decompress(r.body) if path == "/gzip" else r.body
                assert body.decode() == ECHO.replace(SECRET, STARS)
                assert r.get("x-echo") == STARS

    def bad_head(self, rng):
        with self.w.client() as c:
            c.send(rng.randbytes(rng.randrange(1, 3000)))
            c.half_close()
            c.reader.to_eof()

    def bad_sni(self, rng):
        with self.w.client() as c:
            c.connect(host(self.tls))
            c.tls("other.test", self.w.ca(), strict=False)
            assert c.get("/", "other.test").status == 421

    def broken_request(self, rng):
        text = (
            f"POST {self.url}/ HTTP/1.1\r\nHost: {host(self.plain)}\r\n"
            "Transfer-Encoding: chunked\r\n\r\n5\r\nwhole\r\n0\r\nX: y\r\n\r\n"
        )
        c = self.w.client()
        c.send(text[: rng.randrange(len(text))])
        rng.choice([c.close, c.reset])()

    def broken_handshake(self, rng):
        c = self.w.client()
        c.connect(host(self.tls))
        c.send(b"\x16\x03\x01\x02\x00" + rng.randbytes(rng.randrange(400)))
        rng.choice([c.close, c.reset])()

    def broken_download(self, rng):
        with self.w.tunnel("origin.test", self.tls.port) as c:
            c.send(f"GET /big HTTP/1.1\r\nHost: {host(self.tls)}\r\n\r\n")
            c.reader.exactly(rng.randrange(1, 100000))

    def broken_gzip(self, rng):
        with self.w.tunnel("origin.test", self.tls.port) as c:
            path = rng.choice(["/corrupt", "/truncated", "/gzip"])
            c.send(f"GET {path} HTTP/1.1\r\nHost: {host(self.tls)}\r\n\r\n")
            c.reader.exactly(rng.randrange(1, 150))

    def cut_gzip(self, rng):
        with self.w.tunnel("origin.test", self.tls.port) as c:
            with pytest.raises(Truncated):
                c.get(rng.choice(["/corrupt", "/truncated"]), host(self.tls))

    def broken_origin(self, rng):
        with self.w.client() as c:
            c.get(self.url + "/cut", host(self.plain))

    def one(self, rng):
        kind = rng.choice(KINDS)
        try:
            getattr(self, kind)(rng)
        except (OSError, AssertionError, ssl.SSLError) as e:
            if kind.startswith(("good", "cut")):
                self.failed.append((kind, e))

    def run(self, n, seed):
        def some(k):
            rng = random.Random(seed * THREADS + k)
            for _ in range(n // THREADS):
                self.one(rng)

        threads = [
            threading.Thread(target=some, args=(k,)) for k in range(THREADS)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert self.failed == []


def cut(conn, request):
    conn.send(reply(bytes(500))[:-1])
    conn.hang_up()


def echo(origin):
    """The secret in a header and a body: as it is, of gzip, of bad gzip."""
    packed = gzip.compress(ECHO.encode())
    field = ("X-Echo", SECRET)
    fields = [field, ("Content-Encoding", "gzip")]
    origin.on("/echo", reply(ECHO, headers=[field]))
    origin.on("/gzip", reply(packed, headers=fields))
    origin.on("/truncated", reply(packed[:-9], headers=fields))
    origin.on("/corrupt", reply(packed[:-9] + bytes(9), headers=fields))


def assert_slots_free(w, origin):
    """Two pass and a third waits: none was given back too seldom or twice."""
    arrived, go = [], threading.Event()
    before = w.error_log().count(WAITS)

    def held(conn, request):
        arrived.append(request)
        assert go.wait(DEADLINE * 3)
        return reply()

    origin.on("/held", held)
    clients = [w.client() for _ in range(3)]
    for i, c in enumerate(clients):
        c.send(f"GET http://{host(origin)}/held HTTP/1.1\r\n"
               f"Host: {host(origin)}\r\n\r\n")  # fmt: skip
        until(lambda: len(arrived) == min(i + 1, 2), "the request")
    until(lambda: w.error_log().count(WAITS) == before + 1, "who waits")
    go.set()
    for c in clients:
        assert c.read_response().status == 200
        c.close()


KINDS = [n for n in vars(Soak) if n.startswith(("good_", "bad_", "cut_", "broken_"))]


@pytest.mark.skipif("one_byte" in GLOBALS, reason="long enough as it is")
@pytest.mark.parametrize(
    "n", [800, pytest.param(20000, marks=pytest.mark.long)]
)
def test_nothing_is_left_behind(weir, origin, plain_origin, n):
    origin.on("/big", reply(bytes(300000)))
    plain_origin.on("/cut", cut)
    echo(origin)
    w = weir(
        cls="header_slots 2;",
        egress="proxy_keepalive_timeout 300ms;\n"
        "secret t env:T; host origin.test { bearer $secret_t; }",
        env={"T": SECRET},
    )
    workers = w.children("worker")
    (pid,) = workers
    idle = descriptors(pid)
    soak = Soak(w, origin, plain_origin)
    soak.run(max(400, n // 10), 1)  # caches and free lists fill
    until(lambda: len(descriptors(pid)) == len(idle), "the warm-up's end")
    before = resident(pid)
    soak.run(n, 2)
    until(lambda: len(descriptors(pid)) == len(idle), "as many descriptors")
    if before is not None:
        assert resident(pid) < before + 1500
    assert WAITS in w.error_log()
    assert_slots_free(w, plain_origin)
    assert w.children("worker") == workers
