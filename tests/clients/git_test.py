"""git over HTTPS with a credential that it does not have: small and large
packs, both ways."""

import base64
import os
import re

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
