"""What each process holds, and what it costs."""

import os
import re
import resource
import shutil
import signal
import subprocess

import pytest

from lib.http import reply
from lib.wait import until
from lib.weir import BINARY, WRAP, keeps_freed_memory

MIB = 1024 * 1024
root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def descriptors(pid):
    """What a process's descriptors are, without 0, 1 and 2."""
    found = {}
    for name in os.listdir(f"/proc/{pid}/fd"):
        if int(name) > 2:
            try:
                found[int(name)] = os.readlink(f"/proc/{pid}/fd/{name}")
            except FileNotFoundError:
                pass
    return found


def listening_inodes(port):
    with open("/proc/net/tcp") as f:
        lines = [line.split() for line in f.read().splitlines()[1:]]
    return {
        f"socket:[{f[9]}]"
        for f in lines
        if f[3] == "0A" and f[1].endswith(f":{port:04X}")
    }


@root
def test_each_role_has_its_descriptors_alone(weir, origin):
    w = weir(main="worker_processes 2;")
    listening = listening_inodes(w.port)
    assert len(listening) == 2
    (keeper,) = w.children("keeper")
    kinds = sorted(
        re.sub(r"socket:.*", "socket", re.sub(r" \(deleted\)", "", kind))
        for kind in descriptors(keeper).values()
    )
    assert not listening & set(descriptors(keeper).values())
    assert not [k for k in kinds if "access.log" in k or "eventpoll" in k]
    # The master's channel and a pair for each worker.
    assert kinds.count("socket") == 3
    # All sockets: a worker stands in for one that died.
    for pid in w.children("worker"):
        held = descriptors(pid).values()
        assert listening <= set(held)
        assert not [k for k in held if "secretmem" in k or "vault" in k]


@root
def test_master_maps_no_key(weir):
    w = weir()
    maps = {}
    for pid in [w.process.pid, *w.children()]:
        with open(f"/proc/{pid}/maps") as f:
            maps[pid] = "secretmem" in (text := f.read()) or "vault" in text
    (keeper,) = w.children("keeper")
    assert [pid for pid in maps if maps[pid]] == [keeper]


def test_worker_that_dies_again_and_again_is_throttled(weir):
    w = weir()
    w.expect(r"exited on signal 9")

    def kill_next(old):
        pids = until(lambda: w.children("worker"), "a worker")
        if pids != old:
            os.kill(pids[0], signal.SIGKILL)
        return pids

    old = None
    for _ in range(3):
        old = kill_next(old)
        until(lambda: w.children("worker") != old, "its end")
    starts = w.error_log().count("start worker process")
    assert starts < 4, "the third start was not put off"


def memory(pid):
    """The most that a process ever had resident, in bytes."""
    with open(f"/proc/{pid}/status") as f:
        return int(re.search(r"VmHWM:\s+(\d+) kB", f.read())[1]) * 1024


@pytest.mark.parametrize(
    "size", [32 * MIB, pytest.param(1024 * MIB, marks=pytest.mark.long)]
)
def test_a_body_either_way_moves_in_bounded_memory(weir, origin, size):
    """Under 1 MiB of buffers, and a first connection's TLS besides."""
    if keeps_freed_memory():
        pytest.skip("an instrumented allocator's memory")
    block = bytes(MIB)

    def down(conn, request):
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        for _ in range(size // MIB):
            conn.send(block)

    def up(conn):
        while True:
            request = conn.read_head()
            if request is None:
                return
            if request.method == "GET":
                down(conn, request)
                continue
            left = size
            while left:
                left -= len(conn.reader.exactly(min(left, MIB)))
            conn.send(reply(b"taken"))

    origin.script = up
    w = weir()
    host = f"origin.test:{origin.port}"
    (worker,) = w.children("worker")
    with w.tunnel("origin.test", origin.port) as c:
        before = memory(worker)
        c.send(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")
        c.reader.until(b"\r\n\r\n")
        for _ in range(size // MIB):
            assert len(c.reader.exactly(MIB)) == MIB
        c.send(f"PUT / HTTP/1.1\r\nHost: {host}\r\n"
               f"Content-Length: {size}\r\n\r\n")  # fmt: skip
        for _ in range(size // MIB):
            c.send(block)
        assert c.read_response().body == b"taken"
    grown = memory(worker) - before
    assert grown < 2 * MIB, f"{grown} bytes for a body of {size}"


# What another process of the same user would do to get at a secret.
INTRUDER = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long] * 4
for pid in map(int, sys.argv[1:]):
    for name in ("environ", "mem", "maps", "fd", "auxv", "cwd", "ns/net"):
        path = f"/proc/{pid}/{name}"
        try:
            if name == "fd":
                os.listdir(path)
            elif name in ("cwd", "ns/net"):
                os.readlink(path)
            elif open(path, "rb").read(1) or True:
                pass
            print(pid, name)
        except PermissionError:
            pass
        except OSError:
            print(pid, name)
    if libc.ptrace(16, pid, 0, 0) == 0:
        os.waitpid(pid, 0)
        print(pid, "ptrace")
"""


def intrude(*pids):
    """What a process of the user `daemon` gets at of these."""
    done = subprocess.run(
        ["/usr/bin/python3", "-c", INTRUDER, *map(str, pids)],
        user="daemon", group="daemon", extra_groups=[], cwd="/",
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return {tuple(line.split()) for line in done.stdout.splitlines()}


@pytest.fixture
def unlimited_core():
    before = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY,) * 2)
    yield
    resource.setrlimit(resource.RLIMIT_CORE, before)


SECRET = "s3cret-of-the-worker-0123456789"


@root
@pytest.mark.parametrize("is_root", [True, False])
def test_no_process_can_be_looked_into(weir, origin, unlimited_core, is_root):
    """By its own user, though the limit that weir was started with would let
    it leave a core; a process that is not sealed shows what that user can."""
    w = weir(
        main="user daemon;\nkeeper_user daemon;" if is_root else "",
        egress="secret t env:TOKEN; host origin.test { bearer $secret_t; }",
        env={"TOKEN": SECRET},
        start=is_root,
    )
    if not is_root:
        drop(w)
    with w.tunnel("origin.test", origin.port) as c:
        assert c.get("/", f"origin.test:{origin.port}").status == 200
    assert SECRET.encode() in origin.raw
    pids = [w.process.pid, *w.children()]
    assert len(pids) == 3
    for pid in pids:
        with open(f"/proc/{pid}/limits") as f:
            core = re.search(r"Max core file size\s+(\S+)\s+(\S+)", f.read())
        assert core.groups() == ("0", "0")
        for name in ("environ", "mem", "maps", "fd"):
            assert os.stat(f"/proc/{pid}/{name}").st_uid == 0, name
        for name in ("environ", "cmdline", "status", "comm"):
            with open(f"/proc/{pid}/{name}", "rb") as f:
                assert SECRET.encode() not in f.read()
    assert intrude(*pids) == set()


def drop(w):
    """Starts it as a user that is not root."""
    for base, _, names in os.walk(w.dir):
        for path in (base, *(os.path.join(base, name) for name in names)):
            shutil.chown(path, "daemon", "daemon")
    command = w.command
    w.command = lambda *args: [
        "setpriv", "--reuid=1", "--regid=1", "--clear-groups", *command(*args)
    ]  # fmt: skip
    if w.run("-t").returncode in (126, 127):
        pytest.skip("the program lies where its user only gets")
    w.start()


@root
@pytest.mark.skipif("valgrind" in WRAP, reason="it has no title there")
def test_a_second_one_of_a_user_is_refused(weir):
    """As root's is (daemon_test.py): it is sealed, and its files in /proc are
    root's."""
    w = weir(start=False)
    drop(w)
    done = w.run()
    assert done.returncode == 1 and "weir runs already" in done.stderr
    assert w.pid() == w.process.pid


@root
def test_root_stops_what_a_user_runs(weir):
    w = weir(start=False)
    drop(w)
    done = subprocess.run(
        [BINARY, "-p", w.dir, "-c", "weir.conf", "-s", "stop"],
        env=w.environment(), capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert w.wait() == 0


@root
def test_what_a_process_shows_that_is_not_sealed():
    """Else the tests above would show nothing."""
    with subprocess.Popen(
        ["cat"], stdin=subprocess.PIPE, user="daemon", group="daemon", cwd="/"
    ) as cat:
        until(lambda: os.stat(f"/proc/{cat.pid}/mem").st_uid == 1, "its start")
        names = {name for _, name in intrude(cat.pid)}
        cat.stdin.close()
    assert names >= {"environ", "mem", "maps", "fd", "ptrace"}


@root
def test_a_worker_that_aborts_leaves_no_core(
    weir, unlimited_core, monkeypatch
):
    """Not even one that is root, where the kernel would let it."""
    w = weir(main="user root;", start=False)
    monkeypatch.chdir(w.dir)  # where it would lie
    w.start()
    w.expect("exited on signal 6")
    (worker,) = w.children("worker")
    os.kill(worker, signal.SIGABRT)
    assert w.wait_log("exited on signal").endswith("exited on signal 6")
