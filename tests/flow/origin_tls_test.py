"""Origins whose TLS is older or rarer than weir's own: what curl speaks to, weir
does; and what an operator names as trusted is trusted."""

import os
import ssl

import pytest

from lib.pki import Pki, openssl


def get(w, origin):
    with w.tunnel(origin.names[0], origin.port) as c:
        return c.get("/", f"{origin.names[0]}:{origin.port}")


@pytest.mark.parametrize("cipher", [
    "ECDHE-ECDSA-AES128-SHA256", "ECDHE-ECDSA-AES256-SHA384",
    "ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES256-GCM-SHA384",
])  # fmt: skip
def test_ciphers_of_tls_1_2(weir, origin, cipher):
    origin.context.maximum_version = ssl.TLSVersion.TLSv1_2
    origin.context.set_ciphers(cipher)
    assert get(weir(), origin).status == 200
    assert origin.conns[0].sock.cipher()[0] == cipher


@pytest.fixture
def rsa_origin(origins, pki):
    """It knows no key exchange but RSA's, and is its own CA: `trust`."""
    key = os.path.join(pki.dir, "rsa.key")
    openssl("genrsa", "-out", key, "2048")
    cert = openssl("req", "-x509", "-key", key, "-subj", "/CN=origin.test",
                   "-addext", "subjectAltName=DNS:origin.test")  # fmt: skip
    path = os.path.join(pki.dir, "rsa.pem")
    with open(path, "wb") as f:
        f.write(cert)
    origin = origins("origin.test", cert=(path, key))
    origin.context.maximum_version = ssl.TLSVersion.TLSv1_2
    origin.context.set_ciphers("AES128-GCM-SHA256")
    origin.trust = f"proxy_ssl_trusted_certificate {path};"
    return origin


def test_what_has_no_forward_secrecy_is_refused(weir, rsa_origin):
    assert get(weir(egress=rsa_origin.trust), rsa_origin).status == 502


def test_ciphers_that_an_operator_names(weir, rsa_origin):
    """For the block that names them alone."""
    w = weir(egress=rsa_origin.trust
             + "host origin.test { proxy_ssl_ciphers AES128-GCM-SHA256; }")  # fmt: skip
    assert get(w, rsa_origin).status == 200
    w = weir(egress=rsa_origin.trust + "proxy_ssl_ciphers AES128-GCM-SHA256;"
             "host origin.test { proxy_ssl_ciphers HIGH:!aNULL:!kRSA; }")  # fmt: skip
    assert get(w, rsa_origin).status == 502


@pytest.mark.parametrize("said, status, version", [
    ("TLSv1.2", 200, "TLSv1.2"), ("TLSv1.3", 200, "TLSv1.3"),
    ("TLSv1.2 TLSv1.3", 200, "TLSv1.3"),
])  # fmt: skip
def test_versions_that_an_operator_names(weir, origin, said, status, version):
    w = weir(egress=f"proxy_ssl_protocols {said};")
    assert get(w, origin).status == status
    assert origin.conns[0].sock.version() == version


def test_a_version_that_no_operator_named(weir, origin):
    origin.context.maximum_version = ssl.TLSVersion.TLSv1_2
    w = weir(egress="host origin.test { proxy_ssl_protocols TLSv1.3; }")
    assert get(w, origin).status == 502


def test_the_largest_curve(weir, origin):
    origin.context.set_ecdh_curve("secp521r1")
    assert get(weir(), origin).status == 200


def test_the_protocol_is_offered(weir, origin):
    origin.context.set_alpn_protocols(["h2", "http/1.1"])
    assert get(weir(), origin).status == 200
    assert origin.conns[0].sock.selected_alpn_protocol() == "http/1.1"


def intermediate(directory, root):
    """A CA below another."""
    sub = Pki(directory, "Below")
    request = os.path.join(directory, "ca.csr")
    with open(os.path.join(directory, "ca.ext"), "w") as f:
        f.write("basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n"
                "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n")  # fmt: skip
    openssl("req", "-new", "-key", sub.ca_key, "-subj", "/CN=Below", "-out", request)
    openssl("x509", "-req", "-in", request, "-CA", root.ca, "-CAkey", root.ca_key,
            "-CAcreateserial", "-days", "30", "-extfile", f.name, "-out", sub.ca)  # fmt: skip
    return sub


def test_an_intermediate_for_an_anchor(weir, origins, rogue_pki, tmp_path):
    """Its root is nobody's; another's leaf does not pass for it."""
    sub = intermediate(str(tmp_path / "sub"), rogue_pki)
    good = origins("origin.test", pki=sub)
    other = origins("other.test", pki=rogue_pki)
    w = weir(egress=f"proxy_ssl_trusted_certificate {sub.ca};")
    assert get(w, good).status == 200
    assert get(w, other).status == 502


@pytest.mark.parametrize("depth, status", [(0, 502), (1, 200)])
def test_the_depth_of_a_chain(weir, origins, pki, tmp_path, depth, status):
    """CAs between the leaf and the anchor are counted, and nothing else."""
    sub = intermediate(str(tmp_path / "sub"), pki)
    cert, key = sub.leaf("origin.test")
    with open(cert, "ab") as f, open(sub.ca, "rb") as above:
        f.write(above.read())
    deep = origins("origin.test", cert=(cert, key))
    flat = origins("flat.test")
    w = weir(egress=f"proxy_ssl_verify_depth {depth};")
    assert get(w, deep).status == status
    assert get(w, flat).status == 200
    if status == 502:
        w.wait_log("certificate verify failed: .*chain too long")


@pytest.mark.parametrize("certificate, is_good", [
    ("*.s3.test", True), ("my_app.s3.test", True), ("*.test", False),
    ("*.other.test", False), ("my-app.s3.test", False), ("s3.test", False),
])  # fmt: skip
def test_a_name_with_an_underscore(weir, origins, pki, certificate, is_good):
    """A bucket's: curl and browsers take the wildcard for it."""
    origin = origins("my_app.s3.test", cert=pki.leaf(certificate))
    assert get(weir(), origin).status == (200 if is_good else 502)
