"""listen … ssl: a client speaks TLS to weir itself, around its requests and
around the TLS of its tunnels."""

import os
import ssl
import threading

import pytest

from lib.client import (
    DECODE_ERROR, NO_APPLICATION_PROTOCOL, PROTOCOL_VERSION, basic,
    client_hello,
)  # fmt: skip
from lib.hello import PADDING, VERSIONS, PiecewiseTls, hello_with
from lib.http import Reader, Truncated
from lib.wait import until
from lib.weir import GLOBALS

LISTEN = "listen 127.0.0.1:{{port}} proxy ssl;\n"
FILES = "ssl_certificate {{cert}};\nssl_certificate_key {{key}};\n"
PROXY = "proxy.test"
MUCH = 50_000 if "one_byte" in GLOBALS else 3_000_000


@pytest.fixture
def secure(weir, pki):
    """Makes a weir whose one listener speaks TLS: secure(egress=…)."""

    def make(egress="", listen=LISTEN, values=None, **parts):
        cert, key = pki.leaf(PROXY)
        values = {"cert": cert, "key": key, **(values or {})}
        return weir(egress=listen + FILES + egress, values=values, **parts)

    return make


def host(origin):
    return f"{origin.names[0]}:{origin.port}"


def url(origin):
    return f"http://{host(origin)}/"


def within(c, name, ca):
    """TLS within the TLS of a client to weir."""
    c.sock = PiecewiseTls(c.sock, name, ca, lambda data: [data])
    c.reader = Reader(c.recv)
    return c


def to_proxy(w, pki, port=None, **tls):
    return w.client(port).tls(PROXY, pki.ca, **tls)


def tunnel(w, pki, origin, ca=None):
    c = to_proxy(w, pki)
    assert c.connect(host(origin)).status == 200
    return within(c, origin.names[0], ca or w.ca())


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_requests_and_a_tunnel(secure, origin, plain_origin, pki, version):
    w = secure()
    context = ssl.create_default_context(cafile=pki.ca)
    context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
    context.set_alpn_protocols(["h2", "http/1.1"])
    with to_proxy(w, pki, session=(context, None)) as c:
        assert c.sock.selected_alpn_protocol() == "http/1.1"
        assert c.peer_certificate()["subjectAltName"] == (("DNS", PROXY),)
        for _ in range(2):
            assert c.get(url(plain_origin), host(plain_origin)).status == 200
        assert c.connect(host(origin)).status == 200
        within(c, "origin.test", w.ca())
        assert c.sock.names() == (("DNS", "origin.test"),)
        assert c.get("/", host(origin)).status == 200
    entries = w.access_log(4)
    assert [e["status"] for e in entries] == [200] * 4
    assert [e["scheme"] for e in entries if "scheme" in e] in (
        [], ["http", "http", "http", "https"],
    )  # fmt: skip


def test_plain_http_in_a_tunnel(secure, plain_origin, pki):
    w = secure()
    with to_proxy(w, pki) as c:
        assert c.connect(host(plain_origin)).status == 200
        assert c.get("/", host(plain_origin)).status == 200
    assert plain_origin.requests[0].target == "/"


def test_a_blind_tunnel(secure, origin, pki):
    """The alert of a refused one comes through the outer TLS."""
    w = secure(egress="host origin.test { intercept off; }")
    with tunnel(w, pki, origin, ca=pki.ca) as c:
        assert c.get("/", host(origin)).status == 200
    with to_proxy(w, pki) as c:
        assert c.connect(host(origin)).status == 200
        c.send(b"\x16\3\1\0\5hello")
        assert c.alert() == DECODE_ERROR


def test_much_both_ways(secure, origin, pki):
    """Through two layers of weir's, whose buffers fill."""
    body = bytes(range(256)) * (MUCH // 256)
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    origin.default = head + body
    w = secure()
    with tunnel(w, pki, origin) as c:
        for _ in range(2):
            r = c.request("PUT", "/", host(origin), body=body)
            assert r.status == 200 and r.body == body
    assert [r.body == body for r in origin.requests] == [True, True]


def test_a_token(secure, plain_origin, pki):
    """Who has none is asked for it, inside."""
    w = secure(egress="sandbox_class test { allowed_hosts *.test; }\n"
               "sandbox box { class test; token env:T; }", env={"T": "t" * 40})  # fmt: skip
    proof = ("Proxy-Authorization", basic("box", "t" * 40))
    with to_proxy(w, pki) as c:
        assert c.get(url(plain_origin), host(plain_origin)).status == 407
        r = c.get(url(plain_origin), host(plain_origin), [proof])
        assert r.status == 200
    assert b"t" * 40 not in w.all_output()


def test_behind_a_front_end(secure, plain_origin, pki):
    """The header comes before the TLS, and names the client."""
    w = secure(
        listen="listen 127.0.0.1:{{port}} proxy proxy_protocol ssl;\n",
        egress="set_real_ip_from 127.0.0.1;\n"
        "sandbox_class test { allowed_hosts *.test; }\n"
        "sandbox box { class test; address 10.9.0.7; }\n",
    )
    header = b"PROXY TCP4 10.9.0.7 192.0.2.1 40000 3128\r\n"
    with w.client() as c:
        c.send(header).tls(PROXY, pki.ca)
        assert c.get(url(plain_origin), host(plain_origin)).status == 200
    with w.client() as c:  # in one segment with the hello
        c.sock = PiecewiseTls(c.sock, PROXY, pki.ca, lambda d: [header + d])
        c.reader = Reader(c.recv)
        assert c.get(url(plain_origin), host(plain_origin)).status == 200
    assert {e["client"] for e in w.access_log(2)} == {"10.9.0.7"}
    with w.client() as c:
        c.send(client_hello(PROXY))
        assert c.is_closed()


def test_a_unix_socket(secure, plain_origin, pki):
    w = secure(listen="listen unix:s proxy ssl sandbox=box;\n"
               "sandbox_class test { allowed_hosts *.test; }\n"
               "sandbox box { class test; }\n")  # fmt: skip
    with to_proxy(w, pki, w.path("s")) as c:
        assert c.get(url(plain_origin), host(plain_origin)).status == 200


def test_no_session_is_resumed(secure, pki):
    """There are no tickets: none to be stolen, and none to be tracked by."""
    w = secure()
    context = ssl.create_default_context(cafile=pki.ca)
    for version in (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2):
        context.maximum_version = version
        with to_proxy(w, pki, session=(context, None)) as c:
            c.get("/", "a.test")
            assert not c.sock.session.has_ticket
            session = c.session()
        with to_proxy(w, pki, session=session) as c:
            assert not c.sock.session_reused


def test_what_is_no_tls(secure, origin, plain_origin):
    """It is answered where it may be HTTP, whatever it asks for and however
    much it sends."""
    w = secure()
    asks = f"GET {url(plain_origin)} HTTP/1.1\r\nHost: {host(plain_origin)}\r\n\r\n"
    connects = f"CONNECT {host(origin)} HTTP/1.1\r\n\r\n"
    for said in (asks, connects, "SSH-2.0-x\r\n", asks + "x" * 200_000):
        with w.client() as c:
            c.send(said)
            r = c.read_response()
            assert r.status == 400 and b"speaks TLS only" in r.body
            assert r.has_token("connection", "close") and c.is_closed()
    assert plain_origin.conns == [] and origin.conns == []
    assert [e["status"] for e in w.access_log(4)] == [400] * 4


BAD = {
    "garbage": (b"\x16\3\1\0\5hello", DECODE_ERROR, ""),
    "too large": (hello_with(PROXY, {PADDING: bytes(17_000)}), DECODE_ERROR, ""),
    "TLS 1.1": (hello_with(PROXY, {VERSIONS: b"\2\3\2"}), PROTOCOL_VERSION,
                "unsupported protocol"),
    "h2 alone": (hello_with(PROXY, {16: b"\0\3\2h2"}), NO_APPLICATION_PROTOCOL,
                 "no application protocol"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_a_handshake_that_fails(secure, pki, case):
    """Its client sees the alert, and no reset, whatever else it sent."""
    hello, alert, why = BAD[case]
    w = secure()
    with w.client() as c:
        c.send(hello + bytes(100_000))
        assert c.alert() == alert
    w.wait_log(f"client handshake with this proxy failed: .*{why}" if why
               else "malformed ClientHello")  # fmt: skip
    with to_proxy(w, pki):
        pass


def test_a_client_that_does_not_trust_it(secure, rogue_pki):
    w = secure()
    with w.client() as c, pytest.raises(ssl.SSLCertVerificationError):
        c.tls(PROXY, rogue_pki.ca)
    # its alert, or the reset of a client that does not read on
    w.wait_log("client handshake with this proxy failed: ")


def test_a_client_that_leaves_in_its_handshake(secure, pki, plain_origin):
    w = secure()
    hello = client_hello(PROXY)
    for said in (b"", b"\x16", hello[:-1], hello):
        for end in ("close", "half_close", "reset"):
            with w.client() as c:
                c.send(said)
                if said == hello:
                    assert c.reader.exactly(3) == b"\x16\3\3"
                getattr(c, end)()
    with to_proxy(w, pki) as c:
        assert c.get(url(plain_origin), host(plain_origin)).status == 200


def test_a_handshake_that_takes_too_long(secure):
    w = secure(egress="client_header_timeout 300ms;")
    with w.client() as c:
        c.send(client_hello(PROXY)[:-1])
        assert c.is_closed()
    w.wait_log("client handshake timed out")


def test_a_client_that_says_goodbye(secure, plain_origin, pki):
    """By close_notify: it has left, and its request is given up at once, which
    is not for one that half-closes in the clear."""
    has_left = threading.Event()
    plain_origin.default = lambda conn, request: has_left.wait(20) and b""
    w = secure(egress="lingering_time 1h;")
    with to_proxy(w, pki) as c:
        c.send(f"GET {url(plain_origin)} HTTP/1.1\r\nHost: {host(plain_origin)}\r\n\r\n")
        plain_origin.wait_requests(1)
        c.half_close()
        entry = w.access_log(1)[0]
    has_left.set()
    assert entry["status"] == 499
    assert entry["cause"] == "client closed the connection"


def test_a_response_that_breaks_off(secure, origin, pki):
    """No close_notify of the outer TLS makes it look whole."""
    origin.default = lambda conn, request: conn.send(
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf") or conn.hang_up()  # fmt: skip
    w = secure()
    with tunnel(w, pki, origin) as c:
        c.send(f"GET / HTTP/1.1\r\nHost: {host(origin)}\r\n\r\n")
        with pytest.raises((Truncated, OSError)):
            c.reader.exactly(1000)


# Relative to the prefix.
OWN = {"cert": "own/cert.pem", "key": "own/key.pem"}


def put(w, pki, *names, which=("cert", "key")):
    """weir's own certificate and key, in its directory."""
    for name, path in zip(("cert", "key"), pki.leaf(*names), strict=True):
        if name in which:
            with open(path, "rb") as f:
                os.chmod(w.write(OWN[name], f.read()), 0o600)


def test_a_reload_picks_up_a_new_certificate(secure, pki):
    """A connection that there is goes on; so does the old one, where the new
    is refused."""
    w = secure(values=OWN, start=False)
    put(w, pki, PROXY, "old.test")
    w.start()
    kept = to_proxy(w, pki)
    put(w, pki, "else.test", which=["key"])
    w.expect("is not that of the certificate|the old configuration goes on")
    w.signal("HUP")
    w.wait_log("the old configuration goes on")
    with to_proxy(w, pki) as c:
        assert ("DNS", "old.test") in c.peer_certificate()["subjectAltName"]
    put(w, pki, PROXY, "new.test")
    w.signal("HUP")

    def is_new():
        with to_proxy(w, pki) as c:
            return ("DNS", "new.test") in c.peer_certificate()["subjectAltName"]

    until(is_new, "the new certificate")
    with kept:
        assert kept.get("/", "a.test").status == 400


def test_the_key_is_kept_to_itself(secure, pki):
    """No log, page or file of weir's has it; one that all may read is told."""
    w = secure(values=OWN, start=False)
    put(w, pki, PROXY)
    for mode, is_told in ((0o600, False), (0o644, True)):
        os.chmod(w.path(OWN["key"]), mode)
        done = w.run("-t")
        assert done.returncode == 0
        told = f'the key file "{w.path(OWN["key"])}" may be read by anyone'
        assert (told in done.stderr) == is_told
    w.start()
    with to_proxy(w, pki) as c:
        c.get("/", "a.test")
    secret = w.read(OWN["key"]).splitlines()[1].encode()
    os.unlink(w.path(OWN["key"]))
    assert secret not in w.all_output()
