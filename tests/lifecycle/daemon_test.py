"""weir in the background, as it is by default."""

import os
import signal
import subprocess

from lib.wait import DEADLINE, until
from lib.weir import BINARY


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


def test_signal_without_a_master(weir):
    w = weir(start=False)
    done = run(w, "-s", "stop")
    assert done.returncode == 1 and "weir.pid" in done.stderr
    assert run(w, "-s", "frobnicate").returncode == 1
