"""Every command of README, typed as it stands there: from configure to the
stop, in namespaces where nothing of it stays."""

import contextlib
import os
import re
import signal

import pytest

from lib.clients import need
from lib.dns import Dns
from lib.markdown import page, typed
from lib.netns import MountNs
from lib.wait import until
from lib.weir import ROOT

pytestmark = pytest.mark.builds

# What README builds has other options than the tests' build in nothing but
# this: so each file is found in the cache of that.
CC = """#!/bin/sh
for word; do
    shift
    set -- "$@" "$word"
    [ "$word" = -Wwrite-strings ] && set -- "$@" -Werror
done
exec $(command -v ccache) /usr/bin/cc "$@"
"""
DENIED = 'denied_hosts has "gist.github.com"'
# What a line says, and its exit status; others say nothing that matters.
SAID = {
    "weir -t": (0, "is successful"),
    "weir": (0, "start worker process"),
    "https://github.com/": (0, "HTTP/1.1 200 OK"),
    "https://gist.github.com/": (56, "HTTP/1.1 403 "),
    "weir -E local GET https://gist.github.com/": (1, DENIED),
}
CLIENT = """/usr/bin/python3 -c '
import urllib.request
print(urllib.request.urlopen("https://github.com/").status)'"""


def lines():
    """Those that are not auto's, as they stand."""
    found = typed(page("README.md"))
    return [line for line in found if not line.startswith("auto/")]


def expected(line):
    command = re.sub(r"\s+#.*$", "", line)
    for end, what in sorted(SAID.items(), key=lambda i: -len(i[0])):
        if re.search(rf"(?:^|[/ ]){re.escape(end)}$", command):
            return what
    return 0, ""


class Machine:
    """A machine on which weir is not installed, with a name server and the
    test's CA among those of the system."""

    def __init__(self, path, pki):
        self.path = path
        self.prefix = path / "local" / "weir"
        self.mounts = MountNs()
        for name in ("local", "objs", "home", "bin"):
            (path / name).mkdir()
        (path / "resolv.conf").write_text("nameserver 127.0.0.1\n")
        (path / "bin" / "cc").write_text(CC)
        (path / "bin" / "cc").chmod(0o755)
        path.chmod(0o755)
        os.makedirs(os.path.join(ROOT, "objs"), exist_ok=True)
        # The cache is asked for what the same locale gave.
        locale = {k: v for k, v in os.environ.items() if k[:2] in ("LA", "LC")}
        self.env = {
            **locale,
            "PATH": f"{path}/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": str(path / "home"),
            "SSL_CERT_FILE": pki.ca,  # in place of the system's
            "MAKEFLAGS": f"-j{os.cpu_count()}",
            "CCACHE_DIR": os.environ.get("CCACHE_DIR", str(path / "ccache")),
        }
        for source, target in [
            ("local", "/usr/local"), ("objs", os.path.join(ROOT, "objs")),
            ("resolv.conf", "/etc/resolv.conf"),
        ]:  # fmt: skip
            done = self.mounts.run("mount", "--bind", path / source, target)
            assert done.returncode == 0, done.stdout

    def type(self, commands):
        """In one shell; (exit status, output) of each."""
        script = f"cd {ROOT}\n" + "".join(
            f"{command}\ns=$?; echo; echo ==== {n} $s\n"
            for n, command in enumerate(commands)
        )
        done = self.mounts.run("sh", "-c", script, env=self.env)
        parts = re.split(r"\n==== \d+ (\d+)\n", done.stdout)
        return list(zip(map(int, parts[1::2]), parts[0::2]))

    def pid(self):
        with contextlib.suppress(FileNotFoundError):
            return int((self.prefix / "logs" / "weir.pid").read_text() or 0)

    def close(self):
        if self.pid():
            os.kill(self.pid(), signal.SIGTERM)
        self.mounts.close()


@contextlib.contextmanager
def kept(path):
    """A file of the tree, which configure writes, is then as it was."""
    before = None
    with contextlib.suppress(FileNotFoundError), open(path, "rb") as f:
        before = f.read()
    yield
    if before is not None:
        with open(path, "wb") as f:
            f.write(before)
    elif os.path.exists(path):
        os.remove(path)


@pytest.fixture
def machine(netns, tmp_path, pki):
    need("unshare", "nsenter", "curl")
    m = Machine(tmp_path, pki)
    with kept(os.path.join(ROOT, "Makefile")):
        yield m
    m.close()


def test_commands_of_readme(machine, origins):
    github = origins("github.com", address="0.0.0.0", port=443)
    names = Dns({"github.com": ["93.184.215.14"]}, address=("127.0.0.1", 53))
    commands = lines()
    of_operator = next(c for c in commands if "weir -E" in c)
    commands.insert(commands.index(of_operator), CLIENT)
    results = machine.type(commands)
    names.close()
    assert len(results) == len(commands)
    for command, (status, output) in zip(commands, results):
        want, text = (0, "^200$") if command == CLIENT else expected(command)
        assert status == want, f"{command}:\n{output}"
        assert re.search(text, output.strip(), re.M), f"{command}:\n{output}"
    until(lambda: not machine.pid(), "the end of what README stops")
    assert len(github.requests) == 2
    log = (machine.prefix / "logs" / "access.log").read_text()
    assert log.count('"host":"github.com"') == 4  # two CONNECTs
    assert log.count('"status":403') == 1


def test_commands_of_auto():
    """The other commands: the stage demo of auto/test runs the first,
    demo_test.py the second, and the third runs this."""
    found = [line for line in typed(page("README.md")) if line[:5] == "auto/"]
    commands = [re.split(r"\s+#", line)[0] for line in found]
    assert commands[0] == "auto/demo" and commands[2] == "auto/test"
    assert commands[1].startswith("auto/demo -- curl ")
    assert len(commands) == 3
