"""CONNECT, TLS by the sandbox's own CA, and the request inside."""

import ssl
import time

import pytest

from lib.http import reply
from lib.pki import openssl
from lib.weir import GLOBALS


def test_request_in_a_tunnel(weir, origin):
    w = weir()
    host = f"origin.test:{origin.port}"
    with w.tunnel("origin.test", origin.port) as c:
        r = c.get("/in?side", host)
        assert (r.status, r.body) == (200, b"hello from the origin\n")
        assert r.get("Server") is None
    request = origin.requests[0]
    assert request.target == "/in?side" and request.get("Host") == host
    assert origin.conns[0].sni == "origin.test"


def test_leaf_is_signed_by_this_sandbox_alone(weir, origin):
    w = weir(
        egress="""
        listen 127.0.0.1:{{port}} proxy;
        listen 127.0.0.1:{{other_port}} proxy;
        sandbox_class test { allowed_hosts *.test; }
        sandbox box { class test; address 127.0.0.1; }
        sandbox neighbour { class test; address 127.0.0.2; }
        """
    )
    with w.tunnel("origin.test", origin.port) as c:
        names = c.peer_certificate()["subjectAltName"]
        assert names == (("DNS", "origin.test"),)
    client = w.client()
    assert client.connect(f"origin.test:{origin.port}").status == 200
    with pytest.raises(ssl.SSLCertVerificationError):
        client.tls("origin.test", w.ca("neighbour"))
    client.close()
    with w.client(source="127.0.0.2") as c:
        assert c.connect(f"origin.test:{origin.port}").status == 200
        c.tls("origin.test", w.ca("neighbour"))


def test_ca_certificate_is_a_narrow_one(weir, origin):
    w = weir()
    text = openssl("x509", "-in", w.ca(), "-noout", "-text").decode()
    assert "CA:TRUE, pathlen:0" in text
    assert "prime256v1" in text
    assert "PRIVATE" not in w.read("ca", "box.pem")


def test_many_requests_in_one_tunnel(weir, origin):
    w = weir()
    with w.tunnel("origin.test", origin.port) as c:
        for i in range(20):
            host = f"origin.test:{origin.port}"
            assert c.get(f"/{i}", host).status == 200
    assert len(origin.requests) == 20 and len(origin.conns) == 1


def test_upstream_connection_serves_the_next_tunnel(weir, origin):
    w = weir()
    for _ in range(3):
        with w.tunnel("origin.test", origin.port) as c:
            assert c.get("/", f"origin.test:{origin.port}").status == 200
    assert len(origin.requests) == 3 and len(origin.conns) == 1


def test_pool_is_not_shared_between_sandboxes(weir, origin):
    w = weir(
        egress="""
        sandbox_class test { allowed_hosts *.test; }
        sandbox box { class test; address 127.0.0.1; }
        sandbox neighbour { class test; address 127.0.0.2; }
        """
    )
    host = f"origin.test:{origin.port}"
    with w.tunnel("origin.test", origin.port) as c:
        assert c.get("/", host).status == 200
    with w.client(source="127.0.0.2") as c:
        assert c.connect(host).status == 200
        c.tls("origin.test", w.ca("neighbour"))
        assert c.get("/", host).status == 200
    assert len(origin.conns) == 2


@pytest.mark.parametrize(
    "size", [0, 1, 16384, 300_000 if "one_byte" in GLOBALS else 3_000_000]
)
def test_bodies_of_any_size(weir, origin, size):
    body = bytes(i * 7 % 251 for i in range(min(size, 1000))) * (
        size // 1000 or 1
    )
    body = body[:size]
    origin.default = reply(body)
    w = weir()
    with w.tunnel("origin.test", origin.port) as c:
        r = c.request("POST", "/", f"origin.test:{origin.port}", body=body)
    assert r.body == body
    assert origin.requests[0].body == body


def test_a_guest_whose_clock_is_a_day_behind(weir, origin, tmp_path):
    """Its CA and a leaf hold at that time, too."""
    w = weir()
    with w.tunnel("origin.test", origin.port) as c:
        leaf = ssl.DER_cert_to_PEM_cert(c.sock.getpeercert(True))
    (tmp_path / "leaf.pem").write_text(leaf)
    then = int(time.time()) - 24 * 3600
    openssl("verify", "-x509_strict", "-attime", str(then), "-CAfile", w.ca(),
            str(tmp_path / "leaf.pem"))  # fmt: skip


def test_host_other_than_the_tunnels_is_misdirected(weir, origins):
    a, b = origins("a.test"), origins("b.test")
    w = weir()
    with w.tunnel("a.test", a.port) as c:
        r = c.get("/", f"b.test:{b.port}")
        assert r.status == 421
    assert a.requests == [] and b.conns == []


def test_sni_other_than_the_tunnels_is_misdirected(weir, origins):
    a, b = origins("a.test"), origins("b.test")
    w = weir()
    client = w.client()
    assert client.connect(f"a.test:{a.port}").status == 200
    with client.tls("b.test", w.ca()) as c:
        assert c.get("/", f"a.test:{a.port}").status == 421
    assert a.conns == [] and b.conns == []


def test_port_other_than_the_tunnels_is_misdirected(weir, origin):
    w = weir()
    with w.tunnel("origin.test", origin.port) as c:
        assert c.get("/", "origin.test").status == 421
    assert origin.requests == []


def test_connect_inside_a_tunnel_is_refused(weir, origin):
    w = weir()
    host = f"origin.test:{origin.port}"
    with w.tunnel("origin.test", origin.port) as c:
        assert c.connect(host).status == 405
    assert origin.conns == []


def test_plain_http_in_a_tunnel(weir, plain_origin):
    w = weir()
    host = f"plain.test:{plain_origin.port}"
    with w.client() as c:
        assert c.connect(host).status == 200
        assert c.get("/x", host).status == 200
    assert plain_origin.requests[0].target == "/x"


def test_origin_certificate_must_verify(weir, origins, rogue_pki):
    rogue = origins("rogue.test", pki=rogue_pki)
    w = weir()
    with w.tunnel("rogue.test", rogue.port) as c:
        r = c.get("/", f"rogue.test:{rogue.port}")
    assert r.status == 502
    assert "tls_certificate_error" in r.get("Proxy-Status")
    assert rogue.requests == []


def test_origin_certificate_must_bear_the_name(weir, origins, pki):
    wrong = origins("wrong.test", cert=pki.leaf("right.test"))
    w = weir()
    with w.tunnel("wrong.test", wrong.port) as c:
        assert c.get("/", f"wrong.test:{wrong.port}").status == 502
    assert wrong.requests == []


@pytest.mark.parametrize(
    "version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]
)
def test_session_is_resumed(weir, origin, version):
    w = weir()
    host = f"origin.test:{origin.port}"
    first = w.client()
    assert first.connect(host).status == 200
    context = ssl.create_default_context(cafile=w.ca())
    context.minimum_version = context.maximum_version = version
    first.tls("origin.test", None, session=(context, None))
    assert first.get("/", host).status == 200
    session = first.session()
    first.close()
    second = w.client()
    assert second.connect(host).status == 200
    second.tls("origin.test", None, session=session)
    assert second.get("/", host).status == 200
    assert second.sock.session_reused
    second.close()


def test_upstream_session_is_resumed(weir, origin):
    def close_after(conn):
        conn.read_request()
        conn.send(reply(b"x", headers=[("Connection", "close")]))

    origin.script = close_after
    w = weir()
    with w.tunnel("origin.test", origin.port) as c:
        for _ in range(2):
            assert c.get("/", f"origin.test:{origin.port}").status == 200
    conns = origin.wait_conns(2)
    assert not conns[0].was_resumed and conns[1].was_resumed
