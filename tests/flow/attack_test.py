"""Attacks by a hostile sandbox or origin: each found something once, or might
have."""

import json
import os
import re
import select
import signal
import socket
import ssl
import threading

import pytest

from lib.client import basic, client_hello
from lib.http import Reader, Truncated, reply
from lib.wait import until
from lib.weir import resident


def host(origin):
    return f"{origin.names[0]}:{origin.port}"


@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_own_answer_to_head_has_no_body(weir, method):
    """A body behind it would be read as the next response."""
    w = weir()
    with w.client() as c:
        for _ in range(2):
            r = c.request(method, "http://no.example/", "no.example")
            assert r.status == 403 and int(r.get("Content-Length")) > 0
            assert c.reader.buffer == b""
        assert c.get("http://no.example/", "no.example").status == 403


@pytest.mark.parametrize("tls", [True, False])
def test_bytes_behind_a_long_body_reach_no_one(weir, origins, tls):
    """They lie in the TLS layer or the socket, where the body's last read
    left them, when the next request looks for a connection."""
    o = origins("o.test", tls=tls)
    body = b"a" * 20000

    def answer(conn, request):
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 20000\r\n\r\n" + body[:9999])
        conn.send(body[9999:] + reply(b"smuggled"))

    o.on("/x", answer)
    w = weir()
    with w.tunnel("o.test", o.port) if tls else w.client() as c:
        url = "" if tls else f"http://{host(o)}"
        for i in range(1, 4):
            c.send(
                f"GET {url}/x HTTP/1.1\r\nHost: {host(o)}\r\n\r\n"
                f"GET {url}/y HTTP/1.1\r\nHost: {host(o)}\r\n\r\n"
            )
            assert c.read_response().body == body
            assert c.read_response().body == b"hello from the origin\n"
            o.wait_conns(i + 1)


@pytest.mark.parametrize("end", ["\r\n", "\r\r"])
def test_request_trailers_cost_no_memory(weir, plain_origin, end):
    """Whole or broken off in the middle; a megabyte of them leaves nothing."""
    url = f"http://{host(plain_origin)}/"
    w = weir()
    (pid,) = w.children("worker")

    def post():
        with w.client() as c:
            c.send(
                f"POST {url} HTTP/1.1\r\nHost: {host(plain_origin)}\r\n"
                "Transfer-Encoding: chunked\r\n\r\n"
                f"1\r\na\r\n0\r\nX-T: {'t' * 8000}\r\n{end}"
            )
            c.reader.response()

    for _ in range(20):
        post()
    before = resident(pid)
    if before is None:
        pytest.skip("freed memory is kept")
    for _ in range(130):
        post()
    assert resident(pid) - before < 700


def test_request_trailers_are_filtered(weir, plain_origin):
    """They are forwarded, but none that a head alone may have, that was
    removed from the head, or that mimics one of those."""
    w = weir(egress="host plain.test { proxy_set_header X-Own a; }")
    trailers = [
        "X-Sum: 1", "X-Own: 2", "x_own: 3", "Authorization: 4", "Cookie: 5",
        "Proxy-Authorization: 6", "proxy_x: 7", "X-Http_Method-Override: 8",
        "Content-Type: 9", "X-Forwarded-For: 10",
    ]  # fmt: skip
    with w.client() as c:
        c.send(
            f"POST http://{host(plain_origin)}/ HTTP/1.1\r\n"
            f"Host: {host(plain_origin)}\r\nTransfer-Encoding: chunked\r\n\r\n"
            "1\r\na\r\n0\r\n" + "\r\n".join(trailers) + "\r\n\r\n"
        )
        assert c.read_response().status == 200
    assert plain_origin.requests[0].trailers == [("X-Sum", "1")]


@pytest.mark.parametrize("name", ["Content-Length", "transfer_encoding", "Host"])
def test_framing_among_the_trailers_is_refused(weir, plain_origin, name):
    w = weir()
    with w.client() as c:
        c.send(
            f"POST http://{host(plain_origin)}/ HTTP/1.1\r\n"
            f"Host: {host(plain_origin)}\r\nTransfer-Encoding: chunked\r\n\r\n"
            f"1\r\na\r\n0\r\n{name}: 5\r\n\r\n"
        )
        assert c.read_response().status == 400
    assert plain_origin.requests == []


def ignoring_errors(call, *args):
    """A thread for a connection that the test will tear down."""

    def run():
        try:
            call(*args)
        except (OSError, ValueError):
            pass

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_pipelined_flood_leaves_others_their_turn(weir):
    """weir's own answers need no event, so nothing stops their stream but
    the loop's fairness."""
    flood = "GET http://no.example/a HTTP/1.1\r\nHost: no.example\r\n\r\n" * 20000
    w = weir(egress="keepalive_requests 1000000;")
    with w.client() as a, w.client() as b:
        assert b.get("http://no.example/b", "no.example").status == 403
        threads = [ignoring_errors(a.send, flood)]
        a.read_response()
        threads.append(ignoring_errors(a.reader.to_eof))
        for _ in range(5):
            assert b.get("http://no.example/b", "no.example").status == 403
        paths = [e["path"] for e in w.access_log(6)]
        assert paths.count("/a") < 10000
        a.sock.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join()


@pytest.mark.parametrize("form", ["json", "default", "wide"])
def test_no_request_is_too_long_for_the_log(weir, form):
    """A path that could not be logged would be a way past the log."""
    wide = "log_format wide '" + " ".join(["$uri $http_a"] * 60) + "';"
    w = weir(egress=f"{wide} access_log logs/access.log {form};")
    with w.client() as c:
        for path in ("a" * 16000, '"' * 16000, "b"):
            r = c.get(
                f"http://no.example/{path}", "no.example", [("A", "\xff" * 4000)]
            )
            assert r.status in (400, 403, 414)
        assert c.get("http://no.example/end", "no.example").status == 403
    w.stop()
    lines = w.read("logs", "access.log").splitlines()
    assert len(lines) == 4 and max(map(len, lines)) <= 65536
    assert "/aaaa" in lines[0]
    if form == "json":
        assert [json.loads(line)["host"] for line in lines][3] == "no.example"


@pytest.mark.parametrize("n, status", [(2, 200), (3, 502)])
def test_interim_heads_share_one_limit(weir, plain_origin, n, status):
    """32 of 64 KiB each would lie in the worker three times."""
    interim = b"HTTP/1.1 103 Early Hints\r\nLink: " + b"x" * 25000 + b"\r\n\r\n"
    plain_origin.default = interim * n + reply(b"x")
    w = weir()
    with w.client() as c:
        r = c.get(f"http://{host(plain_origin)}/", host(plain_origin))
        assert r.status == status


# A hostile origin

WHOLE = {
    "length": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwhole",
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
               b"5\r\nwhole\r\n0\r\nX-T: 1\r\n\r\n",
}  # fmt: skip


@pytest.mark.parametrize("end", ["hang_up", "reset"])
@pytest.mark.parametrize("framing", WHOLE)
@pytest.mark.parametrize("tls", [True, False])
def test_response_cut_at_each_byte(weir, origins, tls, framing, end):
    """Never taken for whole, never waited for."""
    o = origins("o.test", tls=tls)
    whole = WHOLE[framing]

    def cut(conn, request):
        n = int(request.target.rpartition("/")[2])
        conn.send(whole[:n])
        getattr(conn, end)()

    o.default = cut
    w = weir()
    workers = w.children("worker")
    for n in range(0, len(whole), 3 if tls else 1):
        with w.tunnel("o.test", o.port) if tls else w.client() as c:
            url = "" if tls else f"http://{host(o)}"
            c.send(f"GET {url}/{n} HTTP/1.1\r\nHost: {host(o)}\r\n\r\n")
            if n < whole.index(b"\r\n\r\n") + 4:
                assert c.read_response().status == 502
                continue
            try:
                assert c.reader.response("GET") is None
            except (ConnectionError, Truncated):
                pass
    assert w.children("worker") == workers


def test_hundred_responses_to_one_request(weir, plain_origin):
    """… and a response before any request: they reach no other request."""
    plain_origin.script = lambda conn: (
        conn.send(reply(b"early") * 100),
        conn.reader.to_eof(),
    )
    url = f"http://{host(plain_origin)}/"
    w = weir()
    with w.client() as c:
        for i in range(3):
            assert c.get(url, host(plain_origin)).body == b"early"
            assert len(plain_origin.conns) == i + 1


@pytest.mark.parametrize("n, status", [(32, 200), (33, 502)])
def test_interim_storm(weir, plain_origin, n, status):
    plain_origin.default = b"HTTP/1.1 100 Continue\r\n\r\n" * n + reply(b"x")
    w = weir()
    with w.client() as c:
        r = c.get(f"http://{host(plain_origin)}/", host(plain_origin))
        assert r.status == status


SPLITS = {
    "reason": b"HTTP/1.1 200 OK\rX: 1\r\nContent-Length: 0\r\n\r\n",
    "value": b"HTTP/1.1 200 OK\r\nA: b\rC: d\r\nContent-Length: 0\r\n\r\n",
    "name": b"HTTP/1.1 200 OK\r\nA b: c\r\nContent-Length: 0\r\n\r\n",
    "no name": b"HTTP/1.1 200 OK\r\n: c\r\nContent-Length: 0\r\n\r\n",
    "space": b"HTTP/1.1 200 OK\r\n Content-Length: 0\r\n\r\n",
    "coding 1.0": b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                  b"0\r\n\r\n",
    "coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"
              b"0\r\n\r\n",
    "length list": b"HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\nx",
    "length sign": b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    "length in lines": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n 0\r\n\r\nx",
    "version": b"HTTP/2 200 OK\r\nContent-Length: 0\r\n\r\n",
    "http/0.9": b"<html>",
    "leading": b"\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
}  # fmt: skip


def send_and_close(conn, answer):
    conn.send(answer)
    conn.close()


def test_ambiguous_responses_are_refused(weir, plain_origin):
    """One client for all: what went wrong upstream costs it nothing."""
    for i, answer in enumerate(SPLITS.values()):
        plain_origin.on(f"/{i}", lambda conn, _, a=answer: send_and_close(conn, a))
    url = f"http://{host(plain_origin)}"
    w = weir()
    with w.client() as c:
        for i, name in enumerate(SPLITS):
            r = c.get(f"{url}/{i}", host(plain_origin))
            assert r.status == 502, name
        assert c.get(f"{url}/", host(plain_origin)).status == 200


# A hostile sandbox


def test_client_that_resets_at_each_byte(weir, plain_origin):
    url = f"http://{host(plain_origin)}/"
    text = (
        f"POST {url} HTTP/1.1\r\nHost: {host(plain_origin)}\r\n"
        "Transfer-Encoding: chunked\r\n\r\n5\r\nwhole\r\n0\r\nX: y\r\n\r\n"
    )
    w = weir()
    workers = w.children("worker")
    for n in range(len(text) + 1):
        c = w.client()
        c.send(text[:n])
        c.reset()
    with w.client() as c:
        c.send(text)
        assert c.read_response().status == 200
    assert w.children("worker") == workers
    whole = [r for r in plain_origin.requests if r.body == b"whole"]
    assert 1 <= len(whole) <= 3  # never a request that was not whole


def test_handshake_that_stops_at_each_byte(weir, origin):
    hello = client_hello("origin.test")
    w = weir()
    workers = w.children("worker")
    for n in range(0, len(hello) + 1, 7):
        c = w.client()
        assert c.connect(host(origin)).status == 200
        c.send(hello[:n])
        c.reset() if n % 2 else c.close()
    with w.tunnel("origin.test", origin.port) as c:
        assert c.get("/", host(origin)).status == 200
    assert w.children("worker") == workers


NAMES = """
no.example NO.EXAMPLE no.example. plain.test.no.example plain.test@no.example
no.example%00.test no.example%2etest no.example%23.test plain.test%2f.no.example
plain.test\\.no.example plain.test,no.example xn--plain.test.example
..plain.test plain.test.. plain..test .plain.test plain\u00ad.test
127.1 127.0.0.1 0127.0.0.1 0x7f000001 2130706433 0 00000000 127.0.0.1. 0x.test.0
[::1] [::] [::ffff:127.0.0.1] [::ffff:7f00:1] [::127.0.0.1] [64:ff9b::7f00:1]
[2002:7f00:1::] [::1%25lo] [::1%lo] [fe80::1] [0:0:0:0:0:ffff:127.0.0.1]
[64:ff9b:1::127.0.0.1] [2001:0:1::80ff:fffe] 169.254.169.254 [fd00:ec2::254]
localhost localhost. a.localhost
""".split()


@pytest.mark.parametrize("how", ["connect", "absolute"])
def test_no_spelling_of_a_name_gets_out(weir, plain_origin, canary, how):
    """allowed_hosts is *.test; addresses are opened to none but 127.0.0.2."""
    w = weir(
        egress=f"allow_address 127.0.0.2/32; ports {canary.port};"
        f"resolve plain.test 127.0.0.1; resolve localhost 127.0.0.1;"
    )
    for name in NAMES:
        authority = f"{name}:{canary.port}"
        if how == "connect":
            text = f"CONNECT {authority} HTTP/1.1\r\nHost: x\r\n\r\n"
        else:
            text = f"GET http://{authority}/ HTTP/1.1\r\nHost: {authority}\r\n\r\n"
        with w.client() as c:
            c.send(text)
            assert c.read_response().status in (400, 403), name
    canary.assert_untouched()


def test_literal_addresses_in_allowed_hosts_are_guarded(weir, canary):
    w = weir(
        egress=f"allow_address 127.0.0.2/32; ports {canary.port};",
        cls="allowed_hosts *;",
    )
    for name in [n for n in NAMES if n[0] == "[" or n[0].isdigit()]:
        authority = f"{name}:{canary.port}"
        with w.client() as c:
            r = c.get(f"http://{authority}/", authority)
            assert r.status in (400, 403), name
    canary.assert_untouched()


@pytest.mark.parametrize("tls", [True, False])
def test_early_answer_before_a_reset_is_read(weir, origins, tls):
    """An origin that closes on an unread upload resets; its answer lies in
    the socket when the write fails."""
    o = origins("o.test", tls=tls)
    stopped = threading.Event()

    def script(conn):
        conn.read_head()
        assert stopped.wait(20)
        conn.send(reply(b"no", "413 Content Too Large"))
        conn.reset()

    o.script = script
    w = weir()
    (worker,) = w.children("worker")
    with w.tunnel("o.test", o.port) if tls else w.client() as c:
        url = "/" if tls else f"http://{host(o)}/"
        c.send(
            f"POST {url} HTTP/1.1\r\nHost: {host(o)}\r\n"
            "Content-Length: 1000000\r\n\r\n"
        )
        (conn,) = o.wait_conns(1)
        o.wait_requests(1)
        os.kill(worker, signal.SIGSTOP)
        try:
            stopped.set()
            assert conn.done.wait(20)
            c.send("a" * 50000)
        finally:
            os.kill(worker, signal.SIGCONT)
        assert c.read_response().status == 413


# Identity, tunnels, logs

TWO = """
sandbox a { class test; token file:{{dir}}/a; }
sandbox b { class test; token file:{{dir}}/b; }
"""
A = ("Proxy-Authorization", basic("a", "token-a"))
B = ("Proxy-Authorization", basic("b", "token-b"))


def two_sandboxes(weir):
    return weir(egress=TWO, files={"a": "token-a", "b": "token-b"})


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_ticket_is_worthless_elsewhere(weir, origins, version):
    o = origins("o.test", "other.test")
    w = two_sandboxes(weir)

    def talk(name, who, session=None):
        with w.client() as c:
            assert c.connect(f"{name}:{o.port}", [who]).status == 200
            context = session[0] if session else trusting(w, version)
            c.context = context
            c.sock = context.wrap_socket(
                c.sock, server_hostname=name, session=session and session[1]
            )
            c.reader = Reader(c.recv)
            assert c.get("/", f"{name}:{o.port}").status == 200
            return c.sock.session_reused, c.session()

    # A new ticket each time: a client may use one but once.
    assert talk("o.test", A, talk("o.test", A)[1])[0]
    assert not talk("o.test", B, talk("o.test", A)[1])[0]
    assert not talk("other.test", A, talk("o.test", A)[1])[0]


def trusting(w, version):
    context = ssl.create_default_context(cafile=w.ca("a"))
    context.load_verify_locations(w.ca("b"))
    context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
    return context


def test_a_connection_keeps_its_sandbox(weir, origin, plain_origin):
    url = f"http://{host(plain_origin)}/"
    w = two_sandboxes(weir)
    with w.client() as c:
        assert c.get(url, host(plain_origin), [A]).status == 200
        assert c.get(url, host(plain_origin)).status == 200  # a's still
        assert c.get(url, host(plain_origin), [B]).status == 407
        assert c.is_closed()
    with w.client() as c:
        assert c.get(url, host(plain_origin), [A, A]).status == 407
        assert c.get(url, host(plain_origin), [A, B]).status == 407
    with w.client() as c:
        assert c.connect(host(origin), [A]).status == 200
        c.tls("origin.test", w.ca("a"))
        # Inside it is nobody's business, and goes nowhere.
        r = c.get("/", host(origin), [B, ("proxy_authorization", "x")])
        assert r.status == 200
    assert [n for n, _ in origin.requests[0].headers] == ["Host"]
    assert {e["sandbox"] for e in w.access_log(6)} <= {"a", ""}


def test_tunnel_goes_on_after_misdirected_requests(weir, origin):
    """What came with them is theirs, and not the next request."""
    inner = f"GET /smuggled HTTP/1.1\r\nHost: {host(origin)}\r\n\r\n"
    w = weir(egress="lingering_time 300ms;")
    with w.tunnel("origin.test", origin.port) as c:
        r = c.request("POST", "/", "other.test", body=inner.encode())
        assert r.status == 421
        assert c.get("/", host(origin)).status == 200
        assert c.get("https://other.test/", "other.test").status == 421
        assert c.get(f"http://{host(origin)}/", host(origin)).status == 421
        c.send(
            "POST / HTTP/1.1\r\nHost: other.test\r\nContent-Length: 9000\r\n\r\n"
        )
        assert c.read_response().status == 421
        c.send(inner)
        assert c.is_closed()
    assert [r.target for r in origin.requests] == ["/"]


def test_tls_after_plain_http_in_a_tunnel_is_no_tls(weir, plain_origin):
    w = weir()
    with w.client() as c:
        assert c.connect(host(plain_origin)).status == 200
        assert c.get("/", host(plain_origin)).status == 200
        c.send(client_hello("plain.test"))
        assert c.read_response().status == 400
        assert c.is_closed()
    assert len(plain_origin.requests) == 1


FORGERIES = [
    "\r\n2026/01/01 00:00:00 [alert] 1: forged", "\x1b[2J", "%s%n%s",
    '"}\n{"status":200', "\u00e2\u0080\u00a8", "\\", "'", "\x00",
]  # fmt: skip


def test_no_line_of_a_log_is_forged(weir, plain_origin):
    url = f"http://{host(plain_origin)}"
    end = "HTTP/1.1\r\nHost: no.example\r\n"
    w = weir()
    n = 0
    for evil in FORGERIES:
        for text in (
            f"GET {url}/{evil} HTTP/1.1\r\nHost: {host(plain_origin)}\r\n\r\n",
            f"GET http://no.example/ {end}User-Agent: {evil}\r\n\r\n",
            f"{evil} http://no.example/ {end}\r\n",
            f"CONNECT {evil}.test:443 {end}\r\n",
            f"GET http://no.example/ {end}Proxy-Authorization: {evil}\r\n\r\n",
        ):
            with w.client() as c:
                c.send(text)
                c.read_response()
                n += 1
    assert n <= len(w.access_log(n)) <= n + 8  # JSON, each line
    for line in w.error_log().splitlines():
        assert re.match(r"20\d\d/\d\d/\d\d [\d:]{8} \[\w+\] \d+: ", line), line
        assert " 1: forged" not in line[:60]


def readable(clients):
    ready, _, _ = select.select([c.sock for c in clients], [], [], 0)
    return [c for c in clients if c.sock in ready]


def test_stalled_names_cost_no_one_else(weir, dns, plain_origin):
    """A sandbox has 64 names at a time; the others get an answer."""
    dns.hold = threading.Event()
    w = weir(
        egress=f"resolver 127.0.0.1:{dns.port};", cls="allowed_hosts *; header_slots 100;"
    )
    clients = [w.client() for _ in range(80)]
    for i, c in enumerate(clients):
        c.send(f"GET http://n{i}.example/ HTTP/1.1\r\nHost: n{i}.example\r\n\r\n")
    answered = until(
        lambda: len(r := readable(clients)) == 80 - 64 and r,
        "an answer for all beyond 64",
    )
    for c in answered:
        assert c.read_response().status == 503
    with w.client() as c:
        url = f"http://{host(plain_origin)}/"
        assert c.get(url, host(plain_origin)).status == 200
    for c in clients:
        c.reset()
    dns.hold.set()


def test_mint_flood_costs_its_sandbox_alone(weir, origin):
    w = weir(
        egress="mint_rate 1; leaf_cache 16; sandbox b { class test; }"
        "listen 127.0.0.1:{{port}} proxy;"
        "listen 127.0.0.1:{{b_port}} proxy sandbox=b;",
    )

    def handshakes(n, sandbox, port):
        done = 0
        for i in range(n):
            with w.client(port) as c:
                c.connect(f"n{i}.test:443")
                try:
                    c.tls(f"n{i}.test", w.ca(sandbox))
                    done += 1
                except ssl.SSLError:
                    pass
        return done

    assert 1 <= handshakes(20, "box", w.port) < 20
    assert handshakes(1, "b", w.ports["b_port"]) == 1
