"""Time-outs and limits that a directive sets, each by what it does."""

import resource
import socket
import struct
import threading

import pytest

from lib.http import reply
from lib.wait import until
from lib.weir import GLOBALS, WRAP

MIB = 1024 * 1024


def host(origin):
    return f"{origin.names[0]}:{origin.port}"


def get(w, origin, path="/"):
    with w.client() as c:
        return c.get(f"http://{host(origin)}{path}", host(origin))


def test_proxy_connect_timeout_includes_tls(weir, origins):
    """An origin that accepts, and never answers the ClientHello."""
    silent = origins("silent.test", tls=False)
    silent.script = lambda conn: conn.reader.until(b"never in a hello")
    w = weir(egress="proxy_connect_timeout 100ms;")
    with w.tunnel("silent.test", silent.port) as c:
        r = c.get("/", host(silent))
    assert r.status == 504
    assert "connection_timeout" in r.get("Proxy-Status")


def test_proxy_send_timeout(weir, plain_origin):
    """An origin that does not read."""
    done = threading.Event()

    def deaf(conn):
        conn.read_head()
        done.wait(60)

    plain_origin.script = deaf
    plain_origin.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    w = weir(egress="proxy_send_timeout 200ms;")
    name = host(plain_origin)
    with w.client() as c:
        c.send(f"PUT http://{name}/ HTTP/1.1\r\nHost: {name}\r\n"
               f"Content-Length: {64 * MIB}\r\n\r\n")  # fmt: skip
        # Until it stands still; the answer comes while weir does not read.
        sender = threading.Thread(target=send_all, args=(c, 64 * MIB))
        sender.start()
        r = c.read_response()
        done.set()
        sender.join()  # weir has closed: it cannot send on
    assert r.status == 504
    assert "connection_write_timeout" in r.get("Proxy-Status")


def send_all(client, n):
    try:
        for _ in range(n // MIB):
            client.send(bytes(MIB))
    except OSError:
        pass


def test_send_timeout(weir, plain_origin):
    """A client that does not read."""
    def endless(conn, request):
        conn.send(b"HTTP/1.1 200 OK\r\n\r\n")
        send_all(conn, 64 * MIB)

    plain_origin.default = endless
    w = weir(egress="send_timeout 200ms;")
    name = host(plain_origin)
    with w.client() as c:
        c.send(f"GET http://{name}/ HTTP/1.1\r\nHost: {name}\r\n\r\n")
        assert w.access_log(1)[0]["cause"] == "client timed out"
        assert plain_origin.conns[0].done.wait(10)


def test_worker_shutdown_timeout(weir, plain_origin):
    w = weir(main="worker_shutdown_timeout 100ms;")
    go = threading.Event()
    plain_origin.on("/slow", lambda conn, request: go.wait(60) and b"")
    name = host(plain_origin)
    with w.client() as c:
        c.send(f"GET http://{name}/slow HTTP/1.1\r\nHost: {name}\r\n\r\n")
        plain_origin.wait_requests(1)
        w.stop("QUIT")
        assert c.is_closed()
        go.set()
    assert "worker_shutdown_timeout: closing 1" in w.error_log()


def test_no_worker_shutdown_timeout(weir, plain_origin):
    w = weir(main="worker_shutdown_timeout 0;")
    go = threading.Event()
    plain_origin.on("/slow", lambda conn, request: go.wait(60) and reply(b"x"))
    name = host(plain_origin)
    with w.client() as c:
        c.send(f"GET http://{name}/slow HTTP/1.1\r\nHost: {name}\r\n\r\n")
        plain_origin.wait_requests(1)
        old = w.children("worker")
        w.signal("HUP")
        until(lambda: set(w.children("worker")) > set(old), "a new worker")
        w.wait_log(r"SIGHUP(.*\n)*.*configuration .* serves")
        w.signal("QUIT")
        until(lambda: w.children("worker") == old, "the new one's end")
        go.set()
        assert c.read_response().body == b"x"
    assert w.wait() == 0


def files_limit(pid):
    with open(f"/proc/{pid}/limits") as f:
        line = [s for s in f if s.startswith("Max open files")][0]
    return int(line.split()[3])


@pytest.mark.skipif("valgrind" in WRAP, reason="Valgrind has limits of its own")
def test_worker_rlimit_nofile(weir):
    """Raised to that and no further; never lowered."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for given, expected in ((3000, 3000), (100, 2000)):
        w = weir(main=f"worker_rlimit_nofile {given};", start=False)
        resource.setrlimit(resource.RLIMIT_NOFILE, (2000, hard))
        try:
            w.start()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        (worker,) = w.children("worker")
        assert files_limit(worker) == expected


def test_worker_connections(weir, plain_origin):
    """What is beyond waits for a place."""
    w = weir(conf=None)
    w.stop()
    text = w.config().replace("worker_connections  512", "worker_connections 2")
    w.configure(text)
    w.start()
    first, second = w.client(), w.client()
    target, name = f"http://{host(plain_origin)}/", host(plain_origin)
    assert first.get(target, name).status == 200
    assert second.get(target, name).status == 200
    with w.client() as third:
        third.send(f"GET {target} HTTP/1.1\r\nHost: {name}\r\n\r\n")
        w.wait_log("2 worker_connections are not enough")
        assert len(plain_origin.requests) == 2
        first.close()
        assert third.read_response().status == 200
    second.close()


def test_max_sandboxes(weir):
    w = weir(start=False, egress="""
        max_sandboxes 1;
        sandbox_class k { }
        sandbox a { class k; address 127.0.0.1; }
        sandbox b { class k; address 127.0.0.2; }
    """)
    done = w.run("-t")
    assert done.returncode == 1
    assert "more than 1 sandboxes (max_sandboxes)" in done.stderr


def test_leaf_cache(weir, origins):
    """A third name takes the place of one of two; all three are served."""
    w_origins = [origins(f"{n}.test") for n in "abc"]
    w = weir(egress="leaf_cache 2;")
    seen = {}
    for o in w_origins + w_origins:
        with w.tunnel(o.names[0], o.port) as c:
            assert c.get("/", host(o)).status == 200
            serial = c.peer_certificate()["serialNumber"]
            seen.setdefault(o.names[0], set()).add(serial)
    assert sorted(len(s) for s in seen.values())[-1] == 2
    assert all(len(s) <= 2 for s in seen.values())


def test_mint_rate(weir, origins):
    names = [f"n{i}.test" for i in range(20)]
    origin = origins(*names)
    w = weir(egress="mint_rate 2;")

    def works(name):
        try:
            with w.tunnel(name, origin.port):
                return True
        except OSError:
            return False

    made = [works(name) for name in names]
    assert made[0] and not all(made)
    w.wait_log("mint_rate exceeded for")
    # A name that it has is served still.
    assert works(names[0])


def test_deny_inside(weir, origin):
    """A client that shows no reason of a refused CONNECT sees this one."""
    w = weir(egress="deny_inside on;", cls="denied_hosts origin.test;")
    with w.tunnel("origin.test", origin.port) as c:
        r = c.get("/", host(origin))
        assert r.status == 403 and b"denied_hosts" in r.body
    with w.client() as c:
        assert c.connect("elsewhere.example:443").status == 200
        c.tls("elsewhere.example", w.ca())
        assert c.get("/", "elsewhere.example").status == 403
    assert origin.conns == []
    w = weir(cls="denied_hosts origin.test;")
    with w.client() as c:
        assert c.connect(host(origin)).status == 403


def segments(sock):
    """How many segments with data came in: tcpi_data_segs_in."""
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
    return struct.unpack_from("I", info, 152)[0]


@pytest.mark.skipif("debug_one_byte" in GLOBALS, reason="on in every test")
def test_debug_one_byte(weir, plain_origin):
    """Every write moves one byte: the origin gets the head in so many."""
    came = []
    plain_origin.on("/", lambda conn, request: came.append(
        (segments(conn.sock), len(request.raw_head))) or reply(b"done")
    )  # fmt: skip
    for main in ("debug_one_byte off;", "debug_one_byte on;"):
        w = weir(main=main)
        assert get(w, plain_origin).body == b"done"
    (some, _), (many, length) = came
    assert many > length / 2 and some < length / 4
