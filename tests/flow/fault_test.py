"""Faults of the machine: out of descriptors, full disks, killed children,
storms of signals. What can be served is served."""

import pytest

import lib.weir


def host(origin):
    return f"{origin.names[0]}:{origin.port}"


@pytest.fixture
def few_descriptors(monkeypatch):
    monkeypatch.setattr(lib.weir, "WRAP", ["prlimit", "--nofile=48:48"])


def test_idle_upstream_connections_give_way(weir, origins, few_descriptors):
    """One sandbox's pool holds every descriptor; new clients and new hosts
    push it out."""
    many = [origins(f"o{i}.test", tls=False) for i in range(50)]
    w = weir()
    w.expect("accept stopped")
    with w.client() as c:
        for o in many:
            assert c.get(f"http://{host(o)}/", host(o)).status == 200
    clients = [w.client() for _ in range(20)]
    for c in clients:
        assert c.get("http://no.example/", "no.example").status == 403
    for c in clients:
        c.close()


def test_accepts_again_when_there_are_descriptors(weir, few_descriptors):
    w = weir()
    w.expect("accept stopped")
    clients = [w.client() for _ in range(60)]
    w.wait_log("accept stopped")
    for c in clients[:30]:
        c.close()
    for c in clients[30:]:
        assert c.get("http://no.example/", "no.example").status == 403
        c.close()


def test_worker_connections_are_a_limit_and_no_end(weir):
    w = weir()
    clients = [w.client() for _ in range(520)]
    w.wait_log("512 worker_connections are not enough")
    for c in clients[:100]:
        c.close()
    assert clients[519].get("http://no.example/", "no.example").status == 403
    for c in clients[100:]:
        c.close()
