"""Listeners: unix sockets, and one sandbox behind each."""

import os
import stat



def host(origin):
    return f"{origin.names[0]}:{origin.port}"


TWO = """
sandbox_class a { allowed_hosts plain.test; }
sandbox_class b { }
sandbox one { class a; }
sandbox two { class b; address 127.0.0.1; }
"""


def test_unix(weir, plain_origin):
    w = weir(egress=TWO + """
        listen unix:{{dir}}/one.sock proxy sandbox=one;
        listen unix:two.sock proxy sandbox=two mode=0666;
    """)
    mode = os.stat(w.path("one.sock")).st_mode
    assert stat.S_ISSOCK(mode) and stat.S_IMODE(mode) == 0o600
    assert stat.S_IMODE(os.stat(w.path("two.sock")).st_mode) == 0o666
    target = f"http://{host(plain_origin)}/"
    with w.client(w.path("one.sock")) as c:
        assert c.get(target, host(plain_origin)).status == 200
        assert c.get(target, host(plain_origin)).status == 200
    with w.client(w.path("two.sock")) as c:
        assert c.get(target, host(plain_origin)).status == 403
    entries = w.access_log(3)
    assert [e["sandbox"] for e in entries] == ["one", "one", "two"]
    assert {e["client"] for e in entries} == {"unix:"}
    w.stop("QUIT")
    assert not os.path.exists(w.path("one.sock"))


def test_unix_peer_has_no_address(weir):
    w = weir(egress="listen unix:s proxy;\nlisten 127.0.0.1:{{port}} proxy;")
    with w.client(w.path("s")) as c:
        assert c.is_closed()


def test_sandbox_of_a_listener(weir, plain_origin):
    """It goes before the address."""
    w = weir(egress=TWO + """
        listen 127.0.0.1:{{port}} proxy sandbox=one;
        listen 127.0.0.1:{{other_port}} proxy;
    """)
    target = f"http://{host(plain_origin)}/"
    with w.client() as c:
        assert c.get(target, host(plain_origin)).status == 200
    with w.client(w.ports["other_port"]) as c:
        assert c.get(target, host(plain_origin)).status == 403


def test_many_workers_share_a_unix_socket(weir, plain_origin):
    w = weir(
        main="worker_processes 3;",
        egress=TWO + "listen unix:s proxy sandbox=one backlog=16;",
    )
    target = f"http://{host(plain_origin)}/"
    clients = [w.client(w.path("s")) for _ in range(12)]
    for c in clients:
        assert c.get(target, host(plain_origin)).status == 200
        c.close()
