"""skopeo, and a registry of images that asks for a password which skopeo does
not have: what is pushed and pulled has the digests that it had."""

import base64
import hashlib
import json
import os

import pytest

from lib.clients import PYTHON, TOKEN, attempt, need, run
from lib.http import reply
from lib.images import (
    USER, ImageRegistry, Layout, TokenServer, blobs_of, stored_blob,
)  # fmt: skip

MIB = 1 << 20
EGRESS = f"""
secret token env:TOKEN;
host images.test {{ basic_auth {USER} $secret_token; }}
"""
BASIC = base64.b64encode(f"{USER}:{TOKEN}".encode()).decode()
# As other clients upload: a blob in parts, each with its range.
PARTS = """
import hashlib, json, sys, requests
base, data = sys.argv[1], b"0123456789" * 20000
digest = "sha256:" + hashlib.sha256(data).hexdigest()
s, out = requests.Session(), []
r = s.post(base + "/blobs/uploads/")
for first, last in (0, 99999), (100000, 199999):
    r = s.patch(r.headers["Location"], data=data[first:last + 1],
                headers={"Content-Range": f"{first}-{last}",
                         "Content-Type": "application/octet-stream"})
    out.append([r.status_code, r.headers["Range"]])
r = s.put(r.headers["Location"], params={"digest": digest})
out.append([r.status_code, r.headers["Docker-Content-Digest"]])
at = f"{base}/blobs/{digest}"
r = s.head(at)
out.append([r.status_code, r.headers["Content-Length"]])
r = s.get(at, headers={"Range": "bytes=199995-"})
out.append([r.status_code, r.headers["Content-Range"], r.text])
r = s.get(at, headers={"If-None-Match": f'"{digest}"'})
out.append([r.status_code, r.headers["ETag"]])
print(json.dumps(out))
"""


@pytest.fixture
def registry(origins, pki, tmp_path):
    """registry(**options), which the end of the test ends."""

    def make(**options):
        directory = tmp_path / "registry"
        directory.mkdir()
        made = ImageRegistry(pki, "images.test", str(directory), **options)
        origins.made.append(made)
        return made

    return make


def authorization(request):
    return request.get("authorization")


def at(registry, path):
    return f"images.test:{registry.port}{path}"


def skopeo(how, w, *args):
    """With all that it keeps below the test's directory, as root too."""
    env = {"TMPDIR": w.dir, "_CONTAINERS_ROOTLESS_UID": "1",
           "XDG_DATA_HOME": w.dir}  # fmt: skip
    return how(w, "skopeo", "--insecure-policy", *args, env=env)


def push_and_pull(w, registry, tmp_path, contents):
    """The layout that was pushed; all of it came back."""
    image = "docker://" + at(registry, "/team/app:1")
    there, back = str(tmp_path / "there"), str(tmp_path / "back")
    layout = Layout(there, contents)
    skopeo(run, w, "copy", f"oci:{there}:1", image)
    skopeo(run, w, "copy", image, f"oci:{back}:1")
    assert blobs_of(back) == layout.blobs
    return layout


def test_skopeo(weir, registry, tmp_path):
    need("skopeo")
    registry = registry()
    w = weir(egress=EGRESS, env={"TOKEN": TOKEN})
    contents = [os.urandom(3 * MIB), b"a small one"]
    push_and_pull(w, registry, tmp_path, contents)
    tags = skopeo(run, w, "list-tags", "docker://" + at(registry, "/team/app"))
    assert json.loads(tags)["Tags"] == ["1"]
    none = "docker://" + at(registry, "/team/none:1")
    done = skopeo(attempt, w, "inspect", none)
    assert "manifest unknown" in done.stderr
    for word in (TOKEN, BASIC):
        assert word.encode() not in w.all_output(), "nor in what skopeo keeps"
    methods = {entry["method"] for entry in w.access_log()}
    assert methods == {"CONNECT", "HEAD", "POST", "PATCH", "PUT", "GET"}


def test_skopeo_is_sent_about(weir, pki, origins, registry, tmp_path):
    """To a host for tokens, which alone gets the password, and to one that
    has the blobs, which gets nothing."""
    need("skopeo")
    tokens, blobs = origins("tokens.test"), origins("blobs.test")
    registry = registry(
        blobs=f"https://blobs.test:{blobs.port}/",
        tokens=f"https://tokens.test:{tokens.port}/token",
    )
    tokens.default = TokenServer(pki, tokens, str(tmp_path))

    def answer(conn, request):
        out = reply(stored_blob(registry, request.target))
        if request.method == "HEAD":
            return out.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
        return out

    blobs.default = answer
    w = weir(
        egress=EGRESS.replace("images.test", "tokens.test"),
        env={"TOKEN": TOKEN},
    )
    push_and_pull(w, registry, tmp_path, [os.urandom(MIB), b"a small one"])
    assert {*map(authorization, tokens.requests)} == {f"Basic {BASIC}"}
    assert len([r for r in blobs.requests if r.method == "GET"]) == 3
    assert {*map(authorization, blobs.requests)} == {None}


def test_blob_in_parts(weir, registry):
    need(module="requests")
    registry = registry()
    w = weir(egress=EGRESS, env={"TOKEN": TOKEN})
    base = "https://" + at(registry, "/v2/team/app")
    out = json.loads(run(w, PYTHON, "-c", PARTS, base))
    digest = hashlib.sha256(b"0123456789" * 20000).hexdigest()
    assert out == [
        [202, "0-99999"], [202, "0-199999"], [201, "sha256:" + digest],
        [200, "200000"], [206, "bytes 199995-199999/200000", "56789"],
        [304, f'"sha256:{digest}"'],
    ]  # fmt: skip
