"""npm and pip as they come, from registries that ask for a credential which
neither of them has."""

import json
import os

import pytest

from lib.clients import PYTHON, TOKEN, attempt, need, run, url
from lib.registry import NpmRegistry, SimpleIndex
from lib.wait import until

READ_ONLY = """
secret token env:TOKEN;
host origin.test { bearer $secret_token; methods GET HEAD; }
"""
SMALL = [f"part{i:02}" for i in range(20)]


@pytest.fixture
def w(weir, origin):
    return weir(egress=READ_ONLY, env={"TOKEN": TOKEN})


@pytest.fixture
def npm(w, origin, guarded):
    """npm in an empty project, and a registry: a package with 20 others
    below it, one of which is large."""
    need("npm")
    registry = NpmRegistry(url(origin, ""))
    for name in SMALL:
        text = f"module.exports = '{name}';\n".encode()
        registry.add(name, {"index.js": text})
    registry.add("heap", {"index.js": b"", "heap.bin": os.urandom(2_000_000)})
    parts = ", ".join(f"require('{name}')" for name in SMALL)
    index = f"module.exports = [{parts}];\n".encode()
    registry.add("whole", {"index.js": index}, [*SMALL, "heap"])
    guarded(registry)

    def command(how, *args, project="project"):
        base = url(origin)
        return how(
            w, "npm", *args, f"--registry={base}",
            env={"npm_config_update_notifier": "false"}, cwd=w.path(project),
        )  # fmt: skip

    for project in ("project", "other"):
        w.write(f"{project}/package.json", json.dumps({"name": project}))
    return command


def test_npm_install(w, npm):
    npm(run, "install", "whole")
    out = run(w, "node", "-p", "require('whole').join(' ')",
              cwd=w.path("project"))  # fmt: skip
    assert out.split() == SMALL
    heap = w.path("project/node_modules/heap/heap.bin")
    assert os.path.getsize(heap) == 2_000_000
    assert TOKEN.encode() not in w.all_output(), "npm's logs and cache too"


def asked(origin, path):
    return [r for r in origin.requests if r.target == path]


def test_npm_asks_again(w, npm, origin):
    """By the ETag of what it has."""
    npm(run, "install", "part01")
    npm(run, "install", "--prefer-online", "part01", project="other")
    assert os.path.exists(w.path("other/node_modules/part01/index.js"))
    for path in ("/part01", "/part01/-/part01-1.0.0.tgz"):
        [_, again] = asked(origin, path)
        assert again.all("if-none-match") != []
        logged = lambda: [
            e["status"] for e in w.access_log() if e["path"] == path
        ]  # fmt: skip
        until(lambda: logged() == [200, 304], f"{path} once, and not again")


def test_curl_resumes(w, npm, origin):
    """A tarball of which it has the beginning."""
    path = "/heap/-/heap-1.0.0.tgz"
    run(w, "curl", "-sS", "-o", "whole", url(origin, path))
    with open(w.path("whole"), "rb") as f:
        whole = f.read()
    part = w.write("part", whole[:1_000_000])
    run(w, "curl", "-sS", "-C", "-", "-o", part, url(origin, path))
    with open(part, "rb") as f:
        assert f.read() == whole
    assert asked(origin, path)[1].get("range") == "bytes=1000000-"
    assert w.access_log(4)[-1]["status"] == 206


def test_npm_publish_is_refused_and_says_so(w, npm, origin):
    """Never published, whatever npm holds: it is told why, at once."""
    word = f"--//origin.test:{origin.port}/:_authToken=placeholder"
    mine = {"name": "mine", "version": "1.0.0"}
    w.write("project/package.json", json.dumps(mine))
    done = npm(attempt, "publish", word)
    assert done.returncode != 0 and "E405" in done.stderr, done.stderr
    assert "405 the method is blocked by egress policy" in done.stderr
    assert {r.method for r in origin.requests} <= {"GET", "HEAD"}


@pytest.fixture
def index(guarded):
    """`upper` wants `lower`, which is a large wheel; the metadata of the first
    lies beside it."""
    need(module="pip")
    index = SimpleIndex()
    index.add("lower", {"heap": os.urandom(1_000_000),
                        "lower.py": "word = 'lower'\n"})  # fmt: skip
    index.add("upper", {"upper.py": "import lower\nprint(lower.word)\n"},
              ["lower"], beside=True)  # fmt: skip
    guarded(index)
    return index


@pytest.fixture
def pip(w, origin, index):
    """Installs by pip, in a way; what was installed works."""

    def install(*args):
        run(w, PYTHON, "-m", "pip", "install", "--target", "lib",
            "--index-url", url(origin, "/simple"), *args)  # fmt: skip
        env = {"PYTHONPATH": "lib"}
        assert run(w, PYTHON, "-c", "import upper", env=env) == "lower\n"

    return install


def test_pip_reads_metadata_first(pip, origin):
    """Where it lies beside a wheel, else by ranges within it."""
    pip("--use-feature=fast-deps", "upper")
    upper, lower = (
        f"/files/{name}-1.0-py3-none-any.whl" for name in ("upper", "lower")
    )
    assert len(asked(origin, upper + ".metadata")) == 1
    how = [(r.method, bool(r.all("range"))) for r in asked(origin, lower)]
    assert how[:2] == [("HEAD", False), ("GET", True)]


def test_pip_requires_hashes(w, pip, index):
    lines = [f"{n}==1.0 --hash={h}\n" for n, h in index.hashes.items()]
    path = w.write("requirements.txt", "".join(lines))
    pip("--require-hashes", "-r", path)
