"""What docs/figures.md shows of a run, and auto/demo -- CMD."""

import os
import re
import shlex
import shutil
import socket
import subprocess
import sys

import pytest

from lib import demo_slots
from lib.clients import environment, need
from lib.markdown import page, typed
from lib.weir import BINARY, ROOT


class Sandbox:
    """What demo_slots wants of a demo."""

    def __init__(self, w, api):
        self.weir, self.api = w, api

    def url(self, path):
        return f"https://origin.test:{self.api.port}{path}"

    def popen(self, *command):
        return subprocess.Popen(
            command, env=environment(self.weir), text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip


def shape(line):
    """Without what differs from run to run: times, and how long a bar is."""
    return re.sub(r"\d+\.\d+", "0.0", re.sub(r"([.=-])\1+", r"\1", line))


def drawing():
    with open(os.path.join(ROOT, "docs", "figures.md")) as f:
        text = f.read()
    return re.search(r"```\n('\.' waits.*?)```", text, re.S)[1].splitlines()


def test_seven_requests_as_they_are_drawn_them(weir, origin):
    need("curl")
    lines = []
    demo_slots.show(Sandbox(weir(), origin), lines.append)
    drawn = drawing()
    assert len(drawn) == 9
    assert list(map(shape, lines[1:])) == list(map(shape, drawn))
    for line in lines[2:9] + drawn[1:8]:
        assert len(line) <= demo_slots.COLUMNS + 5


# auto/demo -- CMD…: what it does is lib/demo.py's, once weir is built


def demo(directory, *command):
    env = {**os.environ, "WEIR_BIN": BINARY, "DEMO_CWD": str(directory)}
    env["PYTHONPATH"] = os.path.join(ROOT, "tests")
    return subprocess.run(
        [sys.executable, "-m", "lib.demo", *command], env=env, text=True,
        cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True,
    )  # fmt: skip


def suggested(said):
    """What it says to type next, where there is a command behind `--`."""
    return re.findall(r"^  auto/demo -- (.*?)(?:  .*)?$", said, re.M)


@pytest.fixture
def own_ports():
    if os.geteuid() != 0:
        pytest.skip("its ports are free where the network is the test's own")


def test_command_at_addresses_that_are_known_before(own_ports, tmp_path):
    """The one that README has."""
    lines = [shlex.split(x, comments=True) for x in typed(page("README.md"))]
    (words,) = [w for w in lines if w[:2] == ["auto/demo", "--"]]
    done = demo(tmp_path, *words[2:])
    assert done.returncode == 0, done.stderr
    assert "the demo account" in done.stdout
    assert "is taken" not in done.stderr
    log = done.stderr.split("weir's access log:\n")[1]
    assert 'GET https://api.demo.test:8443/" 200' in log


def test_what_it_says_to_type_next_works(own_ports, tmp_path):
    said = demo(tmp_path, "true").stderr
    assert "weir saw no request" in said
    get, clone, denied = map(shlex.split, suggested(said))
    assert "the demo account" in demo(tmp_path, *get).stdout
    assert demo(tmp_path, *clone).returncode == 0
    assert (tmp_path / "project" / "README").exists()
    done = demo(tmp_path, *denied)
    assert done.returncode != 0 and "403" in done.stdout
    line = 'denied_hosts has "gist.demo.test"'
    assert done.stderr.count(line) == 0  # in the access log alone, escaped
    assert done.stderr.count(line.replace('"', r"\x22")) == 1


def test_handshake_that_failed_is_told(own_ports, tmp_path):
    url = "https://api.demo.test:8443/"
    said = demo(tmp_path, "curl", "--cacert", __file__, url).stderr
    assert 'client handshake for "api.demo.test" failed' in said


def test_ports_that_are_taken(tmp_path):
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind(("127.0.0.1", 8443))
        except OSError:
            pass  # another has it
        else:
            sock.listen()
        done = demo(tmp_path, "true")
    said = re.search("8443 is taken: .* is at ([0-9]+)", done.stderr)
    assert done.stderr.index(said[0]) < done.stderr.index("https_proxy=")
    assert f"https://api.demo.test:{said[1]}/" in done.stderr


def test_exit_status_of_the_command(tmp_path):
    assert demo(tmp_path, "sh", "-c", "exit 7").returncode == 7
    assert demo(tmp_path, "sh", "-c", "kill -9 $$").returncode == 137
    done = demo(tmp_path, "no-such-command-here")
    assert done.returncode == 127 and "no-such-command-here" in done.stderr


# What it builds, and when: in a tree whose configure and weir are stand-ins


CONFIGURE = """#!/bin/sh
echo "configure $*" >>calls
mkdir -p objs-demo/build
cat >objs-demo/build/Makefile <<'END'
objs-demo/build/weir: weir.c
\t@echo make >>calls
\t@grep -v broken weir.c >$@
END
"""


class Tree:
    def __init__(self, path):
        self.path = path
        self.n_calls = 0
        (path / "auto").mkdir()
        (path / "tests" / "lib").mkdir(parents=True)
        shutil.copy(os.path.join(ROOT, "auto", "demo"), path / "auto")
        (path / "auto" / "packages").write_text(
            "DEMO_PACKAGES=\ninstall_packages() { :; }\n"
        )
        (path / "tests" / "lib" / "demo.py").write_text(
            "import os, sys\nprint(os.environ['WEIR_BIN'], sys.argv[1:])\n"
        )
        (path / "configure").write_text(CONFIGURE)
        (path / "configure").chmod(0o755)
        (path / "weir.c").write_text("a source\n")
        (path / "calls").write_text("")

    def demo(self, *words, **env):
        """What it did, beside running the demo."""
        self.done = subprocess.run(
            [self.path / "auto" / "demo", *words],
            env={"PATH": os.environ["PATH"], **env},
            capture_output=True, text=True,
        )  # fmt: skip
        calls = (self.path / "calls").read_text().splitlines()
        new, self.n_calls = calls[self.n_calls :], len(calls)
        return new


def test_nothing_is_built_twice(tmp_path):
    tree = Tree(tmp_path)
    configured = "configure --builddir=objs-demo/build"
    assert tree.demo() == [configured, "make"]
    assert "building" in tree.done.stderr
    assert tree.demo("--", "a", "b c") == []
    assert tree.done.stderr == ""
    weir = tmp_path / "objs-demo" / "build" / "weir"
    assert tree.done.stdout == f"{weir} ['a', 'b c']\n"
    weir.unlink()
    assert tree.demo() == ["make"]
    asked = {"DEMO_CONFIGURE": "--with-werror"}
    assert tree.demo(**asked) == [configured + " --with-werror"]
    assert tree.demo(**asked) == []
    assert tree.demo(CC="other") == [configured]


def test_build_that_fails(tmp_path):
    tree = Tree(tmp_path)
    (tmp_path / "weir.c").write_text("broken\n")
    assert tree.demo()[-1] == "make"
    assert tree.done.returncode == 1 and tree.done.stdout == ""
    assert "weir.c" in tree.done.stderr or "Error 1" in tree.done.stderr


def test_usage():
    done = subprocess.run(
        [os.path.join(ROOT, "auto", "demo"), "curl"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 2 and "usage: auto/demo" in done.stderr
