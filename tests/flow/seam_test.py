"""Parts that meet: what each holds alone must hold where two do.

Secrets that change under a body, a service of one's own that echoes, limits
that come back whatever becomes of a request.
"""

import gzip
import re

import pytest

from lib.http import reply
from lib.wait import until

pytestmark = pytest.mark.egress("redact on;")

SECRET = "s3cret-0123456789-value"
STARS = "*" * len(SECRET)
HOLD = "PLACE-HOLDER-0"
FORM = "Content-Type: application/x-www-form-urlencoded"
CHUNKED = "Transfer-Encoding: chunked"


def host(origin):
    return f"{origin.names[0]}:{origin.port}"


def head(method, origin, *lines, target="/"):
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host(origin)}", *lines]
    return "\r\n".join(lines) + "\r\n\r\n"


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


def test_the_value_in_a_body_is_the_one_that_is_looked_for(weir, origin):
    """The secret changes twice between the head and the answer."""
    first, second, third = (f"{n}-0123456789-ab" for n in ("one", "two", "three"))
    origin.on(
        "/", lambda _, r: reply(r.body, headers=[("X", r.body.decode())])
    )
    w = weir(
        egress=f"secret t file:{{{{dir}}}}/token placeholder={HOLD};\n"
        "host origin.test { substitute t in body token; }",
        files={"token": first},
    )

    def change(value, n):
        w.write("token", value)
        until(lambda: w.error_log().count("has changed") == n, "the change")

    with w.tunnel("origin.test", origin.port) as c:
        c.send(head("POST", origin, CHUNKED, FORM) + "4\r\na=b&\r\n")
        until(lambda: b"a=b&" in origin.raw, "the body")
        change(second, 1)
        c.send(chunk(b"token=" + HOLD.encode() + b"&c="))
        until(lambda: b"&c=" in origin.raw, "the value")
        change(third, 2)
        c.send(chunk(b"d") + b"0\r\n\r\n")
        r = c.read_response()
    assert origin.requests[0].body == f"a=b&token={first}&c=d".encode()
    assert r.body == b"a=b&token=" + b"*" * len(first) + b"&c=d"
    assert r.get("X") == r.body.decode()


@pytest.mark.parametrize("is_packed", [True, False])
def test_an_echo_of_a_service_of_ones_own(weir, plain_origin, is_packed):
    text = f"x {SECRET} y".encode()
    headers = [("X", SECRET), ("Content-Encoding", "gzip")]
    plain_origin.on(
        "/v1/",
        reply(gzip.compress(text), headers=headers)
        if is_packed
        else reply(text, headers=headers[:1]),
    )
    w = weir(
        egress=f"""
        secret t env:TOKEN hosts=my.kv;
        host my.kv {{
            proxy_pass http://127.0.0.1:{plain_origin.port}/v1/;
            bearer $secret_t;
        }}""",
        env={"TOKEN": SECRET},
        cls="allowed_hosts my.kv; header_slots 1;",
    )
    with w.client() as c:
        r = c.request("GET", "http://my.kv/", "my.kv")
        got = gzip.decompress(r.body) if is_packed else r.body
        assert (got, r.get("X")) == (f"x {STARS} y".encode(), STARS)
        assert c.request("HEAD", "http://my.kv/", "my.kv").get("X") == STARS
    request = plain_origin.requests[0]
    assert request.get("Authorization") == f"Bearer {SECRET}"


def peak(w):
    """KiB that the worker had at its most."""
    with open(f"/proc/{w.children()[-1]}/status") as f:
        return int(re.search(r"VmHWM:\s+(\d+)", f.read())[1])


def test_a_long_list_of_codings_takes_no_memory(weir, origin):
    w = weir(
        egress="secret t env:TOKEN;\nhost origin.test { bearer $secret_t; }",
        env={"TOKEN": SECRET},
    )
    with w.tunnel("origin.test", origin.port) as c:
        c.get("/", host(origin))
        before = peak(w)
        c.get("/", host(origin), [("Accept-Encoding", "gzip," * 5000 + "br")])
        assert peak(w) - before < 16 * 1024
    want = ", ".join(["gzip"] * 5000)
    assert origin.requests[1].get("Accept-Encoding") == want


SWITCH = b"HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
ASKED = (
    "Connection: upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)  # fmt: skip
ANSWERS = {  # the bytes, and whether the origin closes then
    "/early": (reply(b"early"), False),
    "/coded": (reply(b"abc", headers=[("Content-Encoding", "br")]), False),
    "/cut": (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", True),
    "/ws": (SWITCH, False),
    "/1xx": (b"HTTP/1.1 103 E\r\nLink: x\r\n\r\n" * 40, False),
    "/never": (b"", False),
}
PLACE = chunk(b"token=" + HOLD.encode() + b"&c=d")
ENDS = {  # method, target, lines, bytes, the status or None, how it leaves
    "denied": ("GET", "/no", (), b"", 403, "close"),
    "early": ("POST", "/early", ("Content-Length: 9",), b"", 200, "close"),
    "late": ("POST", "/x", ("Content-Length: 9", FORM), b"x", 408, "close"),
    "held": ("POST", "/x", ("Content-Length: 9", FORM), b"x", None, "close"),
    "framing": ("POST", "/x", (CHUNKED, FORM), b"zz\r\n", 400, "close"),
    "filter": ("POST", "/x", (CHUNKED, FORM), PLACE + chunk(b"%zz"), None,
               "close"),
    "large": ("POST", "/never", (CHUNKED,), chunk(b"x" * 60000) * 2, 413,
              "close"),
    "coded": ("GET", "/coded", (), b"", 502, "close"),
    "cut": ("GET", "/cut", (), b"", None, "close"),
    "switch": ("GET", "/ws", ASKED, b"", 101, "reset"),
    "unasked": ("GET", "/ws", (), b"", 502, "close"),
    "interim": ("GET", "/1xx", (), b"", 502, "close"),
    "left": ("GET", "/never", (), b"", None, "reset"),
}  # fmt: skip


def test_a_request_and_a_slot_come_back_on_every_path(weir, origin):
    """There is one of each, and no queue."""
    def script(conn):
        while (r := conn.read_head()) is not None:
            answer, is_last = ANSWERS.get(r.target, (reply(b"ok"), False))
            conn.send(answer)
            if is_last:
                conn.hang_up()

    def is_served():
        with w.tunnel("origin.test", origin.port) as c:
            return c.get("/ok", host(origin)).status == 200

    origin.script = script
    w = weir(
        egress=f"""
        client_max_body_size 100k;
        client_body_timeout 100ms;
        secret t env:TOKEN placeholder={HOLD};
        host origin.test {{
            substitute t in body token;
            location /no {{ return 403; }}
        }}""",
        env={"TOKEN": SECRET},
        cls="allowed_hosts *.test; requests 1; header_slots 1;"
        "header_slots_queue 0;",
    )
    for name, (method, target, lines, data, status, end) in ENDS.items():
        c = w.tunnel("origin.test", origin.port)
        c.send(head(method, origin, *lines, target=target).encode() + data)
        if status is not None:
            assert c.read_response().status == status, name
        getattr(c, end)()
        until(is_served, f"room after {name}")
    assert SECRET.encode() not in w.all_output()
