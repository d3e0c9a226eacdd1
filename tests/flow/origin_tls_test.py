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


def test_what_has_no_forward_secrecy_is_refused(weir, origins, pki):
    """RSA's key exchange."""
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
    w = weir(egress=f"proxy_ssl_trusted_certificate {path};")
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


@pytest.mark.parametrize("certificate, is_good", [
    ("*.s3.test", True), ("my_app.s3.test", True), ("*.test", False),
    ("*.other.test", False), ("my-app.s3.test", False), ("s3.test", False),
])  # fmt: skip
def test_a_name_with_an_underscore(weir, origins, pki, certificate, is_good):
    """A bucket's: curl and browsers take the wildcard for it."""
    origin = origins("my_app.s3.test", cert=pki.leaf(certificate))
    assert get(weir(), origin).status == (200 if is_good else 502)
