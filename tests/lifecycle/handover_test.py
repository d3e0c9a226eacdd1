"""No connection that waits to be accepted is lost when workers or listeners
change."""

import ctypes
import errno
import os
import select
import signal
import socket
import struct
import threading
import time

import pytest

from lib.http import reply
from lib.load import (
    HERE,
    REQUEST,
    Load,
    Waiting,
    answer,
    connect,
    read_answer,
)
from lib.wait import DEADLINE, SLOW, until
from lib.weir import is_stopped

root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
SO_ATTACH_FILTER, SO_DETACH_FILTER = 26, 27

UNIX = "listen unix:{{dir}}/s proxy sandbox=box;\n"
TCP = "listen 127.0.0.1:{{port}} proxy;\n"
OTHER = "listen 127.0.0.1:{{other_port}} proxy;\n"


def listening(port):
    """How many sockets listen on the port."""
    with open("/proc/net/tcp") as f:
        lines = [line.split() for line in f.read().splitlines()[1:]]
    return len([1 for f in lines if f[3] == "0A" and
                f[1].endswith(f":{port:04X}")])  # fmt: skip


def reload(w, **parts):
    """To a configuration, and until no worker of the one before is left."""
    old = set(w.children("worker"))
    w.configure(w.config(**parts))
    w.signal("HUP")
    until(lambda: w.children("worker") and not old & set(w.children("worker")),
          "the old workers' end")  # fmt: skip


def stopped(w):
    """The workers, which accept nothing until they are gone on with."""
    pids = w.children("worker")
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    for pid in pids:
        until(lambda: is_stopped(pid), "a stop")
    return pids


def go_on(pids):
    for pid in pids:
        os.kill(pid, signal.SIGCONT)


def rounds(n):
    return [n, pytest.param(20 * n, marks=pytest.mark.long)]


@pytest.mark.parametrize("times", rounds(1))
def test_workers_come_and_go(weir, times):
    w = weir(egress=HERE + TCP + UNIX)
    with Load(w.port, w.path("s")) as load:
        for n in [4, 2, 3] * times:
            reload(w, egress=HERE + TCP + UNIX, main=f"worker_processes {n};")
            load.more()
            assert len(w.children("worker")) == n
            # Steered off, they end as soon as no handshake is under way.
            until(lambda: listening(w.port) == n, f"{n} sockets")
    load.assert_none_lost()


@pytest.mark.parametrize("times", rounds(2))
def test_addresses_come_and_go(weir, times):
    main = "worker_processes 2;"
    w = weir(egress=HERE + TCP + OTHER + UNIX, main=main)
    other = w.ports["other_port"]
    load, changing = Load(w.port), Load(other, w.path("s"))
    with load, changing:
        for _ in range(times):
            reload(w, egress=HERE + TCP, main=main)
            assert listening(other) == 0
            assert not os.path.exists(w.path("s"))
            reload(w, egress=HERE + TCP + OTHER + UNIX, main=main)
            changing.more()
    load.assert_none_lost()
    changing.assert_none_lost(refused=True)


@pytest.mark.parametrize("times", rounds(1))
def test_a_reload_that_fails(weir, times):
    """Its sockets are given nothing before it serves."""
    w = weir(egress=HERE + TCP + UNIX, main="worker_processes 2;")
    w.expect(r"exited on signal 9|\[emerg\].*the old configuration goes on")
    old = w.children("worker")
    w.configure(w.config(
        egress=HERE + TCP + UNIX,
        main="worker_processes 5;\ndebug_stop_workers on;",
    ))  # fmt: skip
    with Load(w.port, w.path("s")) as load:
        for _ in range(times):
            w.reload_failed(5)
            until(lambda: w.children("worker") == old, "the new ones' end")
            load.more()
    assert w.error_log().count(" serves") == 1
    load.assert_none_lost()


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_what_waits_for_a_worker_that_dies(weir, kind):
    w = weir(egress=HERE + TCP + UNIX, main="worker_processes 3;")
    w.expect(r"exited on signal 9")
    pids = stopped(w)
    waiting = Waiting(w.port if kind == "tcp" else w.path("s"))
    go_on(pids[1:])
    os.kill(pids[0], signal.SIGKILL)
    waiting.assert_answered()


def accepted(pid, port):
    """The clients' ports of what a worker accepted on its port."""
    held = set()
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            held.add(os.readlink(f"/proc/{pid}/fd/{name}"))
        except FileNotFoundError:
            pass
    with open("/proc/net/tcp") as f:
        lines = [line.split() for line in f.read().splitlines()[1:]]
    return {int(f[2][-4:], 16) for f in lines
            if f"socket:[{f[9]}]" in held and f[3] != "0A" and
            f[1].endswith(f":{port:04X}")}  # fmt: skip


@root
def test_a_worker_that_dies_under_load_costs_what_it_had(weir):
    w = weir(egress=HERE + TCP, main="worker_processes 3;")
    w.expect(r"exited on signal 9")
    had = set()
    with Load(w.port) as load:
        for pid in w.children("worker"):
            os.kill(pid, signal.SIGSTOP)
            until(lambda: is_stopped(pid), "a stop")
            had |= accepted(pid, w.port)
            os.kill(pid, signal.SIGKILL)
            load.more()
    assert {port for _, port in load.lost} <= had, load.errors
    assert load.counts["refused"] == 0


class Held:
    """A client's connection that is between requests, or in the middle of
    one: of what it sends, or of what it is answered."""

    def __init__(self, w, origin, kind):
        self.kind, self.origin = kind, origin
        self.c = w.tunnel("origin.test", origin.port)
        self.port = self.c.sock.getsockname()[1]
        assert self.ask("idle") == b"hello"
        if kind == "up":
            self.send("PUT", kind, "Content-Length: 6\r\n", "abc")
        elif kind == "down":
            self.send("GET", kind)
            self.c.reader.until(b"\r\n\r\n")
            assert self.c.reader.exactly(3) == b"abc"

    def send(self, method, kind, fields="", body=""):
        host = f"Host: origin.test:{self.origin.port}\r\n"
        target = f"/{kind}/{self.port}"
        self.c.send(f"{method} {target} HTTP/1.1\r\n{host}{fields}\r\n{body}")

    def ask(self, kind):
        self.send("GET", kind)
        return self.c.read_response().body

    def finish(self):
        """What is under way; then another request."""
        if self.kind == "up":
            self.c.send("def")
            assert self.c.read_response().body == b"took abcdef"
        elif self.kind == "down":
            assert self.c.reader.exactly(3) == b"def"
        assert self.ask("after") == b"hello"


class Halves:
    """The origin: it takes what is sent to it and gives halves of "abcdef",
    the second ones once `go` is set; `up` is what came of each first one."""

    def __init__(self, origin):
        self.go, self.up = threading.Event(), {}
        origin.script = self.serve

    def serve(self, conn):
        while (request := conn.read_head()) is not None:
            answer = reply(b"hello")
            if request.method == "PUT":
                self.up[request.target] = conn.reader.exactly(3)
                body = self.up[request.target] + conn.reader.exactly(3)
                answer = reply(b"took " + body)
            elif request.target.startswith("/down/"):
                conn.send(reply(b"abcdef")[:-3])
                assert self.go.wait(DEADLINE * 2)
                answer = b"def"
            conn.send(answer)


@root
def test_a_worker_that_dies_ends_its_own_connections_alone(weir, origin):
    halves = Halves(origin)
    w = weir(main="worker_processes 3;", cls="header_slots 1000;")
    w.expect(r"exited on signal 9")
    workers = w.children("worker")
    held, per_worker = [], {}

    def each_has_each():
        held.extend(Held(w, origin, k) for k in ("idle", "up", "down"))
        ports = {pid: accepted(pid, w.port) for pid in workers}
        for pid in workers:
            per_worker[pid] = [h for h in held if h.port in ports[pid]]
        kinds = [{h.kind for h in its} for its in per_worker.values()]
        return (sum(map(len, per_worker.values())) == len(held)
                and kinds == [{"idle", "up", "down"}] * 3)  # fmt: skip

    until(each_has_each, "every kind at every worker")
    n_up = len([h for h in held if h.kind == "up"])
    until(lambda: len(halves.up) == n_up, "the first halves")
    os.kill(workers[1], signal.SIGKILL)
    for h in per_worker[workers[1]]:
        assert h.c.is_closed()
    halves.go.set()
    rest = per_worker[workers[0]] + per_worker[workers[2]]
    for h in rest:
        h.finish()
    assert set(workers) - set(w.children("worker")) == {workers[1]}
    after = [r.target for r in origin.requests if "/after/" in r.target]
    assert sorted(after) == sorted(f"/after/{h.port}" for h in rest)
    assert list(halves.up.values()) == [b"abc"] * n_up


@pytest.mark.long
def test_a_throttled_worker_is_stood_in_for(weir):
    w = weir(egress=HERE + TCP, main="worker_processes 2;")
    w.expect(r"exited on signal 9")
    (first, _) = w.children("worker")
    die = first
    for _ in range(3):
        both = w.children("worker")
        os.kill(die, signal.SIGKILL)
        until(lambda: die not in w.children("worker"), "its end")
        until(lambda: len(w.children("worker")) == 2, "the next one")
        (die,) = set(w.children("worker")) - set(both)
    os.kill(die, signal.SIGKILL)
    until(lambda: die not in w.children("worker"), "its end")
    started, begin = w.error_log().count("start worker"), time.monotonic()
    Waiting(w.port).assert_answered()
    if time.monotonic() - begin < 1.5:
        assert w.error_log().count("start worker") == started
    else:
        assert SLOW > 1, "too slow to say anything"


def test_a_full_worker_is_stood_in_for(weir):
    """Both are filled, whichever the kernel chose; then both have room."""
    w = weir(egress=HERE + TCP, main="worker_processes 2;",
             events="worker_connections 8;")  # fmt: skip
    w.expect("worker_connections are not enough")
    for _ in range(3):
        socks = [connect(w.port) for _ in range(16)]
        for s in socks:
            s.sendall(REQUEST)
            assert read_answer(s)
        late = Waiting(w.port, 4)
        for s in socks:
            s.close()
        late.assert_answered()


def test_workers_that_fill_up_all_the_time(weir):
    w = weir(egress=HERE + TCP, main="worker_processes 3;",
             events="worker_connections 2;")  # fmt: skip
    workers = w.children("worker")
    with Load(w.port, threads=9) as load:
        load.more(300)
    load.assert_none_lost()
    assert w.children("worker") == workers


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_what_waits_at_a_reload(weir, kind):
    """The new workers answer, though the old ones are stopped."""
    w = weir(egress=HERE + TCP + UNIX, main="worker_processes 2;")
    old = stopped(w)
    waiting = Waiting(w.port if kind == "tcp" else w.path("s"))
    w.signal("HUP")
    waiting.assert_answered()
    go_on(old)


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_what_waits_at_an_address_that_goes(weir, kind):
    """The old workers answer, by their configuration."""
    w = weir(egress=HERE + TCP + OTHER + UNIX)
    other = w.ports["other_port"]
    old = stopped(w)
    where = other if kind == "tcp" else w.path("s")
    waiting = Waiting(where, Waiting.MANY)
    w.configure(w.config(egress="host here.test { return 410; }\n" + TCP))
    w.signal("HUP")
    w.wait_log(r"SIGHUP(.*\n)*.*configuration .* serves")
    go_on(old)
    waiting.assert_answered()
    until(lambda: listening(other) == 0, "the sockets' end")


@pytest.mark.long
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_handshake_under_way_at_an_address_that_goes(weir):
    """The client hears the SYN-ACK only when it comes again, in a second."""
    w = weir(egress=HERE + TCP + OTHER)
    other = w.ports["other_port"]
    sock = socket.socket()
    deaf = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0))
    program = struct.pack("HxxxxxxP", 1, ctypes.addressof(deaf))
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)
    sock.setblocking(False)
    assert sock.connect_ex(("127.0.0.1", other)) == errno.EINPROGRESS
    w.configure(w.config(egress=HERE + TCP))
    w.signal("HUP")
    w.wait_log(r"SIGHUP(.*\n)*.*configuration .* serves")
    sock.setsockopt(socket.SOL_SOCKET, SO_DETACH_FILTER, 0)
    assert select.select([], [sock], [], DEADLINE)[1]
    sock.settimeout(DEADLINE)
    sock.sendall(REQUEST)
    assert answer(sock)
    until(lambda: listening(other) == 0, "the socket's end")


def test_an_address_that_comes_back(weir):
    """While its sockets are on their way out: the same ones serve on."""
    w = weir(egress=HERE + TCP + OTHER)
    other = w.ports["other_port"]
    (old,) = stopped(w)
    waiting = Waiting(other)
    w.configure(w.config(egress=HERE + TCP))
    w.signal("HUP")
    w.wait_log(r"SIGHUP(.*\n)*.*configuration .* serves")
    w.configure(w.config(egress=HERE + TCP + OTHER))
    w.signal("HUP")
    waiting.assert_answered()
    assert answer_of(other)
    go_on([old])


def answer_of(port):
    sock = connect(port)
    sock.sendall(REQUEST)
    return answer(sock)


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_what_waits_at_a_quit(weir, kind):
    w = weir(egress=HERE + TCP + UNIX)
    pids = stopped(w)
    where = w.port if kind == "tcp" else w.path("s")
    waiting = Waiting(where, Waiting.MANY)
    w.signal("QUIT")
    w.wait_log("SIGQUIT")
    go_on(pids)
    waiting.assert_answered()
    assert w.wait() == 0


def test_what_waits_at_a_quit_behind_a_reload_that_failed(weir):
    """While one of its workers has not ended yet."""
    w = weir(egress=HERE + TCP)
    w.expect(r"exited on signal 9|\[emerg\].*the old configuration goes on")
    old = stopped(w)
    waiting = Waiting(w.port, Waiting.MANY)
    main = "worker_processes 2;\ndebug_stop_workers on;"
    w.configure(w.config(egress=HERE + TCP, main=main))
    stays, dies = w.reload_halted(2)
    os.kill(dies, signal.SIGKILL)
    w.wait_log("goes on")
    w.signal("QUIT")
    w.wait_log("SIGQUIT")
    go_on(old)
    waiting.assert_answered()
    go_on([stays])
    assert w.wait() == 0


@pytest.mark.timed
def test_a_request_that_is_on_its_way_at_a_quit(weir, urgent):
    """The connection waited to be accepted, its request comes thereafter; it
    has a second."""
    w = weir(egress=HERE + TCP)
    pids = stopped(w)
    waiting = Waiting(w.port, 4, sends=False)
    w.signal("QUIT")
    w.wait_log("SIGQUIT")
    go_on(pids)
    until(lambda: listening(w.port) == 0, "the socket's end")
    waiting.send()
    waiting.assert_answered()
    assert w.wait() == 0


def test_what_comes_at_a_quit(weir):
    """A connection is answered, or it is refused."""
    w = weir(egress=HERE + TCP + UNIX, main="worker_processes 2;")
    with Load(w.port, w.path("s")) as load:
        w.signal("QUIT")
        assert w.wait() == 0
    load.assert_none_lost(refused=True)
