"""What one sandbox may have at a time, over all workers, and that the others
do not feel it."""

import os
import signal
import threading

import pytest

import lib.weir
from lib.client import basic
from lib.http import reply
from lib.wait import until

TWO = """
sandbox box { class test; address 127.0.0.1; }
sandbox other { class test; address 127.0.0.2; }
"""
TOKEN = "box-token-0123456789"


def host(origin):
    return f"{origin.names[0]}:{origin.port}"


def get(client, origin, headers=()):
    return client.get(f"http://{host(origin)}/", host(origin), headers)


def is_closed(client):
    try:
        return client.sock.recv(1) == b""
    except ConnectionResetError:
        return True


def refusal(r, rule):
    assert r.status == 503, r
    assert rule in r.get("Proxy-Status")
    assert int(r.get("Retry-After")) >= 1
    assert rule.encode() in r.body
    return r


@pytest.fixture
def held(plain_origin):
    """Requests are answered when it is set."""
    gate = threading.Event()
    plain_origin.on("/", lambda conn, request: gate.wait(60) and reply(b"ok"))
    yield gate
    gate.set()


def opened(w, n, origin):
    """n connections that have had an answer each, kept."""
    clients = [w.client() for _ in range(n)]
    for c in clients:
        assert get(c, origin).status == 200
    return clients


def test_connections_over_all_workers(weir, plain_origin):
    w = weir(main="worker_processes 2;", cls="connections 4;", egress=TWO)
    clients = opened(w, 4, plain_origin)
    with w.client() as c:
        refusal(get(c, plain_origin), "connections")
        assert is_closed(c)
    with w.client(source="127.0.0.2") as c:
        assert get(c, plain_origin).status == 200
    clients.pop().close()

    def has_room():
        with w.client() as c:
            return get(c, plain_origin).status == 200

    until(has_room, "the place of the one that left")
    for c in clients:
        assert get(c, plain_origin).status == 200
        c.close()


def test_connection_beyond_those_that_are_told_is_closed(weir, plain_origin):
    w = weir(cls="connections 1;")
    silent = [w.client() for _ in range(17)]
    with w.client() as c:
        assert is_closed(c)
    w.wait_log("connections: more than 1, ")
    assert get(silent[0], plain_origin).status == 200
    refusal(get(silent[-1], plain_origin), "connections")
    for c in silent:
        c.close()


def test_connection_known_by_its_token(weir, plain_origin):
    """It is counted with the first head; those before it are nobody's."""
    w = weir(
        sandbox="token file:{{dir}}/token;\naddress 127.0.9.9;\n"
                "connections 1;",
        files={"token": TOKEN},
    )
    proof = [("Proxy-Authorization", basic("box", TOKEN))]
    with w.client() as first, w.client() as second, w.client() as third:
        assert get(first, plain_origin, proof).status == 200
        refusal(get(second, plain_origin, proof), "connections")
        assert get(first, plain_origin, proof).status == 200
        assert get(third, plain_origin).status == 407


def test_connections_of_a_killed_worker_come_back(weir, plain_origin):
    w = weir(cls="connections 2;")
    w.expect("exited on signal")
    clients = opened(w, 2, plain_origin)
    os.kill(w.children("worker")[0], signal.SIGKILL)
    for c in clients:
        assert is_closed(c)

    kept = []

    def is_served():
        c = w.client()
        if get(c, plain_origin).status != 200:
            c.close()
            return False
        kept.append(c)
        return len(kept) == 2

    until(is_served, "another worker and the places of the first")
    for c in kept:
        c.close()


def test_connections_outlive_a_reload(weir, plain_origin):
    """What the old generation still has counts with the new one's."""
    w = weir(cls="connections 2;")
    clients = opened(w, 2, plain_origin)
    before = w.children("worker")
    w.signal("HUP")
    until(lambda: set(w.children("worker")) - set(before), "new workers")
    w.wait_log("serves(?s:.*)serves")
    with w.client() as c:
        refusal(get(c, plain_origin), "connections")
    for c in clients:
        c.close()


def test_no_limit_is_set_back_by_a_worker_that_drains(weir, plain_origin, held):
    """It goes by its own configuration, the new one by the new."""
    w = weir(cls="requests 3; rate 1000000r/s;")
    name = host(plain_origin)
    text = f"GET http://{name}/ HTTP/1.1\r\nHost: {name}\r\n\r\n"
    late, old = w.client(), w.client()  # accepted in that order
    late.send(text[:-2])
    old.send(text)
    plain_origin.wait_requests(1)
    w.configure(w.config(cls="requests 1; rate 1r/m burst=4;"))
    w.signal("HUP")
    w.wait_log("serves(?s:.*)serves")
    with w.client() as c:
        refusal(get(c, plain_origin), "requests")
        late.send(text[-2:])
        plain_origin.wait_requests(2)
        refusal(get(c, plain_origin), "requests")
        refusal(get(c, plain_origin), "rate")
    held.set()
    for c in (old, late):
        assert c.read_response().status == 200
        c.close()


def test_rate(weir, plain_origin):
    w = weir(cls="rate 6r/m burst=2;", egress=TWO)
    with w.client() as c:
        assert get(c, plain_origin).status == 200
        assert get(c, plain_origin).status == 200
        r = refusal(get(c, plain_origin), "rate")
        assert 1 <= int(r.get("Retry-After")) <= 10
        refusal(c.connect("denied.example:443"), "rate")
    with w.client(source="127.0.0.2") as c:
        assert get(c, plain_origin).status == 200
    assert len(plain_origin.requests) == 3


def test_rate_comes_back(weir, plain_origin):
    w = weir(cls="rate 20r/s burst=1;")
    with w.client() as c:
        assert get(c, plain_origin).status == 200
        until(lambda: get(c, plain_origin).status == 200, "a token")


def test_requests_in_progress(weir, plain_origin, held):
    w = weir(cls="requests 1;", egress=TWO)
    with w.client() as first, w.client() as second:
        name = host(plain_origin)
        first.send(f"GET http://{name}/ HTTP/1.1\r\nHost: {name}\r\n\r\n")
        plain_origin.wait_requests(1)
        refusal(get(second, plain_origin), "requests")
        held.set()
        assert first.read_response().status == 200
        assert get(second, plain_origin).status == 200


def test_requests_that_a_client_leaves_come_back(weir, plain_origin, held):
    w = weir(sandbox="requests 1;")
    name = host(plain_origin)
    with w.client() as c:
        c.send(f"GET http://{name}/ HTTP/1.1\r\nHost: {name}\r\n\r\n")
        plain_origin.wait_requests(1)
        c.reset()
    w.access_log(1)
    held.set()
    with w.client() as c:
        assert get(c, plain_origin).status == 200


def test_off_is_a_class_exception(weir, plain_origin):
    w = weir(
        egress="requests 1; rate 1r/m;",
        sandbox="requests off; rate off;",
    )
    with w.client() as c:
        for _ in range(4):
            assert get(c, plain_origin).status == 200


def test_largest_holder_is_shed_first(weir, plain_origin):
    """Alone a sandbox comes to 8/9 of a worker's connections."""
    w = weir(egress=TWO, events="worker_connections 18;")
    clients = opened(w, 16, plain_origin)
    with w.client() as c:
        assert is_closed(c)
    w.wait_log("worker_connections run short: 17 of 18 in use, 17 of them")
    with w.client(source="127.0.0.2") as c:
        assert get(c, plain_origin).status == 200
    for c in clients:
        assert get(c, plain_origin).status == 200
        c.close()


def test_largest_holder_is_shed_first_when_descriptors_run_short(
    weir, plain_origin, held, monkeypatch
):
    """Those it has keep both of theirs: a client's and an origin's."""
    monkeypatch.setattr(lib.weir, "WRAP", ["prlimit", "--nofile=400:400"])
    plain_origin.on("/free", lambda conn, request: reply(b"free"))
    w = weir(cls="header_slots 1000;", egress=TWO)
    w.expect("400 are allowed")
    name = host(plain_origin)
    clients = [w.client() for _ in range(100)]
    for c in clients:
        c.send(f"GET http://{name}/ HTTP/1.1\r\nHost: {name}\r\n\r\n")
    w.wait_log("descriptors for connections run short")
    with w.client(source="127.0.0.2") as c:
        assert c.get(f"http://{name}/free", name).body == b"free"
    held.set()
    served = [c for c in clients if not is_closed(c)]
    assert len(plain_origin.requests) == len(served) + 1
    assert 20 < len(served) < 90
    assert "Too many open files" not in w.error_log()


@pytest.mark.parametrize("line, why", [
    ("connections 0;", "invalid value"), ("requests 0;", "invalid value"),
    ("requests many;", "invalid value"), ("rate 10;", 'invalid rate "10"'),
    ("rate 0r/s;", "invalid rate"), ("rate r/s;", "invalid rate"),
    ("rate 1r/h;", "invalid rate"), ("rate 1r/s burst=0;", "invalid burst"),
    ("rate 1r/s 5;", "invalid burst"), ("rate off burst=1;", "invalid rate"),
])  # fmt: skip
def test_bad_values(weir, line, why):
    w = weir(cls=line, start=False)
    done = w.run("-t")
    assert done.returncode == 1 and why in done.stderr


def test_explain(weir):
    w = weir(cls="requests 7; rate 30r/m;", sandbox="connections 9;")
    said = w.run("-E", "box", "GET", "http://a.test/").stdout
    for line in ("connections 9", "requests 7", "rate 0.5r/s burst=1"):
        assert line in said
