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

    def leaf(self, *names, days=30):
        """(certificate, key) paths for the names: DNS names or addresses.
        Negative days make a certificate that has expired."""
        with self.lock:
            wanted = (names, days)
            if wanted not in self.leaves:
                self.leaves[wanted] = self.make_leaf(names, days)
            return self.leaves[wanted]

    def make_leaf(self, names, days):
        base = os.path.join(self.dir, f"leaf{len(self.leaves)}")
        alternatives = ",".join(
            ("IP:" if n.replace(".", "").isdigit() or ":" in n else "DNS:") + n
            for n in names
        )
        with open(base + ".ext", "w") as f:
            f.write(
                f"subjectAltName=critical,{alternatives}\n"
                "extendedKeyUsage=serverAuth,clientAuth\n"
                "basicConstraints=CA:FALSE\n"
                "subjectKeyIdentifier=hash\n"
                "authorityKeyIdentifier=keyid\n"
            )
        openssl(
            "req", "-new", "-newkey", "ec",
            "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-keyout", base + ".key", "-out", base + ".csr", "-subj", "/",
        )  # fmt: skip
        openssl(
            "x509", "-req", "-in", base + ".csr", "-CA", self.ca,
            "-CAkey", self.ca_key, "-CAcreateserial", "-days", str(days),
            "-extfile", base + ".ext", "-out", base + ".pem",
        )  # fmt: skip
        return base + ".pem", base + ".key"
