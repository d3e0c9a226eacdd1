"""Thousands of requests, good, bad and broken off: afterwards a worker has
the descriptors and the memory that it had."""

import os
import random
import ssl
import threading

import pytest

from lib.http import reply
from lib.wait import until
from lib.weir import GLOBALS, resident

THREADS = 4


def host(origin):
    return f"{origin.names[0]}:{origin.port}"


def descriptors(pid):
    return sorted(os.listdir(f"/proc/{pid}/fd"))


class Soak:
    """Each method is one client's doing. Those named good_ must be served."""

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

    def broken_origin(self, rng):
        with self.w.client() as c:
            c.get(self.url + "/cut", host(self.plain))

    def one(self, rng):
        kind = rng.choice(KINDS)
        try:
            getattr(self, kind)(rng)
        except (OSError, AssertionError, ssl.SSLError) as e:
            if kind.startswith("good"):
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


KINDS = [n for n in vars(Soak) if n.startswith(("good_", "bad_", "broken_"))]


@pytest.mark.skipif("one_byte" in GLOBALS, reason="long enough as it is")
@pytest.mark.parametrize(
    "n", [800, pytest.param(20000, marks=pytest.mark.long)]
)
def test_nothing_is_left_behind(weir, origin, plain_origin, n):
    origin.on("/big", reply(bytes(300000)))
    plain_origin.on("/cut", cut)
    w = weir(egress="proxy_keepalive_timeout 300ms;")
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
    assert w.children("worker") == workers
