"""What each process holds, and what it costs."""

import os
import re
import signal

import pytest

from lib.http import reply
from lib.wait import SLOW, until

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


@pytest.mark.skipif(SLOW != 1, reason="an instrumented allocator's memory")
@pytest.mark.parametrize(
    "size", [32 * MIB, pytest.param(1024 * MIB, marks=pytest.mark.long)]
)
def test_a_body_either_way_moves_in_bounded_memory(weir, origin, size):
    """Under 1 MiB of buffers, and a first connection's TLS besides."""
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
