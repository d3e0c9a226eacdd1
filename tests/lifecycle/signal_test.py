"""Signals, and children that die."""

import os
import signal
import threading

import pytest

from lib.http import reply
from lib.wait import DEADLINE, until


def host(origin):
    return f"origin.test:{origin.port}"


def ask(w, origin, path="/"):
    with w.tunnel("origin.test", origin.port) as c:
        return c.get(path, host(origin))


@pytest.mark.parametrize("name", ["TERM", "INT", "QUIT"])
def test_stop(weir, origin, name):
    w = weir()
    assert ask(w, origin).status == 200
    w.stop(name)
    assert not os.path.exists(w.path("logs", "weir.pid"))


def test_stop_by_command(weir, origin):
    w = weir()
    assert ask(w, origin).status == 200
    assert w.run("-s", "quit").returncode == 0
    assert w.wait() == 0


def test_quit_finishes_what_runs(weir, origin):
    go = threading.Event()

    def slow(conn, request):
        assert go.wait(20)
        return reply(b"finished")

    origin.on("/slow", slow)
    w = weir()
    with w.tunnel("origin.test", origin.port) as c:
        c.send(f"GET /slow HTTP/1.1\r\nHost: {host(origin)}\r\n\r\n")
        origin.wait_requests(1)
        w.signal("QUIT")
        until(lambda: refuses(w), "the listener's end")
        go.set()
        r = c.read_response()
        assert r.body == b"finished" and r.has_token("connection", "close")
        assert c.is_closed()
    assert w.wait() == 0


def refuses(w):
    try:
        w.client().close()
    except (ConnectionRefusedError, ConnectionResetError):
        return True
    return False


def test_reload_changes_policy(weir, origin):
    w = weir()
    assert ask(w, origin).status == 200
    w.configure(w.config(egress="host origin.test { return 451; }"))
    w.signal("HUP")
    until(lambda: ask(w, origin).status == 451, "the new config")


def test_reload_with_an_error_changes_nothing(weir, origin):
    w = weir()
    w.expect(r"\[emerg\]")
    w.write("weir.conf", "frobnicate on;")
    w.signal("HUP")
    assert "weir.conf:1" in w.wait_log("frobnicate")
    assert ask(w, origin).status == 200


def test_reload_keeps_the_ca(weir, origin):
    w = weir()
    with open(w.ca()) as f:
        before = f.read()
    workers = w.children("worker")
    w.signal("HUP")
    until(lambda: w.children("worker") not in ([], workers), "new workers")
    assert ask(w, origin).status == 200
    with open(w.ca()) as f:
        assert f.read() == before


def test_reload_finishes_what_runs(weir, origin):
    go = threading.Event()

    def slow(conn, request):
        assert go.wait(20)
        return reply(b"finished")

    origin.on("/slow", slow)
    w = weir()
    with w.tunnel("origin.test", origin.port) as c:
        c.send(f"GET /slow HTTP/1.1\r\nHost: {host(origin)}\r\n\r\n")
        origin.wait_requests(1)
        w.configure(w.config(egress="host origin.test { return 451; }"))
        w.signal("HUP")
        until(lambda: ask(w, origin).status == 451, "the new config")
        go.set()
        assert c.read_response().body == b"finished"


def test_logs_are_opened_again(weir, origin):
    w = weir()
    assert ask(w, origin, "/one").status == 200
    w.access_log(1)
    for name in ("access.log", "error.log"):
        os.rename(w.path("logs", name), w.path("logs", name + ".1"))
    w.signal("USR1")
    until(lambda: os.path.exists(w.path("logs", "access.log")), "the log")

    def is_written():
        assert ask(w, origin, "/two").status == 200
        return w.read("logs", "access.log")

    until(is_written, "a line in the new log")


@pytest.mark.parametrize("name", ["USR1", "HUP"])
def test_the_keeper_logs_at_the_level_that_is_configured(weir, name):
    w = weir(main="error_log logs/error.log info;")
    pid = w.children("keeper")[0]
    w.signal(name)
    w.wait_log(rf"\[info\] {pid}: logs are opened again")


@pytest.mark.parametrize("role", ["worker", "keeper"])
def test_dead_child_is_started_again(weir, origin, role):
    w = weir()
    w.expect(r"exited on signal 9")
    with open(w.ca()) as f:
        before = f.read()
    old = w.children(role)
    assert old, "no such child"
    os.kill(old[0], signal.SIGKILL)
    until(
        lambda: w.children(role) and not set(w.children(role)) & set(old),
        "a new " + role,
    )

    def works():
        try:
            return ask(w, origin).status == 200
        except OSError:
            return False

    until(works, "service again")
    with open(w.ca()) as f:
        assert f.read() == before


def test_children_cannot_be_inspected(weir):
    w = weir()
    pids = [w.process.pid, *w.children()]
    assert len(pids) >= 3
    for pid in pids:
        with open(f"/proc/{pid}/limits") as f:
            core = [s for s in f if s.startswith("Max core file size")]
        assert core[0].split()[4] == "0"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_children_drop_to_their_users(weir, origin):
    w = weir(main="user daemon;\nkeeper_user games;")
    assert ask(w, origin).status == 200
    uids = {}
    for role in ("worker", "keeper"):
        for pid in w.children(role):
            with open(f"/proc/{pid}/status") as f:
                line = [s for s in f if s.startswith("Uid:")][0]
            uids[role] = set(line.split()[1:])
    assert uids == {"worker": {"1"}, "keeper": {"5"}}


def test_what_a_stop_cuts_has_its_log_line(weir, origin):
    """Without a head yet, or in its body."""
    go = threading.Event()

    def script(conn):
        request = conn.read_request()
        if request.target == "/body":
            conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab")
        go.wait(DEADLINE)

    origin.script = script
    w = weir()
    clients = [w.tunnel("origin.test", origin.port) for _ in range(2)]
    for c, path in zip(clients, ("/head", "/body")):
        c.send(f"GET {path} HTTP/1.1\r\nHost: origin.test:{origin.port}\r\n\r\n")
    origin.wait_requests(2)
    assert clients[1].reader.until(b"ab")
    w.stop()
    go.set()
    lines = w.access_log(4)  # the tunnels' own, too
    found = sorted((e["path"], e["status"], e["cause"]) for e in lines if e["path"])
    assert found == [("/body", 200, "the worker ended"),
                     ("/head", 503, "the worker ended")]  # fmt: skip
