"""The service manager's side of sd_notify(3), and the unit for systemd."""

import os
import re
import secrets
import socket
import subprocess
import time

import pytest

from lib.clients import need
from lib.wait import DEADLINE, until
from lib.weir import BINARY, ROOT


class Manager:
    """What listens at $NOTIFY_SOCKET."""

    def __init__(self, address, name):
        self.name = name
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(address)
        self.sock.settimeout(DEADLINE)

    def receive(self):
        text = self.sock.recv(4096).decode()
        return dict(line.split("=", 1) for line in text.split("\n"))

    def assert_silent(self):
        self.sock.setblocking(False)
        with pytest.raises(BlockingIOError):
            self.sock.recv(4096)
        self.sock.settimeout(DEADLINE)


@pytest.fixture(params=["path", "abstract"])
def manager(request, tmp_path):
    path = str(tmp_path / "notify")
    if request.param == "abstract":
        name = "weir-test-" + secrets.token_hex(8)
        made = Manager("\0" + name, "@" + name)
    else:
        made = Manager(path, path)
    yield made
    made.sock.close()


def test_ready_reload_stop(weir, manager):
    w = weir(env={"NOTIFY_SOCKET": manager.name})
    ready = manager.receive()
    assert ready["READY"] == "1"
    assert int(ready["MAINPID"]) == w.pid() == w.process.pid

    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    w.signal("HUP")
    reloading = manager.receive()
    after = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    assert reloading["RELOADING"] == "1"
    assert before <= int(reloading["MONOTONIC_USEC"]) <= after
    assert manager.receive()["READY"] == "1"

    w.stop("QUIT")
    assert manager.receive() == {"STOPPING": "1"}
    manager.assert_silent()


def test_a_reload_that_fails_ends_too(weir, manager):
    w = weir(env={"NOTIFY_SOCKET": manager.name})
    w.expect(r"\[emerg\]")
    manager.receive()
    w.write("weir.conf", "frobnicate on;")
    w.signal("HUP")
    assert "RELOADING" in manager.receive()
    ready = manager.receive()
    assert ready["READY"] == "1" and "failed" in ready["STATUS"]


def test_ready_is_told_when_weir_serves(weir, manager, origin):
    """Not before: the first thing that a client may do works."""
    w = weir(env={"NOTIFY_SOCKET": manager.name}, start=False)
    w.start()
    manager.receive()
    with w.tunnel("origin.test", origin.port) as c:
        assert c.get("/", f"origin.test:{origin.port}").status == 200


def test_a_start_that_fails_is_never_ready(weir, manager):
    w = weir(env={"NOTIFY_SOCKET": manager.name}, main="pid a/b/weir.pid;",
             start=False)  # fmt: skip
    assert w.run().returncode == 1
    manager.assert_silent()


@pytest.mark.skipif(os.geteuid() != 0, reason="children are undumpable")
def test_no_process_keeps_the_variable(weir, manager):
    w = weir(env={"NOTIFY_SOCKET": manager.name})
    for pid in [w.process.pid, *w.children()]:
        with open(f"/proc/{pid}/environ", "rb") as f:
            assert b"NOTIFY_SOCKET" not in f.read()


@pytest.mark.parametrize("name", ["no/slash", "@", "/" + "x" * 200, "vsock:2"])
def test_what_is_no_socket_is_said(weir, name):
    w = weir(env={"NOTIFY_SOCKET": name})
    assert "NOTIFY_SOCKET" in w.stderr() + w.error_log()


def test_a_manager_that_is_gone_stops_nothing(weir, tmp_path, origin):
    w = weir(env={"NOTIFY_SOCKET": str(tmp_path / "nobody")})
    w.wait_log("service manager")
    with w.tunnel("origin.test", origin.port) as c:
        assert c.get("/", f"origin.test:{origin.port}").status == 200


def unit():
    with open(os.path.join(ROOT, "conf", "weir.service")) as f:
        return f.read()


def test_systemd_takes_the_unit(tmp_path):
    need("systemd-analyze")
    path = tmp_path / "weir.service"
    text = re.sub(r"/usr/local/weir/sbin/weir", BINARY, unit())
    path.write_text(re.sub(r"Documentation=.*\n", "", text))
    done = subprocess.run(
        ["systemd-analyze", "verify", str(path)],
        capture_output=True,
        text=True,
    )
    assert "weir.service" not in done.stderr
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_the_units_capabilities_are_enough(weir, origin):
    """Twice: the second start finds logs that belong to the workers' user."""
    names = " ".join(re.findall(r"CapabilityBoundingSet=(.*)", unit()))
    wanted = ",".join("+" + n[4:].lower() for n in names.split())
    w = weir(main="user daemon;", start=False)
    command = w.command

    def limited(*args):
        return ["setpriv", f"--bounding-set=-all,{wanted}", "--no-new-privs",
                *command(*args)]  # fmt: skip

    w.command = limited
    for _ in range(2):
        w.start()
        with w.tunnel("origin.test", origin.port) as c:
            assert c.get("/", f"origin.test:{origin.port}").status == 200
        w.signal("HUP")
        until(lambda: len(w.children("worker")) == 1, "one worker again")
        w.stop("QUIT")
