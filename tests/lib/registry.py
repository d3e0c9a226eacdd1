"""Stand-ins for package registries: packages that are built here, and the
answers of an origin to a client that asks for them."""

import base64
import hashlib
import io
import json
import tarfile
import zipfile

from .coded import pack
from .http import reply, reply_part

NOT_FOUND = reply("no such thing\n", "404 Not Found")


def not_modified(fields):
    lines = "".join(f"{n}: {v}\r\n" for n, v in fields)
    return f"HTTP/1.1 304 Not Modified\r\n{lines}\r\n".encode()


class Files:
    """answer(conn, request) of what has been put, as a network of caches
    does: by ETag, pages compressed, archives by ranges."""

    def __init__(self):
        self.pages = {}
        self.archives = {}

    def page(self, path, kind, text):
        self.pages[path] = pack(text), kind, text

    def archive(self, path, data):
        self.archives[path] = data

    def __call__(self, conn, request):
        path = request.target
        if path in self.archives:
            return self.send_archive(request, self.archives[path])
        if path in self.pages:
            return self.send_page(request, *self.pages[path])
        return NOT_FOUND

    def send_archive(self, request, data):
        kept = [("ETag", f'"{hashlib.md5(data).hexdigest()}"'),
                ("Cache-Control", "public, max-age=31557600")]  # fmt: skip
        if request.get("if-none-match") == kept[0][1]:
            return not_modified(kept)
        kind = ("Content-Type", "application/octet-stream")
        fields = [kind, ("Accept-Ranges", "bytes"), *kept]
        out = reply_part(request, data, fields)
        if request.method == "HEAD":
            return out.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
        return out

    def send_page(self, request, packed, kind, text):
        kept = [("ETag", f'W/"{hashlib.md5(packed).hexdigest()}"'),
                ("Cache-Control", "public, max-age=300"),
                ("Vary", "accept-encoding, accept")]  # fmt: skip
        if request.get("if-none-match") == kept[0][1]:
            return not_modified(kept)
        fields = [("Content-Type", kind), *kept]
        if "gzip" not in request.get("accept-encoding", ""):
            return reply(text, headers=fields)
        return reply(packed, headers=[("Content-Encoding", "gzip"), *fields])


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


class NpmRegistry(Files):
    """An npm registry at the URL `base`."""

    def __init__(self, base):
        super().__init__()
        self.base = base

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
        self.archive(path, data)
        kind = "application/vnd.npm.install-v1+json"
        self.page("/" + name, kind, json.dumps(document))


def metadata(name, requires):
    lines = ["Metadata-Version: 2.1", f"Name: {name}", "Version: 1.0"]
    lines += [f"Requires-Dist: {r}" for r in requires]
    return "\n".join(lines) + "\n"


def wheel(name, files, requires=()):
    """A pure wheel, version 1.0: a zip with its metadata and its record."""
    info = f"{name}-1.0.dist-info/"
    files = {
        **files,
        info + "METADATA": metadata(name, requires),
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


class SimpleIndex(Files):
    """A Python index (PEP 503) below /simple/; `hashes` are by name. Metadata
    may lie beside a wheel (PEP 658)."""

    def __init__(self):
        super().__init__()
        self.hashes = {}

    def add(self, name, files, requires=(), beside=False):
        data = wheel(name, files, requires)
        file = f"{name}-1.0-py3-none-any.whl"
        digest = hashlib.sha256(data).hexdigest()
        self.hashes[name] = "sha256:" + digest
        self.archive("/files/" + file, data)
        more = ""
        if beside:
            text = metadata(name, requires)
            self.archive(f"/files/{file}.metadata", text.encode())
            digest_beside = hashlib.sha256(text.encode()).hexdigest()
            more = f' data-dist-info-metadata="sha256={digest_beside}"'
        self.page(
            f"/simple/{name}/", "text/html",
            "<!DOCTYPE html><html><body>\n"
            f'<a href="../../files/{file}#sha256={digest}"{more}>{file}</a>\n'
            "</body></html>\n",
        )  # fmt: skip
