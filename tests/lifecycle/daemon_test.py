"""weir in the background, as it is by default."""

import os
import re
import signal
import subprocess
import threading
from types import SimpleNamespace

import pytest

from lib.http import reply
from lib.wait import DEADLINE, until
from lib.weir import BINARY, WRAP


def run(w, *args):
    """As a shell's $(…): to the end of output, whoever holds it open."""
    return subprocess.run(
        [BINARY, "-p", w.dir, "-c", "weir.conf", *args],
        env=w.environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
    )


def is_there(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_start_returns_when_it_is_ready(weir):
    w = weir(start=False)
    pid = None
    try:
        assert run(w).returncode == 0
        pid = w.pid()
        assert os.path.exists(w.ca())
        w.client().close()
        assert os.getsid(pid) != os.getsid(0)
        for name in "012":
            assert os.readlink(f"/proc/{pid}/fd/{name}") == "/dev/null"
        assert run(w, "-s", "reload").returncode == 0
        until(lambda: w.error_log().count("serves") == 2, "the reload")
        assert run(w, "-s", "quit").returncode == 0
        until(lambda: not is_there(pid), "its end")
    finally:
        pid = pid or w.pid()
        if pid is not None and is_there(pid):
            os.kill(pid, signal.SIGTERM)
    assert w.pid() is None
    assert "exit" in w.error_log().splitlines()[-1]


def test_start_that_fails_says_so(weir, canary):
    w = weir(start=False, egress=f"listen 127.0.0.1:{canary.port} proxy;")
    done = run(w)
    assert done.returncode == 1
    assert str(canary.port) in done.stderr
    assert w.pid() is None


@pytest.mark.skipif("valgrind" in WRAP, reason="it has no title there")
def test_a_second_one_is_refused(weir):
    """It changes nothing of the first; what a dead one left is no hindrance."""
    w = weir()
    with open(w.ca(), "rb") as f:
        ca = f.read()
    done = w.run()
    assert done.returncode == 1 and "weir runs already" in done.stderr
    with open(w.ca(), "rb") as f:
        assert f.read() == ca
    assert w.pid() == w.process.pid
    left = w.pid()
    w.stop()
    for pid in (left, os.getpid()):
        w.write("logs/weir.pid", f"{pid}\n")
        w.start(deadline=None)
        until(lambda: w.pid() == w.process.pid, "its own pid")
        w.stop()


def test_signal_without_a_master(weir):
    w = weir(start=False)
    done = run(w, "-s", "stop")
    assert done.returncode == 1 and "weir.pid" in done.stderr
    assert run(w, "-s", "frobnicate").returncode == 1


@pytest.fixture
def daemon(weir, origin):
    """A weir in the background, whose `process` is the master."""
    w = weir(start=False)
    assert run(w).returncode == 0
    pid = w.pid()
    w.process = SimpleNamespace(pid=pid)
    yield w
    w.process = None
    os.kill(pid, signal.SIGTERM)
    until(lambda: not is_there(pid), "its end")


def test_winch_ends_the_workers_and_a_reload_brings_new_ones(daemon, origin):
    w, name, go = daemon, f"origin.test:{origin.port}", threading.Event()
    origin.on("/slow", lambda conn, request: go.wait(DEADLINE) and reply(b"slow"))
    (old,) = w.children("worker")
    idle, busy = (w.tunnel("origin.test", origin.port) for _ in range(2))
    assert idle.get("/", name).status == 200
    busy.send(f"GET /slow HTTP/1.1\r\nHost: {name}\r\n\r\n")
    origin.wait_requests(2)
    w.signal("WINCH")
    assert idle.is_closed()
    assert w.children("worker") == [old]
    go.set()
    assert busy.read_response().body == b"slow"
    until(lambda: not is_there(old), "the worker's end")
    assert w.children("keeper") and w.children("worker") == []
    waits = w.client().send(f"CONNECT {name} HTTP/1.1\r\nHost: {name}\r\n\r\n")
    w.signal("HUP")
    assert waits.read_response("CONNECT").status == 200
    waits.tls("origin.test", w.ca())
    assert waits.get("/", name).status == 200
    order = r"SIGWINCH\D(.*\n)*.*SIGHUP\D(.*\n)*.*start worker process"
    assert re.search(order, w.error_log())
    assert w.error_log().count("start worker process") == 1


def test_winch_in_the_foreground_is_nothing(weir, origin):
    """A terminal's window may change its size."""
    w = weir()
    workers = w.children("worker")
    with w.tunnel("origin.test", origin.port) as c:
        for name in ("WINCH", "USR1"):
            w.signal(name)
            w.wait_log(f"SIG{name}")
        for _ in range(2):
            assert c.get("/", f"origin.test:{origin.port}").status == 200
    assert w.children("worker") == workers
