"""Faults of the machine: out of descriptors, full disks, killed children,
storms of signals. What can be served is served."""

import os
import signal
import threading

import pytest

import lib.weir
from lib.client import client_hello
from lib.wait import until


def host(origin):
    return f"{origin.names[0]}:{origin.port}"


@pytest.fixture
def few_descriptors(monkeypatch):
    """48, and the ledger's 256 that every process of weir's has."""
    monkeypatch.setattr(lib.weir, "WRAP", ["prlimit", "--nofile=304:304"])


def test_idle_upstream_connections_give_way(weir, origins, few_descriptors):
    """One sandbox's pool holds every descriptor; new clients and new hosts
    push it out."""
    many = [origins(f"o{i}.test", tls=False) for i in range(50)]
    w = weir()
    w.expect("accept stopped")
    with w.client() as c:
        for o in many:
            assert c.get(f"http://{host(o)}/", host(o)).status == 200
    clients = [w.client() for _ in range(20)]
    for c in clients:
        assert c.get("http://no.example/", "no.example").status == 403
    for c in clients:
        c.close()


def test_accepts_again_when_there_are_descriptors(weir, few_descriptors):
    w = weir()
    w.expect("accept stopped")
    clients = [w.client() for _ in range(60)]
    w.wait_log("accept stopped")
    for c in clients[:30]:
        c.close()
    for c in clients[30:]:
        assert c.get("http://no.example/", "no.example").status == 403
        c.close()


def test_worker_connections_are_a_limit_and_no_end(weir):
    w = weir()
    clients = [w.client() for _ in range(520)]
    w.wait_log("512 worker_connections are not enough")
    for c in clients[:100]:
        c.close()
    assert clients[519].get("http://no.example/", "no.example").status == 403
    for c in clients[100:]:
        c.close()


# Logs


def test_full_disk_stops_no_traffic(weir, plain_origin):
    w = weir(
        main="error_log /dev/full info;",
        egress="access_log /dev/full json;",
    )
    w.expect("No space left on device")
    with w.client() as c:
        for _ in range(50):
            r = c.get(f"http://{host(plain_origin)}/", host(plain_origin))
            assert r.status == 200
            assert c.get("http://no.example/", "no.example").status == 403


def kill(pid, name):
    os.kill(pid, getattr(signal, "SIG" + name))


class Load:
    """Clients that ask on kept and on new connections, within a `with`;
    `failed` is what was no 200."""

    def __init__(self, w, origin, n=3):
        self.w, self.origin = w, origin
        self.is_over = False
        self.served, self.failed = 0, []
        self.threads = [threading.Thread(target=self.run) for _ in range(n)]

    def run(self):
        while not self.is_over:
            try:
                with self.w.tunnel("origin.test", self.origin.port) as c:
                    for _ in range(10):
                        r = c.get("/", host(self.origin))
                        self.served += 1
                        if r.status != 200:
                            self.failed.append(r)
                        if r.has_token("connection", "close"):
                            break
            except (AssertionError, OSError) as e:
                self.failed.append(e)

    def more(self, n=30):
        want = self.served + n
        until(lambda: self.served >= want or self.failed, f"{n} more answers")

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.is_over = True
        for thread in self.threads:
            thread.join()


# The keeper


def test_clients_that_leave_while_the_keeper_is_silent(weir, origin):
    """They wait for a certificate, and are gone when it comes."""
    w = weir()
    (keeper,) = w.children("keeper")
    workers = w.children("worker")
    # Made before: they take long, and a worker's patience is 5 seconds.
    hellos = [client_hello(f"n{i}.test") for i in range(10)]
    kill(keeper, "STOP")
    waiting = []
    try:
        for i in range(30):
            c = w.client()
            assert c.connect(f"n{i % 10}.test:{origin.port}").status == 200
            c.send(hellos[i % 10])
            waiting.append(c)
        # The worker has read them when it has served this.
        with w.client() as c:
            assert c.get("http://no.example/", "no.example").status == 403
        for i, c in enumerate(waiting):
            if i % 3:
                c.reset() if i % 2 else c.close()
    finally:
        kill(keeper, "CONT")
    for c in waiting[::3]:
        assert c.sock.recv(1) == b"\x16"  # a ServerHello
    with w.tunnel("origin.test", origin.port) as c:
        assert c.get("/", host(origin)).status == 200
    assert w.children("worker") == workers


def test_handshake_that_times_out_while_the_keeper_is_silent(weir, origin):
    """Its certificate comes when nobody waits for it any more."""
    w = weir(egress="client_header_timeout 500ms;")
    (keeper,) = w.children("keeper")
    workers = w.children("worker")
    hello = client_hello("origin.test")
    kill(keeper, "STOP")
    try:
        with w.client() as c:
            assert c.connect(host(origin)).status == 200
            c.send(hello)
            assert c.is_closed()
        w.wait_log("client handshake timed out")
    finally:
        kill(keeper, "CONT")
    with w.tunnel("origin.test", origin.port) as c:
        assert c.get("/", host(origin)).status == 200
    assert w.children("worker") == workers


def begin_tunnel(w, name, port):
    """The client, and the thread that is over when it has a certificate."""
    c = w.client()
    assert c.connect(f"{name}:{port}").status == 200
    thread = threading.Thread(target=c.tls, args=(name, w.ca()))
    thread.start()
    return c, thread


def test_keeper_killed_during_handshakes(weir, origins):
    """Handshakes that wait for it are answered by the next one."""
    o = origins(*[f"n{i}.test" for i in range(10)])
    w = weir()
    w.expect("keeper process .* exited on signal 9")
    (keeper,) = w.children("keeper")
    kill(keeper, "STOP")
    waiting = [begin_tunnel(w, name, o.port) for name in o.names]
    kill(keeper, "KILL")
    for (c, thread), name in zip(waiting, o.names):
        thread.join()
        assert c.get("/", f"{name}:{o.port}").status == 200


def keeper_comes_back(w, keeper, fault):
    """As it was, or another one: after two young deaths that takes a while."""
    kill(keeper, "CONT" if fault == "stopped" else "KILL")
    if fault == "killed twice":
        (second,) = until(lambda: set(w.children("keeper")) - {keeper}, "one")
        kill(second, "KILL")
        w.wait_log(f"keeper process {second} exited on signal 9")


@pytest.mark.parametrize("fault", ["stopped", "killed", "killed twice"])
def test_only_new_names_wait_for_the_keeper(weir, origins, fault):
    """Under load: names that have a certificate shake hands, and what is open
    is served."""
    o = origins("origin.test", "other.test", *[f"n{i}.test" for i in range(4)])
    w = weir()
    w.expect("keeper process .* exited on signal 9")
    (keeper,) = w.children("keeper")
    workers = w.children("worker")
    with w.tunnel("origin.test", o.port), w.tunnel("other.test", o.port) as c:
        kill(keeper, "STOP")
        with Load(w, o) as load:
            load.more()
            new = [begin_tunnel(w, f"n{i}.test", o.port) for i in range(4)]
            load.more()
            assert c.get("/", f"other.test:{o.port}").status == 200
            assert all(thread.is_alive() for _, thread in new)
            keeper_comes_back(w, keeper, fault)
            load.more()
            for i, (n, thread) in enumerate(new):
                thread.join()
                assert n.get("/new", f"n{i}.test:{o.port}").status == 200
        assert c.get("/", f"other.test:{o.port}").status == 200
    assert load.failed == []
    assert [r.raw_head for r in o.requests if r.target == "/new"] == [
        f"GET /new HTTP/1.1\r\nHost: n{i}.test:{o.port}\r\n\r\n".encode()
        for i in range(4)
    ]
    assert w.children("worker") == workers


# Workers, reloads


def test_reload_storm_fails_no_request(weir, origin):
    w = weir()
    ca = open(w.ca()).read()
    with Load(w, origin) as load:
        for i in range(50):
            w.signal("HUP")
            if i % 5 == 0:
                load.more(1)
        w.wait_log("SIGHUP")
    assert load.failed == [] and load.served > 10
    assert open(w.ca()).read() == ca
    until(lambda: len(w.children("worker")) == 1, "the old workers' end")


# Secret files


def test_secret_file_that_vanishes_and_comes_back(weir, origin):
    w = weir(
        egress="secret t file:secrets/t;"
        "host origin.test { bearer $secret_t; }",
        files={"secrets/t": "first-secret-value"},
    )

    def status():
        return c.get("/", host(origin)).status

    with w.tunnel("origin.test", origin.port) as c:
        assert status() == 200
        for n in range(3):
            os.unlink(w.path("secrets", "t"))
            until(lambda: status() == 502, "the secret to be missing")
            seen = len(origin.requests)
            assert status() == 502 and len(origin.requests) == seen
            w.write("secrets/t", f"secret-value-{n}")
            until(lambda: status() == 200, "the secret to be there")
    assert origin.requests[-1].get("Authorization") == "Bearer secret-value-2"
    assert all(r.get("Authorization") for r in origin.requests)
    assert b"secret-value" not in b"".join(
        w.read("logs", n).encode() for n in ("error.log", "access.log")
    )


def test_reload_waits_for_the_keeper(weir):
    """One that dies young is started after a while; a reload that comes
    meanwhile is not forgotten."""
    w = weir()
    w.expect("keeper process .* exited on signal 9")
    for _ in range(2):
        (keeper,) = until(lambda: w.children("keeper"), "a keeper")
        kill(keeper, "KILL")
        w.wait_log(f"keeper process {keeper} exited on signal 9")
    w.configure(w.config(egress="host new.test { return 200 new; }"))
    w.signal("HUP")

    def is_new():
        with w.client() as c:
            return c.get("http://new.test/", "new.test").status == 200

    until(is_new, "the new configuration")
