"""Images of containers: a registry to keep them in, Debian's, and layouts
(OCI) to push."""

import gzip
import hashlib
import io
import json
import os
import re
import subprocess
import tarfile

from .clients import end_group, missing
from .wait import until
from .weir import BINARY

UNPACKED = os.environ.get(
    "WEIR_TEST_UNPACKED", os.path.join(os.path.dirname(BINARY), "unpacked")
)
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
auth:
  htpasswd: {{ realm: images, path: {dir}/htpasswd }}
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
    `blobs` (a URL) if that is given."""

    address = "127.0.0.1"

    def __init__(self, pki, name, directory, blobs=None):
        if not os.path.exists(REGISTRY):
            missing(f"docker-registry in {UNPACKED} (auto/unpack)")
        self.names = [name]
        self.dir = directory
        cert, key = pki.leaf(name)
        self.write("htpasswd", HTPASSWD)
        conf = self.write("config.yml", CONF.format(
            dir=directory, cert=cert, key=key,
            disable=str(blobs is None).lower(),
            middleware=REDIRECT.format(blobs) if blobs else "",
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
