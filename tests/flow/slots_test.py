"""Header slots: so many requests of a sandbox wait for heads at a time, over
all workers; a head gives its slot to the one that waits longest."""

import json
import os
import re
import signal
import threading

import pytest

from lib.http import reply
from lib.wait import SLOW as SLOWNESS, until

SLOW = int(SLOWNESS)

WAITS = "waits for a header slot"


def host(origin):
    return f"{origin.names[0]}:{origin.port}"


class Gate:
    """Requests for /gate of an origin wait here for what they are answered."""

    def __init__(self, origin):
        self.origin = origin
        self.lock = threading.Condition()
        self.answers = {}
        self.arrived = []
        origin.on("/gate", self.answer)

    def answer(self, conn, request):
        name = request.target.partition("?")[2]
        with self.lock:
            self.arrived.append(name)
            self.lock.wait_for(lambda: name in self.answers, 60)
            answer = self.answers.pop(name, None)  # the test may be over
        return answer(conn) if callable(answer) else answer

    def open(self, name, answer=reply(b"ok")):
        with self.lock:
            self.answers[name] = answer
            self.lock.notify_all()

    def wait(self, n):
        until(lambda: len(self.arrived) >= n, f"{n} at the gate")
        assert len(self.arrived) == n, self.arrived
        return self.arrived


@pytest.fixture
def gate(plain_origin):
    return Gate(plain_origin)


def send(client, origin, target):
    name = host(origin)
    client.send(f"GET http://{name}{target} HTTP/1.1\r\nHost: {name}\r\n\r\n")
    return client


def ask(w, gate, name, source=None):
    """A client whose request stands at the gate, or waits to."""
    return send(w.client(source=source), gate.origin, f"/gate?{name}")


def wait_waiting(w, n):
    until(lambda: w.error_log().count(WAITS) >= n, f"{n} that wait")
    assert w.error_log().count(WAITS) == n


def waiting(w):
    """The worker of each that came to wait, in their order."""
    return [int(m) for m in re.findall(rf"(\d+): \*\d+ {WAITS}", w.error_log())]


def wait_in_both(w, gate, clients):
    """Adds clients, ten at least, until some wait in each of two workers;
    their names."""
    line = []
    while len(set(waiting(w))) < 2 or len(line) < 10:
        line.append(str(len(clients)))
        clients[line[-1]] = ask(w, gate, line[-1])
        wait_waiting(w, len(line))
        assert len(line) < 100
    return line


def get(w, origin, target="/", headers=()):
    with w.client() as c:
        return c.get(f"http://{host(origin)}{target}", host(origin), headers)


def test_seventh_starts_with_the_first_head(weir, gate):
    """Six is the default; bodies are not counted, however long."""
    w = weir()
    clients = [ask(w, gate, str(i)) for i in range(6)]
    gate.wait(6)
    clients.append(ask(w, gate, "6"))
    wait_waiting(w, 1)
    gate.open("3", b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab")
    assert gate.wait(7)[6] == "6"
    clients[3].reader.until(b"\r\n\r\n")
    for i in (0, 1, 2, 4, 5, 6):
        gate.open(str(i))
        assert clients[i].read_response().body == b"ok"
    gate.origin.requests[[r.target for r in gate.origin.requests].index(
        "/gate?3")].conn.send(b"cd")  # fmt: skip
    assert clients[3].reader.exactly(4) == b"abcd"
    waits = sorted(float(e["slot_wait_time"]) for e in w.access_log(7))
    assert waits[:6] == [0] * 6


def test_one_count_for_all_workers_and_in_order(weir, gate):
    w = weir(main="worker_processes 2;", cls="header_slots 2;")
    clients = {"0": ask(w, gate, "0")}
    gate.wait(1)
    clients["1"] = ask(w, gate, "1")
    gate.wait(2)
    line = wait_in_both(w, gate, clients)
    n, open_ = len(clients), ["0", "1"]
    while open_:
        name = open_.pop(0)
        gate.open(name)
        assert clients.pop(name).read_response().body == b"ok"
        if line:
            open_.append(line.pop(0))
            assert gate.wait(n - len(line))[-1] == open_[-1]
    assert not clients


def test_queue_is_full(weir, gate):
    w = weir(cls="header_slots 1; header_slots_queue 1;")
    first = ask(w, gate, "a")
    gate.wait(1)
    second = ask(w, gate, "b")
    wait_waiting(w, 1)
    r = get(w, gate.origin, headers=[("Accept", "application/json")])
    assert r.status == 503
    assert r.get("Retry-After") == "5"
    status = "weir; error=connection_limit_reached; details="
    assert r.get("Proxy-Status").startswith(status + '"header_slots_queue: 1 ')
    problem = json.loads(r.body)
    assert problem["rule"] == "header_slots_queue"
    assert problem["status"] == 503
    gate.open("a")
    assert first.read_response().status == 200
    gate.open("b")
    assert second.read_response().status == 200
    assert get(w, gate.origin).status == 200
    entry = w.access_log(4)[0]
    assert entry["cause"] == "header_slots_queue exceeded"
    assert entry["upstream_addr"] == "-"


def test_no_queue_at_all(weir, gate):
    w = weir(cls="header_slots 1; header_slots_queue 0;")
    first = ask(w, gate, "a")
    gate.wait(1)
    assert get(w, gate.origin).status == 503
    gate.open("a")
    assert first.read_response().status == 200
    assert get(w, gate.origin).status == 200


def test_waits_no_longer_than_that(weir, gate):
    w = weir(cls="header_slots 1; header_slots_timeout 100ms;")
    first = ask(w, gate, "a")
    gate.wait(1)
    with w.client() as c:
        r = c.get(f"http://{host(gate.origin)}/", host(gate.origin))
        assert r.status == 503
        assert r.get("Retry-After") == "5"
        assert "header_slots_timeout" in r.get("Proxy-Status")
        gate.open("a")
        assert first.read_response().status == 200
        assert c.get(f"http://{host(gate.origin)}/", host(gate.origin)).body
    assert [r.target for r in gate.origin.requests] == ["/gate?a", "/"]
    assert float(w.access_log(3)[0]["slot_wait_time"]) >= 0.1


def test_who_leaves_makes_room(weir, gate):
    w = weir(
        cls="header_slots 1; header_slots_queue 2;",
        egress="lingering_time 100ms;",
    )
    first = ask(w, gate, "a")
    gate.wait(1)
    gone, stays = [ask(w, gate, n) for n in "bc"]
    wait_waiting(w, 2)
    gone.close()
    assert w.access_log(1)[0]["cause"] == "client closed the connection"
    more = ask(w, gate, "d")
    wait_waiting(w, 3)
    for name, client in (("a", first), ("c", stays), ("d", more)):
        gate.open(name)
        assert client.read_response().status == 200
    assert gate.arrived == ["a", "c", "d"]


@pytest.mark.parametrize("how", ["close", "reset"])
def test_who_leaves_is_seen_behind_unread_bytes(weir, gate, how):
    """weir has no room for all that the client sent before it left; the system
    has, or nobody could know of it."""
    w = weir(
        cls="header_slots 1; header_slots_queue 1;",
        egress="lingering_time 100ms; client_header_buffer_size 4k;",
    )
    first = ask(w, gate, "a")
    gate.wait(1)
    name = host(gate.origin)
    gone = w.client()
    gone.send(f"PUT http://{name}/ HTTP/1.1\r\nHost: {name}\r\n"
              "Content-Length: 500000\r\n\r\n")  # fmt: skip
    wait_waiting(w, 1)
    gone.send(bytes(90000))
    getattr(gone, how)()
    assert w.access_log(1)[0]["cause"] == "client closed the connection"
    gate.open("a")
    assert first.read_response().status == 200
    assert [r.target for r in gate.origin.requests] == ["/gate?a"]


def test_body_at_fault_leaves_the_line(weir, gate):
    w = weir(cls="header_slots 1;", egress="client_max_body_size 5;")
    first = ask(w, gate, "a")
    gate.wait(1)
    name = host(gate.origin)
    with w.client() as c:
        c.send(f"PUT http://{name}/ HTTP/1.1\r\nHost: {name}\r\n"
               "Transfer-Encoding: chunked\r\n\r\n")  # fmt: skip
        wait_waiting(w, 1)
        c.send("8\r\n12345678\r\n")
        assert c.read_response().status == 413
    gate.open("a")
    assert first.read_response().status == 200
    assert get(w, gate.origin).status == 200
    assert [r.target for r in gate.origin.requests] == ["/gate?a", "/"]


def test_failures_free_the_slot(weir, plain_origin):
    """One slot; nobody may wait: a slot that is lost shows at once."""
    plain_origin.on("/gone", lambda conn, request: conn.hang_up())
    plain_origin.on("/reset", lambda conn, request: conn.reset())
    plain_origin.on("/silent", lambda conn, request: None)
    plain_origin.on("/junk", b"HTTP/1.1 what\r\n\r\n")
    plain_origin.on("/switch", b"HTTP/1.1 101 X\r\nUpgrade: x\r\n\r\n")
    plain_origin.on("/many", b"HTTP/1.1 102 Processing\r\n\r\n" * 40)
    plain_origin.on("/cut", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx")
    w = weir(
        cls="header_slots 1; header_slots_queue 0; allowed_hosts *;",
        egress=f"host plain.test {{ proxy_header_timeout {300 * SLOW}ms; }}"
        "host nowhere.test { ports 1; } resolve nowhere.test 127.0.0.1;"
        "resolve plain.test 127.0.0.1;",
    )
    for path in ("gone", "reset", "silent", "junk", "switch", "many"):
        status = 504 if path == "silent" else 502
        assert get(w, plain_origin, f"/{path}").status == status
        assert get(w, plain_origin).status == 200, path
    with w.client() as c:
        assert c.get("http://nowhere.test:1/", "nowhere.test:1").status == 502
    with w.client() as c:
        send(c, plain_origin, "/cut").reader.until(b"\r\n\r\n")
    assert get(w, plain_origin).status == 200


def test_reset_anywhere_in_a_response(weir, plain_origin):
    whole = (b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
             b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
             b"5\r\nhello\r\n0\r\n\r\n")  # fmt: skip

    def cut(conn, request):
        conn.send(whole[: int(request.target.partition("?")[2])])
        conn.reset()

    plain_origin.on("/cut", cut)
    w = weir(cls="header_slots 1; header_slots_queue 0;")
    name = host(plain_origin)
    for at in range(0, len(whole), 3):
        with w.client() as c:
            c.send(f"GET http://{name}/cut?{at} HTTP/1.1\r\nHost: {name}\r\n"
                   "Connection: close\r\n\r\n")  # fmt: skip
            try:
                c.read_eof()
            except ConnectionError:
                pass
        assert get(w, plain_origin).status == 200, at


def test_switch_and_interim(weir, gate):
    """A 1xx keeps the slot, a 101 gives it back."""
    w = weir(cls="header_slots 1;")
    name = host(gate.origin)
    first = w.client().send(
        f"GET http://{name}/gate?a HTTP/1.1\r\nHost: {name}\r\n"
        "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    )
    gate.wait(1)
    second = ask(w, gate, "b")
    wait_waiting(w, 1)
    conn = gate.origin.requests[0].conn
    conn.send(b"HTTP/1.1 103 Early Hints\r\n\r\n")
    assert first.read_response(interim=True).status == 103
    assert gate.arrived == ["a"]
    gate.open("a", b"HTTP/1.1 101 Switching Protocols\r\n"
              b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n")  # fmt: skip
    assert first.read_response().status == 101
    gate.wait(2)
    gate.open("b")
    assert second.read_response().status == 200


def test_what_takes_none(weir, gate, origins):
    """CONNECT, passthrough tunnels, return, weir's own answers."""
    blind = origins("blind.test")
    w = weir(
        cls="header_slots 1; header_slots_queue 0;",
        egress="host blind.test { intercept off; }"
        "host own.test { return 204; }",
    )
    first = ask(w, gate, "a")
    gate.wait(1)
    with w.client() as c:
        assert c.get("http://own.test/", "own.test").status == 204
        assert c.get("http://denied.example/", "denied.example").status == 403
    with w.client() as c:
        assert c.connect(host(blind)).status == 200
        c.tls("blind.test", w.pki.ca)
        assert c.get("/", host(blind)).body == b"hello from the origin\n"
        assert get(w, gate.origin).status == 503
    gate.open("a")
    assert first.read_response().status == 200
    for e in w.access_log(6):
        assert (e["slot_wait_time"] == "-") == (
            e["host"] != "plain.test"
        ), e


def test_slot_is_kept_over_a_retry(weir, plain_origin):
    """An idle connection that died meanwhile: one slot is enough for both."""
    w = weir(cls="header_slots 1; header_slots_queue 0;")

    def once(conn):
        conn.read_request()
        conn.send(reply(b"one"))
        conn.read_request()
        conn.hang_up()
        plain_origin.script = plain_origin.serve

    plain_origin.script = once
    assert get(w, plain_origin).body == b"one"
    assert get(w, plain_origin).status == 200
    assert len(plain_origin.requests) == 3
    assert get(w, plain_origin).status == 200


def test_sandboxes_have_slots_of_their_own(weir, gate):
    boxes = "".join(
        f"sandbox s{i} {{ class test; address 127.0.0.{i}; {own} }}"
        for i, own in ((1, ""), (2, ""), (3, "header_slots 2;"))
    )
    w = weir(egress=boxes, cls="header_slots 1; header_slots_queue 0;")
    clients = [ask(w, gate, n, f"127.0.0.{n[0]}") for n in ("1", "2", "3", "3b")]
    gate.wait(4)
    for n in "123":
        with w.client(source=f"127.0.0.{n}") as c:
            send(c, gate.origin, "/")
            assert c.read_response().status == 503
    for n, c in zip(("1", "2", "3", "3b"), clients):
        gate.open(n)
        assert c.read_response().status == 200


def test_reload_while_they_wait_and_hold(weir, gate):
    """The old generation finishes what waits there; both obey one count."""
    w = weir(cls="header_slots 1;")
    clients = {n: ask(w, gate, n) for n in "a"}
    gate.wait(1)
    clients["b"] = ask(w, gate, "b")
    wait_waiting(w, 1)
    old = set(w.children("worker"))
    assert len(old) == 1
    w.configure(w.config(cls="header_slots 1;", main="worker_processes 2;"))
    w.signal("HUP")
    until(lambda: w.error_log().count("serves") > 1, "the new generation")
    clients["c"] = ask(w, gate, "c")
    wait_waiting(w, 2)
    assert old < set(w.children("worker"))
    for i, n in enumerate("abc"):
        assert gate.wait(i + 1)[-1] == n
        gate.open(n)
        assert clients[n].read_response().status == 200
    until(lambda: not old & set(w.children("worker")), "the old ones' end")
    assert get(w, gate.origin).status == 200


def test_raised_by_a_reload(weir, gate):
    """What waits in the old generation has the new limit's slots at once, in
    its order, though nobody asks the new one for any."""
    w = weir(main="worker_processes 2;", cls="header_slots 1;")
    clients = {"0": ask(w, gate, "0")}
    gate.wait(1)
    clients |= {n: ask(w, gate, n) for n in "123"}
    wait_waiting(w, 3)
    w.configure(w.config(main="worker_processes 2;", cls="header_slots 3;"))
    w.signal("HUP")
    assert len(gate.wait(3)) == 3
    gate.open("0")
    gate.wait(4)
    for name, client in clients.items():
        gate.open(name)
        assert client.read_response().status == 200


def test_an_undone_reload_raises_nothing(weir, gate):
    """Its workers were started, and never served."""
    w = weir(cls="header_slots 1;")
    w.expect(r"exited on signal 9|\[emerg\].*the old configuration goes on")
    clients = {"0": ask(w, gate, "0")}
    gate.wait(1)
    clients["1"] = ask(w, gate, "1")
    wait_waiting(w, 1)
    (old,) = w.children("worker")
    main = "worker_processes 3;\ndebug_stop_workers on;"
    w.configure(w.config(main=main, cls="header_slots 3;"))
    w.reload_failed(3)
    w.wait_log("ended before it was ready: the old configuration goes on")
    until(lambda: w.children("worker") == [old], "the end of the others")
    assert gate.arrived == ["0"]
    for name, client in clients.items():
        gate.open(name)
        assert client.read_response().status == 200


def marked(w):
    with w.client() as c:
        return c.get("http://marker.test/", "marker.test").status


def test_lowered_by_a_reload(weir, gate):
    """None is cut, and what drains does not raise it again."""
    # A marker of the old generation, too: else it would want a slot there.
    w = weir(cls="header_slots 3;", egress="host marker.test { return 404; }")
    late = w.client()
    assert send(late, gate.origin, "/").read_response().status == 200
    clients = {n: ask(w, gate, n) for n in "01"}
    gate.wait(2)
    marker = "host marker.test { return 410; }"
    w.configure(w.config(cls="header_slots 1;", egress=marker))
    w.signal("HUP")
    until(lambda: marked(w) == 410, "the new generation")
    clients["2"] = send(late, gate.origin, "/gate?2")  # its last one
    wait_waiting(w, 1)
    for n, name in ((2, "0"), (3, "1"), (3, "2")):
        gate.open(name)
        assert clients[name].read_response().status == 200
        assert len(gate.wait(n)) == n


def test_slots_of_a_killed_worker_come_back(weir, gate):
    w = weir(main="worker_processes 2;", cls="header_slots 1;")
    w.expect(r"exited on signal 9")
    clients = {"0": ask(w, gate, "0")}
    gate.wait(1)
    line = wait_in_both(w, gate, clients)
    # Who holds it: in the other, the first connection is one that waits.
    (other,) = re.findall(rf"(\d+): \*1 {WAITS}", w.error_log())
    (holder,) = set(w.children("worker")) - {int(other)}
    alive = [n for n, pid in zip(line, waiting(w)) if pid == int(other)]
    os.kill(holder, signal.SIGKILL)
    for k, name in enumerate(alive):
        assert gate.wait(k + 2)[-1] == name
        gate.open(name)
        assert clients[name].read_response().status == 200
    gate.open("0")
    assert get(w, gate.origin).status == 200
