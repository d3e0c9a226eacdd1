"""npm and pip as they come, from registries that ask for a credential which
neither of them has."""

import json
import os

import pytest

from lib.clients import PYTHON, TOKEN, attempt, need, run, url
from lib.registry import NpmRegistry, SimpleIndex

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

    def command(how, *args):
        base = url(origin)
        return how(
            w, "npm", *args, f"--registry={base}",
            env={"npm_config_update_notifier": "false"},
            cwd=w.path("project"),
        )  # fmt: skip

    w.write("project/package.json", json.dumps({"name": "project"}))
    return command


def test_npm_install(w, npm):
    npm(run, "install", "whole")
    out = run(w, "node", "-p", "require('whole').join(' ')",
              cwd=w.path("project"))  # fmt: skip
    assert out.split() == SMALL
    heap = w.path("project/node_modules/heap/heap.bin")
    assert os.path.getsize(heap) == 2_000_000
    assert TOKEN.encode() not in w.all_output(), "npm's logs and cache too"


def test_npm_publish_is_refused_and_says_so(w, npm, origin):
    """Never published, whatever npm holds: it is told why, at once."""
    word = f"--//origin.test:{origin.port}/:_authToken=placeholder"
    mine = {"name": "mine", "version": "1.0.0"}
    w.write("project/package.json", json.dumps(mine))
    done = npm(attempt, "publish", word)
    assert done.returncode != 0 and "E405" in done.stderr, done.stderr
    assert "405 the method is blocked by egress policy" in done.stderr
    assert {r.method for r in origin.requests} <= {"GET", "HEAD"}


def test_pip_install(w, origin, guarded):
    need(module="pip")
    index = SimpleIndex()
    index.add("lower", {"lower.py": "word = 'lower'\n"})
    index.add("upper", {"upper.py": "import lower\nprint(lower.word)\n"},
              ["lower"])  # fmt: skip
    guarded(index)
    run(
        w, PYTHON, "-m", "pip", "install", "--target", "lib",
        "--index-url", url(origin, "/simple"), "upper",
    )  # fmt: skip
    out = run(w, PYTHON, "-c", "import upper", env={"PYTHONPATH": "lib"})
    assert out == "lower\n"
