"""Parts that meet: what each holds alone must hold where two do.

Secrets that change under a body, limits that come back on every path.
"""

import gzip
import threading

import pytest

from lib.http import reply
from lib.wait import until

SECRET = "s3cret-0123456789-value"
STARS = "*" * len(SECRET)
HOLD = "PLACE-HOLDER-0"
FORM = ("Content-Type", "application/x-www-form-urlencoded")


def host(origin):
    return f"{origin.names[0]}:{origin.port}"


def head(method, origin, *lines, target="/"):
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host(origin)}", *lines]
    return "\r\n".join(lines) + "\r\n\r\n"


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


def test_the_value_in_a_body_is_the_one_that_is_looked_for(weir, origin):
    """The secret changes twice between the head and the answer."""
    first, second, third = (f"{n}-0123456789" for n in ("one1", "two2", "tre3"))
    origin.on("/", lambda _, r: reply(r.body, headers=[("X-Echo", r.body.decode())]))
    w = weir(
        egress=f"secret t file:{{{{dir}}}}/token placeholder={HOLD};\n"
        "host origin.test { substitute t in body token; }",
        files={"token": first},
    )

    def change(value, n):
        w.write("token", value)
        until(lambda: w.error_log().count("has changed") == n, "the change")

    with w.tunnel("origin.test", origin.port) as c:
        c.send(head("POST", origin, "Transfer-Encoding: chunked", ": ".join(FORM)))
        c.send(chunk(b"a=b&"))
        origin.wait_conns(1)
        until(lambda: b"a=b" in origin.raw, "the body")
        change(second, 1)
        c.send(chunk(b"token=" + HOLD.encode() + b"&c="))
        until(lambda: b"&c=" in origin.raw, "the value")
        change(third, 2)
        c.send(chunk(b"d") + b"0\r\n\r\n")
        r = c.read_response()
    sent = origin.requests[0].body
    print(sent, r.body, r.headers)
    assert r.body == b"a=b&token=" + b"*" * len(first) + b"&c=d"
    assert r.get("X-Echo") == r.body.decode()


@pytest.mark.parametrize("coding", ["gzip", None])
def test_redact_behind_proxy_pass(weir, pki, origins, plain_origin, coding):
    service = plain_origin
    text = f"x {SECRET} y".encode()
    body = gzip.compress(text) if coding else text
    headers = [("X", SECRET)] + ([("Content-Encoding", "gzip")] if coding else [])
    service.on("/v1/", reply(body, headers=headers))
    w = weir(
        egress=f"""
        secret t env:TOKEN hosts=my.kv;
        host my.kv {{
            proxy_pass http://127.0.0.1:{service.port}/v1/;
            bearer $secret_t;
        }}""",
        env={"TOKEN": SECRET},
        cls="allowed_hosts my.kv 127.0.0.1; header_slots 1;",
    )
    with w.client() as c:
        r = c.request("GET", "http://my.kv/", "my.kv")
        got = gzip.decompress(r.body) if coding else r.body
        assert got == f"x {STARS} y".encode()
        assert r.get("X") == STARS
        r = c.request("HEAD", "http://my.kv/", "my.kv")
        assert r.get("X") == STARS
    assert service.requests[0].get("Authorization") == f"Bearer {SECRET}"


def test_requests_come_back_on_every_path(weir, origin):
    """One request at a time, whatever became of the one before."""
    def script(conn):
        while (r := conn.read_head()) is not None:
            if r.target == "/early":
                conn.send(reply(b"early"))
                conn.sock.recv(1)
                conn.hang_up()
                return
            if r.target == "/bad":
                conn.send(b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 3\r\n\r\nabc")
            elif r.target == "/cut":
                conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")
                conn.hang_up()
                return
            elif r.target == "/ws":
                conn.send(b"HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
                conn.recv(10)
                conn.hang_up()
                return
            elif r.target == "/101":
                conn.send(b"HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
            elif r.target == "/1xx":
                conn.send(b"HTTP/1.1 103 E\r\nLink: x\r\n\r\n" * 40)
            elif r.target == "/never":
                pass
            else:
                conn.send(reply(b"ok"))

    origin.script = script
    w = weir(
        egress=f"""
        client_max_body_size 100k; client_body_timeout 300ms; lingering_time 300ms;
        secret t env:TOKEN placeholder={HOLD};
        host origin.test {{ substitute t in body token; location /no {{ return 403; }} }}""",
        env={"TOKEN": SECRET},
        cls="allowed_hosts *.test; requests 1; header_slots 1; header_slots_queue 0;",
    )
    n = [0]

    def ok():
        n[0] += 1
        def once():
            with w.tunnel("origin.test", origin.port) as c:
                r = c.get("/ok", host(origin))
                return r.status == 200
        until(once, "room")

    def run(*data, target="/", method="POST", want=None, then="close", lines=()):
        c = w.tunnel("origin.test", origin.port)
        c.send(head(method, origin, *lines, target=target))
        for d in data:
            c.send(d)
        if want is not None:
            got = c.read_response()
            assert got.status == want, (target, got)
            assert SECRET.encode() not in got.raw_head + got.body
        getattr(c, then)()
        ok()

    te, form = "Transfer-Encoding: chunked", ": ".join(FORM)
    ok()
    run(target="/no", lines=("Content-Length: 0",), want=403)
    run(target="/early", lines=("Content-Length: 1000",), want=200)
    run(b"x" * 10, target="/early", lines=("Content-Length: 1000",), want=200, then="reset")
    run(b"x" * 10, target="/early", lines=("Content-Length: 1000", form), want=408)
    run(b"x" * 10, lines=("Content-Length: 1000", form), then="reset")
    run(b"zz\r\n", lines=(te, form), want=400)
    run(chunk(b"token=" + HOLD.encode() + b"&c=%zz"), b"0\r\n\r\n", lines=(te, form))
    run(chunk(b"x" * 60000), chunk(b"y" * 60000), target="/never", lines=(te,), want=413)
    run(target="/bad", method="GET", want=None)
    run(target="/bad", method="GET", want=502)
    run(target="/cut", method="GET")
    run(target="/101", method="GET", want=502)
    run(target="/1xx", method="GET", want=502)
    run(target="/never", method="GET", then="reset")
    run(target="/ws", method="GET", want=101, lines=("Connection: upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="), then="reset")
    run(b"junk" * 30000, target="/early", lines=("Content-Length: 120000",), want=413)
    run(b"junk" * 9000, b"GET /ok HTTP/1.1\r\n", target="/early", lines=("Content-Length: 90000",), want=200, then="reset")
    assert SECRET.encode() not in w.all_output()
