"""One verdict, one target: the CONNECT, the SNI and each request name the same
host and port, or nothing leaves (SPEC 5). Addresses are hosts too."""

import ssl

import pytest

from lib.client import MISSING_EXTENSION, UNRECOGNIZED_NAME, client_hello
from lib.http import Reader


def inside(c, name, ca):
    """TLS with that SNI, or none; the names of the leaf."""
    context = ssl.create_default_context(cafile=ca)
    context.check_hostname = False
    c.sock = context.wrap_socket(c.sock, server_hostname=name)
    c.reader = Reader(c.recv)
    return c.sock.getpeercert()["subjectAltName"]


V4, V6 = "127.0.0.1", "[::1]"
SAME = [  # CONNECT, SNI, target and Host, the leaf's name
    ("a.test", "a.test", "/", "a.test", "a.test"),
    ("A.test.", "a.TEST", "/", "a.Test.", "a.test"),
    ("a.test", None, "/", "a.test", "a.test"),
    ("a.test", "a.test.", "https://A.test.:{port}/", "a.test", "a.test"),
    (V4, None, "/", V4, V4),
    ("[::ffff:127.0.0.1]", None, "/", V4, V4),
    (V6, None, "/", "[0:0:0:0:0:0:0:1]", "0:0:0:0:0:0:0:1"),
]
OTHER = [  # CONNECT, SNI, target and Host, status
    ("a.test", "a.test", "/", "b.test", 421),
    ("a.test", "b.test", "/", "a.test", 421),
    ("a.test", "b.test", "/", "b.test", 421),
    ("a.test", None, "/", "b.test", 421),
    ("a.test", None, "/", V4, 421),
    ("a.test", "b.test", "/", V4, 421),
    ("a.test", "a.test", "https://b.test:{port}/", "b.test", 421),
    ("a.test", "a.test", "https://b.test:{port}/", "a.test", 400),
    ("a.test", "a.test", "https://a.test:{port}/", "b.test", 400),
    ("a.test", "a.test", "http://a.test:{port}/", "a.test", 421),
    (V4, None, "/", "a.test", 421),
    (V4, None, "/", "127.0.0.2", 421),
    (V4, None, "/", V6, 421),
    (V4, "a.test", "/", V4, 421),
    (V4, "a.test", "/", "a.test", 421),
    (V6, None, "/", V4, 421),
    (V6, "b.test", "/", V6, 421),
]


@pytest.fixture
def all_hosts(weir, origins, pki):
    """One weir for a.test, b.test and addresses, all at one port."""
    cert = pki.leaf("a.test", "b.test", "127.0.0.1", "::1")
    made = [origins("a.test", "b.test", cert=cert)]
    made.append(origins(cert=cert, address="::1", port=made[0].port))
    w = weir(
        egress="allow_address 127.0.0.1/32 127.0.0.2/32 ::1/128;",
        cls="allowed_hosts *.test 127.0.0.0/8 ::1;",
    )
    return w, made


def ask(w, port, connect, sni, target, host):
    """The response to a request in a tunnel, and the names of the leaf."""
    with w.client() as c:
        assert c.connect(f"{connect}:{port}").status == 200
        names = inside(c, sni, w.ca())
        return c.get(target.format(port=port), f"{host}:{port}"), names


def test_the_same_target_in_other_words(all_hosts):
    """Served; upstream the name is in canonical form, as the leaf has it."""
    w, (o, o6) = all_hosts
    for connect, sni, target, host, name in SAME:
        r, names = ask(w, o.port, connect, sni, target, host)
        assert r.status == 200, (connect, sni, host)
        kind = "DNS" if name == "a.test" else "IP Address"
        assert [(k, v.lower()) for k, v in names] == [(kind, name)]
    assert {r.get("Host") for r in o.requests} == {
        f"a.test:{o.port}", f"{V4}:{o.port}"
    }  # fmt: skip
    assert [r.get("Host") for r in o6.requests] == [f"[::1]:{o.port}"]
    assert {c.sni for c in o.conns} == {"a.test", None}


def test_another_target(all_hosts):
    """Refused in the tunnel, and no origin hears of it."""
    w, made = all_hosts
    for connect, sni, target, host, status in OTHER:
        r, _ = ask(w, made[0].port, connect, sni, target, host)
        assert r.status == status, (connect, sni, target, host)
    assert [o.conns for o in made] == [[], []]


def test_an_address_is_verified_as_that(weir, origins, pki):
    """Upstream: a certificate for a name, or for another address, is none."""
    for cert in (pki.leaf("a.test"), pki.leaf("127.0.0.2")):
        o = origins("a.test", cert=cert)
        w = weir(cls="allowed_hosts 127.0.0.1;")
        r, _ = ask(w, o.port, V4, None, "/", V4)
        assert r.status == 502
        assert "tls_certificate_error" in r.get("Proxy-Status")
        assert o.raw == b""


@pytest.mark.parametrize("name", [None, "a.test", "localhost"])
def test_no_blind_tunnel_to_an_address(weir, origin, name):
    """It has no SNI that could show it (RFC 6066 3)."""
    w = weir(
        egress="host 127.0.0.1 { intercept off; }",
        cls="allowed_hosts 127.0.0.1;",
    )
    with w.client() as c:
        assert c.connect(f"{V4}:{origin.port}").status == 200
        c.send(client_hello(name or V4))
        alert = MISSING_EXTENSION if name is None else UNRECOGNIZED_NAME
        assert c.alert() == alert
    assert origin.conns == []
    assert w.access_log(2)[1]["status"] == 421
    w.wait_log("no SNI in a" if name is None else "an SNI of another host in a")
