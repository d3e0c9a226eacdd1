"""Plain HTTP for port 80 (SPEC 7): where a secret goes with the request, it
goes out by TLS on 443 or not at all; else it goes as it came."""

import random
import socket

import pytest

from lib.origin import Canary

SECRET = "s3cret-0123456789-value"
BEARER = """
secret token env:TOKEN;
host up.test { bearer $secret_token; }
"""


@pytest.fixture
def address():
    """One of loopback's for this test alone, and so its ports 80 and 443."""
    parts = [str(random.randrange(1, 255)) for _ in range(3)]
    address = "127." + ".".join(parts)
    try:
        socket.create_server((address, 443)).close()
    except PermissionError:
        pytest.skip("ports 80 and 443 are not ours to bind")
    return address


@pytest.fixture
def untouched(address):
    """Makes ports of that address to which nothing may connect."""
    made = []
    yield lambda port: made.append(Canary(address, port))
    for canary in made:
        canary.assert_untouched()
        canary.close()


@pytest.fixture
def w(weir, address):
    def make(egress=BEARER):
        return weir(
            egress=f"allow_address {address}/32; resolve up.test {address};"
            + egress,
            env={"TOKEN": SECRET},
        )

    return make


NO_TLS = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"
PLAIN = [
    b"POST /a?b HTTP/1.1\r\nHost: up.test\r\nAuthorization: %s\r\n"
    b"Content-Length: 4\r\n\r\nbody",
    b"GET /c HTTP/1.1\r\nHost: up.test\r\nAuthorization: %s\r\n\r\n",
]


def say(c, base, authorization):
    """Both requests, for a target that begins so."""
    for request in PLAIN:
        c.send(request.replace(b" /", b" " + base + b"/", 1) % authorization)
        assert c.read_response().body == b"hello from the origin\n"


@pytest.mark.parametrize("base", [b"http://up.test", b"http://Up.test:80"])
def test_with_a_secret_it_goes_by_tls(w, origins, address, untouched, base):
    """All that a client said in plain, and the secret, go there alone."""
    untouched(80)
    up = origins("up.test", address=address, port=443)
    w = w()
    with w.client() as c:
        say(c, base, b"mine")
    assert up.conns[0].sni == "up.test"
    assert up.raw == b"".join(PLAIN) % ((b"Bearer " + SECRET.encode(),) * 2)
    for entry in w.access_log(2):
        assert entry["scheme"] == "http" and entry["port"] == 80
        assert entry["upstream_addr"] == f"{address}:443"


def test_in_a_tunnel_to_port_80(w, origins, address, untouched):
    """As clients that speak to a proxy only so."""
    untouched(80)
    up = origins("up.test", address=address, port=443)
    with w().client() as c:
        assert c.connect("up.test:80").status == 200
        say(c, b"", b"mine")
    assert up.raw == b"".join(PLAIN) % ((b"Bearer " + SECRET.encode(),) * 2)


@pytest.mark.parametrize("fault", ["closed", "unverified", "no TLS"])
def test_there_is_no_falling_back(
    w, origins, address, untouched, rogue_pki, fault
):
    untouched(80)
    if fault != "closed":
        options = {"pki": rogue_pki} if fault == "unverified" else {"tls": False}
        up = origins("up.test", address=address, port=443, **options)
    if fault == "no TLS":
        up.script = lambda conn: conn.recv(65536) and conn.send(NO_TLS)
    with w().client() as c:
        r = c.get("http://up.test/", "up.test")
    assert r.status == 502
    if fault == "unverified":
        assert up.raw == b""
    if fault == "no TLS":
        assert up.raw[:1] == b"\x16", "a ClientHello, and nothing behind it"
        assert b"HTTP/1.1" not in up.raw and SECRET.encode() not in up.raw


@pytest.mark.parametrize("port", [443, 8080])
def test_another_plain_port(w, address, untouched, port):
    """Is refused, be it 443."""
    untouched(port)
    untouched(80)
    with w(BEARER + "ports 80 443 8080;").client() as c:
        r = c.get(f"http://up.test:{port}/", f"up.test:{port}")
    assert r.status == 403 and b"it is sent over TLS only" in r.body


def test_without_a_secret_it_stays_plain(w, origins, address, untouched):
    """As it came, on 80."""
    untouched(443)
    plain = origins("up.test", tls=False, address=address, port=80)
    with w("").client() as c:
        say(c, b"http://up.test", b"mine")
    assert plain.raw == b"".join(PLAIN) % (b"mine", b"mine")
