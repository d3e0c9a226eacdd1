"""`ports` of a host block rule for its hosts in place of the list of egress,
be they more or fewer."""

import pytest

CONF = """
ports  80 443 {usual};
resolve narrow.test 127.0.0.1; resolve wide.test 127.0.0.1;
resolve other.test 127.0.0.1;
host narrow.test {{ ports {own}; }}
host wide.test {{ ports {usual} {own}; location /path/ {{ }} }}
host other.test {{ }}
"""
IN_A_CLASS = """
sandbox_class test {{
    host narrow.test {{ ports {own}; }}
    host wide.test {{ ports {usual} {own}; }}
    allowed_hosts *.test;
}}
sandbox box {{ class test; address 127.0.0.1; }}
ports 80 443 {usual};
resolve narrow.test 127.0.0.1; resolve wide.test 127.0.0.1;
resolve other.test 127.0.0.1;
"""
#        host, a port of egress alone, one of the block alone
ALLOWED = {
    "narrow.test": (False, True),
    "wide.test": (True, True),
    "other.test": (True, False),
}


@pytest.fixture(params=[CONF, IN_A_CLASS], ids=["shared", "of a class"])
def ruled(request, weir, origins):
    """Makes a weir of a usual origin and of one at a block's own port."""

    def make(tls, more=""):
        usual = origins(*ALLOWED, tls=tls)
        own = origins(*ALLOWED, tls=tls)
        conf = request.param.format(usual=usual.port, own=own.port)
        return weir(egress=more + conf), usual, own

    return make


def each(usual, own):
    for name, (by_egress, by_block) in ALLOWED.items():
        yield name, usual, by_egress
        yield name, own, by_block


def explained(w, method, url):
    done = w.run("-E", "box", method, url)
    return done.returncode, done.stdout


def test_plain_requests(ruled):
    w, usual, own = ruled(tls=False)
    for name, origin, is_allowed in each(usual, own):
        had = len(origin.conns)
        url = f"http://{name}:{origin.port}/path/"
        with w.client() as c:
            r = c.get(url, f"{name}:{origin.port}")
        code, text = explained(w, "GET", url)
        assert r.status == (200 if is_allowed else 403), url
        assert (code == 0) is is_allowed, text
        if not is_allowed:
            assert f"port {origin.port} of {name} is blocked" in r.reason
            assert "not in ports" in text and len(origin.conns) == had


def test_connect_and_what_is_inside(ruled):
    w, usual, own = ruled(tls=True)
    for name, origin, is_allowed in each(usual, own):
        host = f"{name}:{origin.port}"
        code, text = explained(w, "GET", f"https://{host}/")
        assert (code == 0) is is_allowed, text
        with w.client() as c:
            r = c.connect(host)
            assert r.status == (200 if is_allowed else 403), host
            if not is_allowed:
                assert "it is not in ports" in r.get("Proxy-Status")
                continue
            c.tls(name, w.ca())
            assert c.get("/", host).status == 200
            # The name alone has another port: the tunnel's holds.
            assert c.get("/", name).status == 421


def test_denied_inside(ruled):
    """Where CONNECT is let in to be told: the SNI and the request are judged
    by the block's list, too."""
    w, usual, own = ruled(tls=True, more="deny_inside on;")
    for name, origin, is_allowed in each(usual, own):
        host = f"{name}:{origin.port}"
        with w.tunnel(name, origin.port) as c:
            r = c.get("/", host)
        assert r.status == (200 if is_allowed else 403), host
        assert is_allowed or f"port {origin.port} of {name}" in r.reason


def test_blind_tunnel(weir, origins):
    """The SNI there is judged with the port of the tunnel."""
    usual, own = origins("a.test"), origins("a.test")
    w = weir(
        egress=f"ports 443 {usual.port}; resolve a.test 127.0.0.1;"
        f"host a.test {{ intercept off; ports {own.port}; }}"
    )
    with w.client() as c:
        assert c.connect(f"a.test:{usual.port}").status == 403
    with w.client() as c:
        assert c.connect(f"a.test:{own.port}").status == 200
        c.tls("a.test", w.pki.ca)
        assert c.get("/", f"a.test:{own.port}").status == 200


def test_upgrade_of_a_plain_request_needs_443_of_the_block(weir, plain_origin):
    """A credential goes over TLS: port 80 becomes 443 where the block's own
    list has that."""
    w = weir(
        egress="""
        ports 80 443; secret t env:T hosts=a.test,b.test;
        host a.test { bearer $secret_t; ports 80; }
        host b.test { bearer $secret_t; }
        """,
        env={"T": "t0ken-0123456789"},
    )
    code, text = explained(w, "GET", "http://a.test/")
    assert code != 0 and "over TLS only" in text
    code, text = explained(w, "GET", "http://b.test/")
    assert code == 0 and "https://b.test" in text
