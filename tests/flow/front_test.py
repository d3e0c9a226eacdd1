"""Front ends: whose a connection is stands in a PROXY header before it."""

import struct

import pytest

from lib.client import basic

LISTEN = "listen 127.0.0.1:{{port}} proxy proxy_protocol;\n"
FRONT = "set_real_ip_from 192.0.2.0/24 127.0.0.1;\n"
BOX = "sandbox_class test { allowed_hosts *.test; }\n" \
      "sandbox box { class test; address 10.9.0.7; }\n" \
      "sandbox own { class test; address 127.0.0.1; }\n"  # fmt: skip

V1 = b"PROXY TCP4 10.9.0.7 192.0.2.1 40000 3128\r\n"
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def v2(command, family, body):
    return SIGNATURE + bytes([command, family]) + struct.pack(
        ">H", len(body)) + body  # fmt: skip


ADDRESSES = bytes([10, 9, 0, 7, 192, 0, 2, 1]) + struct.pack(">HH", 40000, 80)
V2 = v2(0x21, 0x11, ADDRESSES + b"\1\0\2h2")
LOCAL = {"v1": b"PROXY UNKNOWN\r\n", "v2": v2(0x20, 0x11, ADDRESSES)}


def request(origin):
    host = f"plain.test:{origin.port}"
    return f"GET http://{host}/ HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()


@pytest.mark.parametrize("header", [V1, V2], ids=["v1", "v2"])
def test_client_of_the_header(weir, plain_origin, header):
    """In one segment with the request; once a connection."""
    w = weir(egress=BOX + LISTEN + FRONT + """
        log_format f "$remote_addr $realip_remote_addr $sandbox_id";
        access_log logs/f.log f;
    """)
    with w.client() as c:
        c.send(header + request(plain_origin))
        assert c.read_response().status == 200
        c.send(request(plain_origin))
        assert c.read_response().status == 200
    w.stop("QUIT")
    assert w.read("logs", "f.log") == "10.9.0.7 127.0.0.1 box\n" * 2
    assert b"PROXY" not in plain_origin.raw


@pytest.mark.parametrize("header", [V1, V2], ids=["v1", "v2"])
def test_header_in_pieces(weir, origin, header):
    w = weir(egress=BOX + LISTEN + FRONT)
    host = f"origin.test:{origin.port}"
    with w.client() as c:
        for i in range(len(header)):
            c.send(header[i : i + 1])
        assert c.connect(host).status == 200
        c.tls("origin.test", w.ca("box"))
        assert c.get("/", host).status == 200
    assert w.access_log(2)[0]["client"] == "10.9.0.7"


@pytest.mark.parametrize("header", [V1, V2, LOCAL["v1"], LOCAL["v2"], b""])
def test_header_from_elsewhere(weir, plain_origin, header):
    """The sandbox itself, say, that would like to be another: closed before
    a byte is read, even if it says nothing."""
    w = weir(egress=BOX + LISTEN + "set_real_ip_from 192.0.2.0/24;")
    with w.client() as c:
        c.send(header + request(plain_origin))
        assert c.is_closed()
    assert "client: 127.0.0.1" in w.wait_log("no front end has this address")
    assert plain_origin.conns == []


FORGED = "X-Forwarded-For: 10.9.0.7\r\nX-Real-IP: 10.9.0.7\r\n" \
         "Forwarded: for=10.9.0.7\r\nVia: 1.1 front\r\n"  # fmt: skip


@pytest.mark.parametrize("header", [V1, V2], ids=["v1", "v2"])
def test_header_where_none_is_taken(weir, plain_origin, header):
    """At a listener without proxy_protocol, behind a request, in a tunnel: it
    is a malformed request. Fields of that meaning are the sandbox's own."""
    w = weir(egress=BOX + LISTEN.replace(" proxy_protocol", ""))
    host = f"plain.test:{plain_origin.port}"

    def is_refused(c):
        c.send(header + request(plain_origin))
        assert c.read_response().status == 400
        return c.is_closed()

    with w.client() as c:
        assert is_refused(c)
    with w.client() as c:
        c.send(request(plain_origin).replace(b"\r\n\r\n",
               b"\r\n" + FORGED.encode() + b"\r\n"))  # fmt: skip
        assert c.read_response().status == 200
        assert is_refused(c)
    with w.client() as c:
        assert c.connect(host).status == 200
        assert is_refused(c)
    assert len(plain_origin.requests) == 1 and b"PROXY" not in plain_origin.raw
    log = w.access_log(5)
    assert {e["client"] for e in log} == {"127.0.0.1"}
    assert {e["sandbox"] for e in log} <= {"own", ""}


def test_header_of_a_front_end_holds_for_its_connection(weir, origin):
    """No second one, in a tunnel or behind a request, makes it another's."""
    w = weir(egress=BOX + LISTEN + FRONT)
    host = f"origin.test:{origin.port}"
    other = V1.replace(b"10.9.0.7", b"127.0.0.1")
    with w.client() as c:
        c.send(V1)
        assert c.connect(host).status == 200
        c.tls("origin.test", w.ca("box"))
        assert c.get("/", host).status == 200
        c.send(other + request(origin))
        assert c.read_response().status == 400
    with w.client() as c:
        c.send(V1)
        assert c.connect(host).status == 200
        c.send(other + request(origin))
        assert c.read_response().status == 400
    assert len(origin.requests) == 1
    assert {e["sandbox"] for e in w.access_log(5)} <= {"box", ""}
    assert {e["client"] for e in w.access_log(5)} == {"10.9.0.7"}


@pytest.mark.parametrize("version", LOCAL)
def test_front_end_that_speaks_for_itself(weir, plain_origin, version):
    """It has no sandbox, though one has its address: not even a listener
    that takes tokens gives it one."""
    w = weir(egress=BOX + LISTEN + FRONT +
             "sandbox third { class test; token file:{{dir}}/token; }",
             files={"token": "third-token-0123456789"})  # fmt: skip
    auth = basic("third", "third-token-0123456789").encode()
    with w.client() as c:
        c.send(LOCAL[version] + request(plain_origin))
        assert c.read_response().status == 407
        c.send(request(plain_origin).replace(
            b"\r\n\r\n", b"\r\nProxy-Authorization: " + auth + b"\r\n\r\n"))
        assert c.read_response().status == 200
    assert [e["sandbox"] for e in w.access_log(2)] == ["", "third"]


@pytest.mark.parametrize("version", LOCAL)
def test_front_end_without_a_sandbox_is_closed(weir, plain_origin, version):
    w = weir(egress=BOX + LISTEN + FRONT)
    with w.client() as c:
        c.send(LOCAL[version] + request(plain_origin))
        assert c.is_closed()
    w.wait_log("no sandbox has this address, client: 127.0.0.1")


def test_sandbox_of_the_listener_goes_first(weir, plain_origin):
    listen = LISTEN.replace(";", " sandbox=box;")
    w = weir(egress=BOX + listen + FRONT)
    for header in (LOCAL["v1"], V1.replace(b"10.9.0.7", b"127.0.0.1")):
        with w.client() as c:
            c.send(header + request(plain_origin))
            assert c.read_response().status == 200
    assert {e["sandbox"] for e in w.access_log(2)} == {"box"}


@pytest.mark.parametrize("what", [
    b"", V1.replace(b"TCP4", b"TCP6"), V1.replace(b"\r\n", b"\n"),
    V1[:-2] + b" x\r\n", b"PROXY UNKNOWN " + b"x" * 100, V1 + V1,
    V2.replace(b"QUIT", b"QUIX"), v2(0x21, 0x12, ADDRESSES),
    v2(0x21, 0x21, ADDRESSES), v2(0x20, 0, bytes(5000)),
])  # fmt: skip
def test_malformed_header(weir, plain_origin, what):
    """Nothing is answered. A second header is a malformed request."""
    w = weir(egress=BOX + LISTEN + FRONT)
    with w.client() as c:
        c.send(what + request(plain_origin))
        if what == V1 + V1:
            assert c.read_response().status == 400
        else:
            assert c.is_closed()
            w.wait_log("malformed PROXY header, client: 127.0.0.1")
    assert plain_origin.conns == []


def test_header_must_fit_the_buffer(weir):
    w = weir(egress=BOX + LISTEN + FRONT + "client_header_buffer_size 1k;")
    with w.client() as c:
        c.send(v2(0x20, 0, bytes(1500)))
        assert c.is_closed()
    w.wait_log("PROXY header is too large")


@pytest.mark.parametrize("part", [b"", V1[:-1], V2[:-1]])
def test_header_that_does_not_come(weir, part):
    w = weir(egress=BOX + LISTEN + FRONT + "client_header_timeout 100ms;")
    with w.client() as c:
        c.send(part)
        assert c.is_closed()
    w.wait_log("no PROXY header came")


def test_unix_front_end(weir, plain_origin):
    listen = "listen unix:{{dir}}/s proxy proxy_protocol;\n"
    w = weir(egress=BOX + LISTEN + listen + FRONT + "set_real_ip_from unix:;")
    with w.client(w.path("s")) as c:
        c.send(V1 + request(plain_origin))
        assert c.read_response().status == 200
    with w.client(w.path("s")) as c:
        c.send(v2(0x21, 0x31, bytes(216)) + request(plain_origin))
        assert c.is_closed()
    assert [e["client"] for e in w.access_log()] == ["10.9.0.7"]
    w.wait_log("no sandbox has this address, client: unix:")


@pytest.mark.parametrize("egress, what", [
    (LISTEN, '"proxy_protocol" needs "set_real_ip_from ADDRESS"'),
    (LISTEN + "set_real_ip_from unix:;",
     '"proxy_protocol" needs "set_real_ip_from ADDRESS"'),
    ("listen unix:s proxy proxy_protocol;\n" + FRONT,
     '"proxy_protocol" needs "set_real_ip_from unix:"'),
    (LISTEN + "set_real_ip_from front.example;",
     'invalid address "front.example"'),
])  # fmt: skip
def test_listener_that_would_believe_nobody(weir, egress, what):
    w = weir(egress=egress, start=False)
    done = w.run("-t")
    assert done.returncode == 1 and what in done.stderr
    assert "weir.conf:" in done.stderr
