"""What scanners say of the TLS that weir speaks, on a listener and inside a
tunnel. They know no CONNECT, or no name without an address: a forwarder leads
them in."""

import json
import xml.etree.ElementTree as xml

import pytest

from lib.clients import need, run
from lib.forward import ConnectForwarder
from lib.wait import DEADLINE

CIPHERS = {
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
}
SLICE = ["-R", "-C"]
WHOLE = ["-p", "-s", "-f", "-P", "-U", "-g"]


@pytest.fixture
def inside(served, origin):
    """A port that is the inside of a tunnel to the origin."""
    with ConnectForwarder(served, f"origin.test:{origin.port}") as forwarder:
        yield forwarder.port


@pytest.fixture
def around(weir, pki):
    """A weir with a port that speaks TLS itself."""
    cert, key = pki.leaf("origin.test")
    return weir(
        egress="listen 127.0.0.1:{{port}} proxy ssl;\n"
        f"ssl_certificate {cert};\nssl_certificate_key {key};\n"
    )


def test_sslscan(served, inside):
    assert_scan(served, inside)


def test_sslscan_of_a_listener(around):
    assert_scan(around, around.port)


def assert_scan(w, port):
    need("sslscan")
    out = run(
        w, "sslscan", "--sni-name=origin.test", "--xml=-",
        f"127.0.0.1:{port}",
    )  # fmt: skip
    found = xml.fromstring(out).find("ssltest")
    enabled = {
        (p.get("type"), p.get("version"))
        for p in found.iter("protocol")
        if p.get("enabled") == "1"
    }
    assert enabled == {("tls", "1.2"), ("tls", "1.3")}
    assert {c.get("cipher") for c in found.iter("cipher")} == CIPHERS
    assert found.find("renegotiation").get("supported") == "0"
    assert all(c.get("supported") == "0" for c in found.iter("compression"))
    assert all(h.get("vulnerable") == "0" for h in found.iter("heartbleed"))


@pytest.mark.heavy
@pytest.mark.parametrize(
    "checks", [SLICE, pytest.param(WHOLE, marks=pytest.mark.long)],
    ids=["slice", "whole"],
)  # fmt: skip
def test_testssl(served, inside, checks):
    """No finding that it rates at all."""
    need("testssl")
    run(
        served, "testssl", "--quiet", "--color=0", "--warnings=off",
        "--nodns=none", "--ip=127.0.0.1", "--add-ca", served.ca(),
        "--connect-timeout=5", "--openssl-timeout=5",
        "--jsonfile", "found.json", *checks, f"https://origin.test:{inside}/",
        deadline=DEADLINE * 30,
    )  # fmt: skip
    found = json.loads(served.read("found.json"))
    rated = {
        f["id"]: f["finding"]
        for f in found
        if f["severity"] not in ("OK", "INFO")
    }
    rated.pop("engine_problem", None)  # the scanner's own openssl
    assert rated == {}
    expected = {"secure_client_renego", "CRIME_TLS"}
    if checks == WHOLE:
        expected |= {"TLS1_2", "cipherlist_LOW", "PFS", "cipher_order", "ROBOT"}
    assert expected <= {f["id"] for f in found}, "checked at all"
