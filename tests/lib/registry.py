"""Stand-ins for package registries: packages that are built here, and the
answers of an origin to a client that asks for them."""

import base64
import hashlib
import io
import json
import tarfile
import zipfile

from .http import reply

NOT_FOUND = reply("no such thing\n", "404 Not Found")


def npm_tarball(manifest, files):
    """What `npm pack` makes: everything below package/, gzipped."""
    out = io.BytesIO()
    files = {"package.json": json.dumps(manifest).encode(), **files}
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo("package/" + name)
            info.size = len(data)
            info.mode = 0o644
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


class NpmRegistry:
    """answer(conn, request) of an npm registry at the URL `base`."""

    def __init__(self, base):
        self.base = base
        self.answers = {}

    def add(self, name, files, dependencies=()):
        manifest = {
            "name": name,
            "version": "1.0.0",
            "main": "index.js",
            "dependencies": {d: "^1.0.0" for d in dependencies},
        }
        data = npm_tarball(manifest, files)
        path = f"/{name}/-/{name}-1.0.0.tgz"
        sha512 = base64.b64encode(hashlib.sha512(data).digest()).decode()
        dist = {
            "tarball": self.base + path,
            "integrity": "sha512-" + sha512,
            "shasum": hashlib.sha1(data).hexdigest(),
        }
        document = {
            "name": name,
            "dist-tags": {"latest": "1.0.0"},
            "versions": {"1.0.0": {**manifest, "dist": dist}},
        }
        self.answers[path] = reply(data)
        self.answers["/" + name] = reply(
            json.dumps(document),
            headers=[("Content-Type", "application/json")],
        )

    def __call__(self, conn, request):
        return self.answers.get(request.target, NOT_FOUND)


def wheel(name, files, requires=()):
    """A pure wheel, version 1.0: a zip with its metadata and its record."""
    info = f"{name}-1.0.dist-info/"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
    metadata += "".join(f"Requires-Dist: {r}\n" for r in requires)
    files = {
        **files,
        info + "METADATA": metadata,
        info + "WHEEL": "Wheel-Version: 1.0\nGenerator: weir's tests\n"
        "Root-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = ""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, text in files.items():
            data = text if isinstance(text, bytes) else text.encode()
            digest = hashlib.sha256(data).digest()
            digest = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
            record += f"{path},sha256={digest},{len(data)}\n"
            archive.writestr(path, data)
        archive.writestr(info + "RECORD", record + info + "RECORD,,\n")
    return out.getvalue()


class SimpleIndex:
    """answer(conn, request) of a Python index (PEP 503) below /simple/."""

    def __init__(self):
        self.answers = {}

    def add(self, name, files, requires=()):
        data = wheel(name, files, requires)
        file = f"{name}-1.0-py3-none-any.whl"
        digest = hashlib.sha256(data).hexdigest()
        page = (
            "<!DOCTYPE html><html><body>\n"
            f'<a href="../../files/{file}#sha256={digest}">{file}</a>\n'
            "</body></html>\n"
        )
        self.answers["/files/" + file] = reply(data)
        self.answers[f"/simple/{name}/"] = reply(
            page, headers=[("Content-Type", "text/html")]
        )

    def __call__(self, conn, request):
        return self.answers.get(request.target, NOT_FOUND)
