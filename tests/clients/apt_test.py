"""apt-get, from a flat repository of packages that are built here."""

import gzip
import hashlib
import os
import subprocess

import pytest

from lib.clients import EGRESS, TOKEN, attempt, need, run, url
from lib.http import reply
from lib.registry import NOT_FOUND

NAMES = [f"weir-test{i}" for i in range(12)]


def build_package(directory, name, size):
    """A .deb with one file of random bytes; its bytes, and its stanza."""
    root = os.path.join(directory, name)
    os.makedirs(os.path.join(root, "DEBIAN"))
    control = (
        f"Package: {name}\nVersion: 1.0\nArchitecture: all\n"
        "Maintainer: A Tester <tester@origin.test>\nDescription: a test\n"
    )
    with open(os.path.join(root, "DEBIAN", "control"), "w") as f:
        f.write(control)
    with open(os.path.join(root, "data"), "wb") as f:
        f.write(os.urandom(size))
    os.chmod(os.path.join(root, "DEBIAN"), 0o755)
    subprocess.run(
        ["dpkg-deb", "-Znone", "--build", root, root + ".deb"],
        check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    with open(root + ".deb", "rb") as f:
        data = f.read()
    return data, control + (
        f"Filename: ./{name}_1.0_all.deb\nSize: {len(data)}\n"
        f"SHA256: {hashlib.sha256(data).hexdigest()}\n"
    )


def repository(directory):
    """The answers of a flat repository, by path."""
    answers, stanzas = {}, []
    for i, name in enumerate(NAMES):
        data, stanza = build_package(directory, name, 100_000 * (i + 1))
        answers[f"/debian/./{name}_1.0_all.deb"] = data
        stanzas.append(stanza)
    index = "\n".join(stanzas).encode()
    packed = gzip.compress(index, mtime=0)
    answers["/debian/./Packages.gz"] = packed
    sums = ""
    for name, data in (("Packages", index), ("Packages.gz", packed)):
        sums += f" {hashlib.sha256(data).hexdigest()} {len(data)} {name}\n"
    answers["/debian/./Release"] = (
        "Origin: weir's tests\nDate: Thu, 01 Jan 2026 00:00:00 UTC\n"
        f"SHA256:\n{sums}"
    ).encode()
    return answers


@pytest.fixture
def w(weir, origin, guarded, tmp_path):
    need("apt-get", "dpkg-deb")
    answers = repository(str(tmp_path))

    def answer(conn, request):
        data = answers.get(request.target)
        return NOT_FOUND if data is None else reply(data)

    guarded(answer)
    w = weir(egress=EGRESS, env={"TOKEN": TOKEN})
    w.write("apt/etc/sources.list",
            f"deb [trusted=yes] {url(origin, '/debian')} ./\n")  # fmt: skip
    for name in ("state/lists/partial", "cache/archives/partial",
                 "etc/apt.conf.d", "etc/preferences.d"):  # fmt: skip
        os.makedirs(w.path("apt", name))
    w.write("apt/state/status", "")
    return w


def apt(how, w, *args):
    """apt-get with no directory but its own."""
    options = {
        "Dir::Etc": w.path("apt/etc"),
        "Dir::State": w.path("apt/state"),
        "Dir::State::status": w.path("apt/state/status"),
        "Dir::Cache": w.path("apt/cache"),
        "Acquire::https::Proxy": w.proxy,
        "Acquire::https::CAInfo": w.ca(),
        "Acquire::Languages": "none",
        "Acquire::Retries": "0",
        "APT::Sandbox::User": "root",
    }
    words = [f"-o{n}={v}" for n, v in options.items()]
    return how(w, "apt-get", "-q", *words, *args)


def test_apt_get_update_and_download(w):
    apt(run, w, "update")
    apt(run, w, "download", *NAMES)
    for i, name in enumerate(NAMES):
        size = os.path.getsize(w.path(f"{name}_1.0_all.deb"))
        assert size > 100_000 * (i + 1)


def test_apt_get_is_told_why(w):
    w.write("apt/etc/sources.list",
            "deb [trusted=yes] https://elsewhere.example/ ./\n")  # fmt: skip
    done = apt(attempt, w, "-oAPT::Update::Error-Mode=any", "update")
    assert done.returncode != 0
    assert "blocked by egress policy" in done.stderr
