"""A sandbox that does not trust its CA: the log says so, and what to do."""

import ssl

import pytest

from lib.client import Client
from lib.wait import until

DISTRUST = "does not trust its CA: give its clients"


@pytest.fixture
def fail(origin, pki):
    """A handshake that the client ends by an alert, as OpenSSL does; it stays
    connected, so that weir, which may still write, comes to read it."""
    kept = []

    def run(w, version=ssl.TLSVersion.TLSv1_3):
        context = ssl.create_default_context(cafile=pki.ca)
        context.minimum_version = context.maximum_version = version
        c = w.client()
        assert c.connect(f"origin.test:{origin.port}").status == 200
        tls = context.wrap_socket(
            c.sock, server_hostname="origin.test",
            do_handshake_on_connect=False,
        )  # fmt: skip
        kept.append(tls)
        with pytest.raises(ssl.SSLCertVerificationError):
            tls.do_handshake()

    yield run
    for tls in kept:
        tls.close()


@pytest.mark.parametrize("version", [
    ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3,
])  # fmt: skip
def test_it_is_told_once(weir, origin, fail, version):
    w = weir()
    for i in range(3):
        fail(w, version)
        until(lambda i=i: w.error_log().count("alert unknown ca") == i + 1,
              "the alert")  # fmt: skip
    (line,) = [s for s in w.error_log().splitlines() if DISTRUST in s]
    assert "[warn]" in line and "sandbox: box" in line
    assert f'sandbox "box" {DISTRUST} "{w.ca()}"' in line
    assert 'for "origin.test"' in line
    with w.tunnel("origin.test", origin.port) as c:
        assert c.get("/", f"origin.test:{origin.port}").status == 200


def test_of_each_sandbox(weir, fail):
    w = weir(egress="sandbox box { class test; address 127.0.0.1; }"
             "sandbox other { class test; address 127.0.0.2; }")  # fmt: skip
    fail(w)
    w.wait_log(f'sandbox "box" {DISTRUST}')
    w.client = lambda: Client(w.port, source="127.0.0.2")
    fail(w)
    w.wait_log(f'sandbox "other" {DISTRUST}')


def test_another_failure_is_none(weir, origin):
    w = weir()
    with w.client() as c:
        assert c.connect(f"origin.test:{origin.port}").status == 200
        context = ssl.create_default_context(cafile=w.ca())
        context.set_alpn_protocols(["nonsense"])
        with pytest.raises(ssl.SSLError):
            context.wrap_socket(c.sock, server_hostname="origin.test")
    w.wait_log('client handshake for "origin.test" failed')
    assert DISTRUST not in w.error_log()
