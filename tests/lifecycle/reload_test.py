"""Reloads that fail, and signals and deaths in the middle of one."""

import os
import signal
import threading
import time

import pytest

from lib.http import reply
from lib.wait import DEADLINE, SLOW, until
from lib.weir import WRAP, keeps_freed_memory


crowd = pytest.mark.skipif("valgrind" in WRAP, reason="many workers")


def host(origin):
    return f"origin.test:{origin.port}"


def ask(w, origin):
    with w.tunnel("origin.test", origin.port) as c:
        return c.get("/", host(origin))


def listening(port):
    """How many sockets listen on the port."""
    with open("/proc/net/tcp") as f:
        lines = [line.split() for line in f.read().splitlines()[1:]]
    return len([1 for f in lines if f[3] == "0A" and
                f[1].endswith(f":{port:04X}")])  # fmt: skip


@pytest.fixture
def held(origin):
    """The origin keeps /slow until go() is called."""
    go = threading.Event()

    def slow(conn, request):
        assert go.wait(60)
        return reply(b"finished")

    origin.on("/slow", slow)
    yield go.set
    go.set()


def begin_slow(w, origin):
    c = w.tunnel("origin.test", origin.port)
    c.send(f"GET /slow HTTP/1.1\r\nHost: {host(origin)}\r\n\r\n")
    origin.wait_requests(1)
    return c


def test_workers_that_do_not_start_leave_all_as_it_was(weir, origin):
    w = weir()
    w.expect(r"exited on signal 9|\[emerg\].*the old configuration goes on")
    (old,) = w.children("worker")
    assert listening(w.port) == 1
    w.configure(w.config(
        main="worker_processes 4;\ndebug_stop_workers on;",
        egress="host origin.test { return 451; }\n"
        "listen 127.0.0.1:{{port}} proxy;\nlisten unix:{{dir}}/s proxy;",
    ))  # fmt: skip
    w.reload_failed(4)
    w.wait_log("ended before it was ready: the old configuration goes on")
    until(lambda: w.children("worker") == [old], "the end of the others")
    until(lambda: listening(w.port) == 1, "the end of their sockets")
    assert ask(w, origin).status == 200
    assert not os.path.exists(w.path("s"))
    # The next one is none the worse for it.
    w.configure(w.config(egress="host origin.test { return 410; }"))
    w.signal("HUP")
    until(lambda: ask(w, origin).status == 410, "the new config")


@pytest.mark.skipif(SLOW > 1, reason="254 processes")
def test_too_many_workers_that_drain(weir, origin):
    """A reload is refused before anything of it is started; once they have
    ended it is as any other."""
    main = "worker_processes 120;"
    here = "host here.test { return 410; }\n"
    w = weir(main=main, egress=here)
    w.expect(r"\[emerg\]")
    held = []
    while len(held) < 80:  # over 120 workers: in 30 of them at the least
        held.append(w.client())
        assert held[-1].get("http://here.test/", "here.test").status == 410
    first = set(w.children("worker"))
    w.signal("HUP")
    until(lambda: w.error_log().count("serves") == 2, "the second")
    w.configure(w.config(main=main, egress="host origin.test { return 451; }"))
    until(lambda: len(w.children("worker")) < 220, "those that held nothing")
    w.signal("HUP")
    w.wait_log(r"\d+ workers run, .* and 120 more would be too many: at most 254")
    w.wait_log("the old configuration goes on")
    assert ask(w, origin).status == 200
    for client in held:
        client.close()
    until(lambda: not first & set(w.children("worker")), "the end of the first")
    w.signal("HUP")
    until(lambda: ask(w, origin).status == 451, "the new config")


def test_listener_in_use_leaves_all_as_it_was(weir, origin, canary):
    w = weir()
    w.expect(r"\[emerg\]")
    w.configure(w.config(
        egress="listen 127.0.0.1:{{port}} proxy;\n"
        f"listen 127.0.0.1:{canary.port} proxy;",
    ))  # fmt: skip
    w.signal("HUP")
    w.wait_log("the old configuration goes on")
    assert ask(w, origin).status == 200


def test_last_of_many_reloads_holds(weir, origin):
    w = weir()
    for code in (451, 410, 404):
        w.configure(w.config(egress=f"host origin.test {{ return {code}; }}"))
        w.signal("HUP")
    until(lambda: ask(w, origin).status == 404, "the last config")


@pytest.mark.parametrize("name", ["QUIT", "TERM"])
def test_stop_during_a_reload(weir, name):
    w = weir(main="worker_processes 4;")
    w.signal("HUP")
    w.stop(name)
    assert not os.path.exists(w.path("logs", "weir.pid"))


@crowd
def test_stop_during_the_start(weir):
    w = weir(main="worker_processes 8;", start=False)
    # Not start(), which waits until it is ready.
    until_ready, w.is_ready = w.is_ready, lambda: "start keeper" in w.stderr()
    w.start()
    w.is_ready = until_ready
    w.stop("TERM")
    assert not os.path.exists(w.path("logs", "weir.pid"))


def test_quit_while_old_workers_drain(weir, origin, held):
    w = weir()
    with begin_slow(w, origin) as c:
        w.signal("HUP")
        until(lambda: len(w.children("worker")) == 2, "a new worker")
        w.wait_log(r"start worker.*\n(.*\n)*.*configuration .* serves")
        w.signal("QUIT")
        until(lambda: len(w.children("worker")) == 1, "the new one's end")
        held()
        assert c.read_response().body == b"finished"
    assert w.wait() == 0


def test_logs_of_workers_that_drain_are_opened_again(weir, origin, held):
    w = weir()
    (old,) = w.children("worker")
    with begin_slow(w, origin) as c:
        w.signal("HUP")
        until(lambda: len(w.children("worker")) == 2, "a new worker")
        w.wait_log(r"SIGHUP(.*\n)*.*configuration .* serves")
        for name in ("access.log", "error.log"):
            os.rename(w.path("logs", name), w.path("logs", name + ".1"))
        w.signal("USR1")

        def link(name):
            try:
                return os.readlink(f"/proc/{old}/fd/{name}")
            except FileNotFoundError:
                return ""  # closed meanwhile

        def is_reopened():
            names = os.listdir(f"/proc/{old}/fd")
            return not any(link(n).endswith(".log.1") for n in names)

        until(is_reopened, "the old worker's logs")
        held()
        assert c.read_response().body == b"finished"
        until(lambda: '"/slow"' in w.read("logs", "access.log"), "its line")
    assert "/slow" not in w.read("logs", "access.log.1")


def test_worker_that_dies_while_it_drains_is_not_replaced(weir, origin, held):
    w = weir()
    w.expect("exited on signal 9")
    (old,) = w.children("worker")
    with begin_slow(w, origin):
        w.signal("HUP")
        until(lambda: len(w.children("worker")) == 2, "a new worker")
        new = [p for p in w.children("worker") if p != old]
        w.wait_log(r"start worker.*\n(.*\n)*.*configuration .* serves")
        os.kill(old, signal.SIGKILL)
        w.wait_log("exited on signal 9")
    assert ask(w, origin).status == 200
    assert w.children("worker") == new


def test_reload_waits_for_a_keeper(weir, origin):
    w = weir()
    w.expect("exited on signal 9")
    (keeper,) = w.children("keeper")
    os.kill(keeper, signal.SIGKILL)
    w.configure(w.config(egress="host origin.test { return 451; }"))
    w.signal("HUP")

    def status():
        try:
            return ask(w, origin).status
        except OSError:
            return 0

    until(lambda: status() == 451, "the new config")


def test_dropped_sandbox_loses_its_file_and_another_keeps_its(weir):
    other = "sandbox gone { class test; address 127.0.0.2; }\n"
    box = "sandbox box { class test; address 127.0.0.1; }\n"
    w = weir(egress=box + other)
    with open(w.ca()) as f:
        before = f.read()
    assert os.path.exists(w.ca("gone"))
    w.configure(w.config(egress=box))
    w.signal("HUP")
    until(lambda: not os.path.exists(w.ca("gone")), "the file's end")
    with open(w.ca()) as f:
        assert f.read() == before


BOX = "sandbox box { class test; address 127.0.0.1; }\n"


def reload(w, egress):
    w.configure(w.config(egress=egress))
    w.signal("HUP")


@pytest.mark.slow
def test_max_sandboxes_is_raised(weir, origin):
    """One more than a segment of the records has, as an old worker drains."""
    if keeps_freed_memory():
        pytest.skip("thousands of keys are made")
    many = "".join(f"sandbox m{i} {{ class test; }}\n" for i in range(4095))
    many += "sandbox last { class test; address 127.0.0.9; }\n"

    def last_is_served():
        with w.client(source="127.0.0.9") as c:
            try:
                return c.connect(host(origin)).status == 200
            except (AssertionError, OSError):  # the old worker: nobody's
                return False

    w = weir(main="error_log logs/error.log info;", egress="max_sandboxes 1;\n" + BOX)
    (old,) = w.children("worker")
    (keeper,) = w.children("keeper")
    with w.tunnel("origin.test", origin.port) as c:
        assert c.get("/", host(origin)).status == 200
        reload(w, "max_sandboxes 5000;\n" + BOX + many)
        # 4,096 keys and certificates: seconds, and more beside a load.
        ca = lambda: os.path.exists(w.ca("last"))
        until(ca, "the last one's CA", 4 * DEADLINE)
        w.wait_log("the ledger has 2 segments")
        until(last_is_served, "the new worker")
        assert old in w.children("worker")
    assert w.children("keeper") == [keeper]
    assert ask(w, origin).status == 200


def test_max_sandboxes_below_what_there_are(weir, origin):
    other = "sandbox other { class test; address 127.0.0.2; }\n"
    w = weir(egress="max_sandboxes 2;\n" + BOX + other)
    w.expect(r"\[emerg\] .*max_sandboxes|the old configuration goes on")
    reload(w, "max_sandboxes 1;\n" + BOX + other)
    w.wait_log(r"more than 1 sandboxes \(max_sandboxes\)")
    w.wait_log("the old configuration goes on")
    assert ask(w, origin).status == 200
    reload(w, "max_sandboxes 1;\n" + BOX)
    until(lambda: not os.path.exists(w.ca("other")), "the file's end")
    assert ask(w, origin).status == 200


def test_log_that_cannot_be_opened_again_is_kept(weir, origin):
    w = weir()
    w.expect(r"\[emerg\] .*access.log|some logs could not")
    assert ask(w, origin).status == 200
    w.access_log(1)
    os.rename(w.path("logs", "access.log"), w.path("logs", "old.log"))
    os.mkdir(w.path("logs", "access.log"))
    w.signal("USR1")
    w.wait_log("some logs could not be opened again")
    assert ask(w, origin).status == 200
    until(lambda: w.read("logs", "old.log").count("\n") > 2, "a line")


def test_processes_log_to_the_new_configurations_file(weir):
    w = weir()
    w.configure(w.config(main="error_log logs/other.log info;"))
    w.signal("HUP")

    def holds(pid):
        try:
            names = os.listdir(f"/proc/{pid}/fd")
            links = [os.readlink(f"/proc/{pid}/fd/{n}") for n in names]
        except FileNotFoundError:
            return False  # an old one, or a descriptor, that is gone
        return w.path("logs", "other.log") in links

    until(lambda: all(map(holds, w.children())), "the new log")
    w.stop("QUIT")
    assert "exit" in w.read("logs", "other.log")


# What is open at a reload

SERVES = r"SIGHUP(.*\n)*.*configuration .* serves"


def test_idle_connections_have_one_more_answer(weir, origin):
    """By the old configuration, and no other after it; a new connection's is
    by the new one."""
    n = 50
    w = weir(main="worker_processes 2;")
    clients = [w.tunnel("origin.test", origin.port) for _ in range(n)]
    for c in clients:
        assert c.get("/", host(origin)).status == 200
    old = set(w.children("worker"))
    w.configure(w.config(
        main="worker_processes 2;",
        egress="host origin.test { return 451; }",
    ))  # fmt: skip
    w.signal("HUP")
    w.wait_log(SERVES)
    until(lambda: ask(w, origin).status == 451, "the new policy")
    had = len(origin.requests)
    assert old < set(w.children("worker"))
    for i, c in enumerate(clients):
        one = f"GET /{i} HTTP/1.1\r\nHost: {host(origin)}\r\n\r\n"
        c.send(one + one if i % 2 else one)
        r = c.read_response()
        assert r.status == 200 and r.has_token("connection", "close")
        assert c.is_closed()
        c.close()
    assert [r.target for r in origin.requests[had:]] == [f"/{i}" for i in range(n)]
    until(lambda: not old & set(w.children("worker")), "the old ones' end")
    assert ask(w, origin).status == 451


def test_a_secret_changes_for_workers_that_drain(weir, origin):
    """All generations have it, but one whose configuration means another source
    by that name."""

    def egress(source, via):
        return (
            f"secret t file:{source} hosts=origin.test; via {via};"
            "host origin.test { bearer $secret_t; }"
        )

    def has_connection_of(token, via):
        c = w.tunnel("origin.test", origin.port)
        assert c.get("/", host(origin)).status == 200
        sent = origin.requests[-1]
        if (sent.get("authorization"), sent.get("via") is not None) != (f"Bearer {token}", via):
            c.close()
            return False
        clients.append(c)
        return True

    clients = []
    values = {"one": "the-first-value", "two": "of-another-file"}
    w = weir(egress=egress("two", "off"), files=values)
    assert has_connection_of("of-another-file", False)
    for via in ("off", "on"):
        w.configure(w.config(egress=egress("one", via)))
        w.signal("HUP")
        until(lambda: has_connection_of("the-first-value", via == "on"),
              "a connection of the new generation's")  # fmt: skip
    w.write("one", "the-second-value")
    used = 'secret "t" is used from now on'
    until(lambda: w.error_log().count(used) == 2, "two generations that use it")
    had = len(origin.requests)
    for c in clients:
        assert c.get("/", host(origin)).status == 200
        c.close()
    sent = [r.get("authorization") for r in origin.requests[had:]]
    assert sent == ["Bearer of-another-file"] + 2 * ["Bearer the-second-value"]


def test_websocket_is_cut_in_its_time(weir, origin):
    """It outlives the reload; worker_shutdown_timeout ends it, nothing else."""
    seconds = 1.5 * SLOW

    def script(conn):
        conn.read_head()
        conn.send(b"HTTP/1.1 101 Switching Protocols\r\n"
                  b"Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n")  # fmt: skip
        while data := conn.recv(100):
            conn.send(data)

    origin.script = script
    w = weir(main=f"worker_shutdown_timeout {round(seconds * 1000)}ms;")
    (old,) = w.children("worker")
    with w.tunnel("origin.test", origin.port) as c:
        c.send(f"GET / HTTP/1.1\r\nHost: {host(origin)}\r\n"
               "Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n")  # fmt: skip
        assert c.read_response().status == 101
        w.configure(w.config(egress="host origin.test { return 451; }"))
        start = time.monotonic()
        w.signal("HUP")
        w.wait_log(SERVES)
        for frame in (b"\x89\x04ping", b"\x82\x01x"):
            c.send(frame)
            assert c.reader.exactly(len(frame)) == frame
        assert c.is_closed()
        assert time.monotonic() - start >= seconds
    assert origin.conns[0].done.wait(DEADLINE)
    assert "worker_shutdown_timeout: closing 1 " in w.error_log()
    until(lambda: old not in w.children("worker"), "the old one's end")
    entry = w.access_log(2)[-1]  # behind the CONNECT's
    assert (entry["status"], entry["cause"]) == (101, "the worker ended")
    assert ask(w, origin).status == 451
