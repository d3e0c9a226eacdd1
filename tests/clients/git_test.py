"""git over HTTPS with a credential that it does not have: small and large
packs, both ways."""

import base64
import os
import re
import subprocess

import pytest

from lib.clients import TOKEN, environment, url
from lib.git import GitBackend, git, make_repository
from lib.weir import keeps_freed_memory

MIB = 1 << 20


@pytest.fixture
def w(weir, origin, tmp_path):
    """A weir, and a git server that asks for Basic credentials."""
    make_repository(str(tmp_path))
    word = base64.b64encode(f"x-access-token:{TOKEN}".encode()).decode()
    origin.default = GitBackend(str(tmp_path), "Basic " + word)
    return weir(
        egress="secret token env:TOKEN;\n"
        "host origin.test { basic_auth x-access-token $secret_token; }",
        env={"TOKEN": TOKEN},
    )


def clone(w, origin, directory):
    env = environment(w)
    git("clone", "-q", url(origin, "/project.git"), directory, env=env)


def push(w, directory, size):
    """Commits a file of random bytes, so of a pack as large, and pushes."""
    env = environment(w)
    with open(os.path.join(directory, "big"), "wb") as f:
        for _ in range(size // MIB):
            f.write(os.urandom(MIB))
    git("add", "big", cwd=directory, env=env)
    git("commit", "-q", "-m", "second", cwd=directory, env=env)
    git("push", "-q", "origin", "main", cwd=directory, env=env)


def test_git_clone_and_push(w, origin, tmp_path):
    directory = str(tmp_path / "clone")
    clone(w, origin, directory)
    assert os.path.exists(os.path.join(directory, "README"))
    push(w, directory, 2 * MIB)
    log = git("log", "--format=%s", "main", cwd=str(tmp_path / "project.git"))
    assert log == "second\nfirst\n"
    for base, _, names in os.walk(directory):
        for name in names:
            with open(os.path.join(base, name), "rb") as f:
                assert TOKEN.encode() not in f.read()


def import_branches(bare, n):
    """As many branches, each of two commits of its own; incompressible."""
    stream = b""
    for i in range(n):
        for step in ("once", "twice"):
            data = os.urandom(20_000)
            stream += (
                f"commit refs/heads/b{i}\ncommitter A <a@b> {i} +0000\n"
                f"data {len(step)}\n{step}\nM 644 inline file\n"
                f"data {len(data)}\n"
            ).encode() + data + b"\n"  # fmt: skip
    subprocess.run(
        ["git", "fast-import", "--quiet"], cwd=bare, input=stream, check=True
    )


def asked(origin, service):
    return [r for r in origin.requests if r.target.endswith(service)
            and r.method == "POST"]  # fmt: skip


@pytest.mark.parametrize(
    "version", [2, pytest.param(0, marks=pytest.mark.long)]
)
def test_git_fetches_in_every_way(w, origin, tmp_path, version):
    """Shallow, deepened and partial, with requests that git compresses."""
    env, bare = environment(w), str(tmp_path / "project.git")
    import_branches(bare, 40)
    git("config", "uploadpack.allowFilter", "true", cwd=bare)
    git("config", "uploadpack.allowAnySHA1InWant", "true", cwd=bare)
    speak = ["-c", f"protocol.version={version}"]
    at, whole, part = url(origin, "/project.git"), "whole", "part"
    git(*speak, "clone", "-q", "--depth=1", "--no-single-branch", at, whole,
        cwd=w.dir, env=env)  # fmt: skip
    packed = [r.get("content-encoding") for r in asked(origin, "upload-pack")]
    assert "gzip" in packed
    count = ["rev-list", "--count", "--all"]
    assert git(*count, cwd=w.path(whole)) == "41\n"
    git(*speak, "fetch", "-q", "--unshallow", cwd=w.path(whole), env=env)
    assert git(*count, cwd=w.path(whole)) == "81\n"
    git("fsck", "--strict", cwd=w.path(whole))
    git(*speak, "clone", "-q", "--filter=blob:none", "-b", "b7", at, part,
        cwd=w.dir, env=env)  # fmt: skip
    wanted = git("show", "b7:file", cwd=bare, text=False)
    with open(w.path(part, "file"), "rb") as f:
        assert f.read() == wanted
    said = {r.get("git-protocol") for r in origin.requests}
    assert said == ({"version=2"} if version else {None})


@pytest.mark.parametrize("buffer, is_chunked", [("65536", True),
                                                ("8m", False)])  # fmt: skip
def test_git_pushes(w, origin, tmp_path, buffer, is_chunked):
    directory = str(tmp_path / "clone")
    clone(w, origin, directory)
    git("config", "http.postBuffer", buffer, cwd=directory)
    push(w, directory, 2 * MIB)
    pack = asked(origin, "receive-pack")[-1]
    assert pack.has_token("transfer-encoding", "chunked") == is_chunked
    assert len(pack.body) > 2 * MIB
    git("fsck", "--strict", cwd=str(tmp_path / "project.git"))


def peak(pid):
    """The most that a process ever had resident, in bytes."""
    with open(f"/proc/{pid}/status") as f:
        return int(re.search(r"VmHWM:\s+(\d+) kB", f.read())[1]) * 1024


@pytest.mark.parametrize(
    "size", [20 * MIB, pytest.param(200 * MIB, marks=pytest.mark.long)],
    ids=["20MiB", "200MiB"],
)  # fmt: skip
def test_large_packs_in_bounded_memory(w, origin, tmp_path, size):
    if keeps_freed_memory():
        pytest.skip("an instrumented allocator's memory")
    first, second = str(tmp_path / "first"), str(tmp_path / "second")
    clone(w, origin, first)
    (worker,) = w.children("worker")
    before = peak(worker)
    push(w, first, size)
    clone(w, origin, second)
    assert os.path.getsize(os.path.join(second, "big")) == size
    grown = peak(worker) - before
    assert grown < 2 * MIB, f"{grown} bytes for a pack of {size}"
