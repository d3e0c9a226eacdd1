"""Images of containers: a registry to keep them in, Debian's, a server of
tokens for it, and layouts (OCI) to push."""

import base64
import gzip
import hashlib
import io
import json
import os
import re
import subprocess
import tarfile
import time
import urllib.parse

from .clients import UNPACKED, end_group, missing
from .http import reply
from .pki import openssl
from .wait import until

REGISTRY = os.path.join(UNPACKED, "usr/bin/docker-registry")
USER = "pusher"
# Its password is lib.clients.TOKEN: `htpasswd -niBC 4 pusher`.
HTPASSWD = (
    USER + ":$2b$04$KS0r9DMIw1HN83NEkXjSQu7n0VudfoAvMOI3.QYQxIkhHlrBmmSZ6\n"
)
CONF = """
version: 0.1
storage:
  filesystem: {{ rootdirectory: {dir}/storage }}
  redirect: {{ disable: {disable} }}
{middleware}
http:
  addr: 127.0.0.1:0
  tls: {{ certificate: {cert}, key: {key} }}
{auth}
"""
BY_PASSWORD = """
auth:
  htpasswd: {{ realm: images, path: {dir}/htpasswd }}
"""
# As the large ones do it: it sends its clients to another host for a token.
BY_TOKEN = """
auth:
  token: {{ realm: "{url}", service: images, issuer: tokens,
            rootcertbundle: {ca} }}
"""
# To another host, as a registry in front of an object store does.
REDIRECT = """
middleware:
  storage:
    - name: redirect
      options: {{ baseurl: "{}" }}
"""


class ImageRegistry:
    """docker-registry at `port`, as an origin of that name; its blobs are at
    `blobs` and its tokens at `tokens` (URLs) if these are given."""

    address = "127.0.0.1"

    def __init__(self, pki, name, directory, blobs=None, tokens=None):
        if not os.path.exists(REGISTRY):
            missing(f"docker-registry in {UNPACKED} (auto/unpacked)")
        self.names = [name]
        self.dir = directory
        cert, key = pki.leaf(name)
        self.write("htpasswd", HTPASSWD)
        conf = self.write("config.yml", CONF.format(
            dir=directory, cert=cert, key=key,
            disable=str(blobs is None).lower(),
            middleware=REDIRECT.format(blobs) if blobs else "",
            auth=BY_TOKEN.format(url=tokens, ca=pki.ca) if tokens
            else BY_PASSWORD.format(dir=directory),
        ))  # fmt: skip
        with open(os.path.join(directory, "log"), "w") as log:
            self.process = subprocess.Popen(
                [REGISTRY, "serve", conf],
                env={}, cwd=directory,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        try:
            self.port = until(self.listening, "docker-registry's port")
        except BaseException:
            self.close()
            raise

    def write(self, name, text):
        path = os.path.join(self.dir, name)
        with open(path, "w") as f:
            f.write(text)
        return path

    def log(self):
        with open(os.path.join(self.dir, "log")) as f:
            return f.read()

    def listening(self):
        assert self.process.poll() is None, self.log()
        found = re.search(r"listening on 127\.0\.0\.1:(\d+), tls", self.log())
        return found and int(found[1])

    def close(self):
        end_group(self.process)


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def raw_signature(der):
    """Of P-256 as a JWT has it: two numbers of 32 bytes."""
    out, at = b"", 2
    for _ in range(2):
        end = at + 2 + der[at + 1]
        out += int.from_bytes(der[at + 2 : end], "big").to_bytes(32, "big")
        at = end
    return out


class TokenServer:
    """answer(conn, request) of one who gives a token for what is asked for."""

    def __init__(self, pki, origin, directory):
        self.cert, self.key = pki.leaf(*origin.names)
        self.input = os.path.join(directory, "to-be-signed")

    def __call__(self, conn, request):
        query = urllib.parse.urlsplit(request.target).query
        access = []
        for scope in urllib.parse.parse_qs(query).get("scope", []):
            kind, name, actions = scope.split(":")
            access.append(
                {"type": kind, "name": name, "actions": actions.split(",")}
            )
        return reply(
            json.dumps({"token": self.token(access), "expires_in": 300}),
            headers=[("Content-Type", "application/json")],
        )

    def token(self, access):
        der = openssl("x509", "-in", self.cert, "-outform", "DER")
        head = {"typ": "JWT", "alg": "ES256",
                "x5c": [base64.b64encode(der).decode()]}  # fmt: skip
        now = int(time.time())
        claims = {
            "iss": "tokens", "aud": "images", "sub": "", "jti": "1",
            "nbf": now - 60, "iat": now, "exp": now + 3600, "access": access,
        }  # fmt: skip
        text = b".".join(
            base64url(json.dumps(part).encode()) for part in (head, claims)
        )
        with open(self.input, "wb") as f:
            f.write(text)
        der = openssl("dgst", "-sha256", "-sign", self.key, self.input)
        return (text + b"." + base64url(raw_signature(der))).decode()


def stored_blob(registry, target):
    """What is below its storage at the path that it redirects to."""
    with open(os.path.join(registry.dir, "storage", target[1:]), "rb") as f:
        return f.read()


class Layout:
    """An image in a directory, as the OCI lays it out, with a layer of each
    of these contents; `blobs` are by their digests."""

    def __init__(self, directory, contents):
        self.dir = directory
        self.blobs = {}
        layers, diffs = [], []
        for content in contents:
            tar = self.tar(content)
            diffs.append(self.digest(tar))
            layers.append(self.add("layer.v1.tar+gzip", gzip.compress(tar, 1)))
        config = self.add("config.v1+json", json.dumps({
            "architecture": "amd64", "os": "linux", "config": {},
            "rootfs": {"type": "layers", "diff_ids": diffs},
        }).encode())  # fmt: skip
        manifest = self.add("manifest.v1+json", json.dumps({
            "schemaVersion": 2, "config": config, "layers": layers,
        }).encode())  # fmt: skip
        manifest["annotations"] = {"org.opencontainers.image.ref.name": "1"}
        self.write("index.json", json.dumps(
            {"schemaVersion": 2, "manifests": [manifest]}
        ).encode())  # fmt: skip
        self.write("oci-layout", b'{"imageLayoutVersion": "1.0.0"}')
        for digest, data in self.blobs.items():
            self.write("blobs/" + digest.replace(":", "/"), data)

    def write(self, name, data):
        path = os.path.join(self.dir, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(data)

    def tar(self, content):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as tar:
            info = tarfile.TarInfo("content")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        return out.getvalue()

    def digest(self, data):
        return "sha256:" + hashlib.sha256(data).hexdigest()

    def add(self, kind, data):
        digest = self.digest(data)
        self.blobs[digest] = data
        return {
            "mediaType": "application/vnd.oci.image." + kind,
            "digest": digest, "size": len(data),
        }  # fmt: skip


def blobs_of(directory):
    """By their digests, those of a layout that someone else made."""
    path = os.path.join(directory, "blobs/sha256")
    found = {}
    for name in os.listdir(path):
        with open(os.path.join(path, name), "rb") as f:
            found["sha256:" + name] = f.read()
    return found
