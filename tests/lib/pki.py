"""Certificates for origins, made with the openssl command, once a session."""

import os
import subprocess
import threading


def openssl(*args):
    done = subprocess.run(
        ["openssl", *args], capture_output=True, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


class Pki:
    """A CA in a directory, with leaves by name. `ca` is its certificate."""

    def __init__(self, directory, name="Test origins CA"):
        self.dir = directory
        os.makedirs(directory, exist_ok=True)
        os.chmod(directory, 0o755)
        self.ca = os.path.join(directory, "ca.pem")
        self.ca_key = os.path.join(directory, "ca.key")
        self.lock = threading.Lock()
        self.leaves = {}
        openssl(
            "req", "-x509", "-newkey", "ec",
            "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-keyout", self.ca_key, "-out", self.ca, "-days", "30",
            "-subj", f"/CN={name}",
            "-addext", "keyUsage=critical,keyCertSign,cRLSign",
        )  # fmt: skip

    def leaf(self, *names):
        """(certificate, key) paths for the names: DNS names or addresses."""
        with self.lock:
            if names not in self.leaves:
                self.leaves[names] = self.make_leaf(names)
            return self.leaves[names]

    def make_leaf(self, names):
        base = os.path.join(self.dir, f"leaf{len(self.leaves)}")
        alternatives = ",".join(
            ("IP:" if n.replace(".", "").isdigit() or ":" in n else "DNS:") + n
            for n in names
        )
        cert, key = base + ".pem", base + ".key"
        openssl(
            "req", "-x509", "-newkey", "ec",
            "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-keyout", key, "-out", cert, "-days", "30", "-subj", "/",
            "-CA", self.ca, "-CAkey", self.ca_key,
            "-addext", f"subjectAltName=critical,{alternatives}",
            "-addext", "extendedKeyUsage=serverAuth,clientAuth",
            "-addext", "basicConstraints=CA:FALSE",
            "-addext", "subjectKeyIdentifier=hash",
            "-addext", "authorityKeyIdentifier=keyid",
        )  # fmt: skip
        return cert, key
