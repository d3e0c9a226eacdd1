"""weir in a container with nothing in it but the program, its libraries and a
configuration: no users, no names of hosts, no CAs, no /dev and no /proc."""

import json
import os
import re
import shutil
import subprocess

import pytest

from lib.wait import until
from lib.weir import BINARY, GLOBALS, WRAP, keeps_freed_memory

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif("valgrind" in WRAP, reason="it is not in there"),
]

MAIN = """
user       65534;
error_log  stderr  info;
pid        logs/weir.pid;
"""
# A sanitizer reads /proc.
WITH_PROC = [
    "unshare", "--mount", "sh", "-c",
    'mount -t proc proc "$1/proc" && exec "$@"', "sh",
]  # fmt: skip


def inside(w):
    """The prefix becomes the root of what is run."""
    shutil.copy(BINARY, w.path("weir"))
    found = subprocess.run(["ldd", BINARY], capture_output=True, text=True)
    for path in re.findall(r"/\S+", found.stdout):
        os.makedirs(w.path(*os.path.dirname(path).split("/")), exist_ok=True)
        shutil.copy(path, w.path(*path.split("/")))
    os.mkdir(w.path("proc"))

    def command(*args):
        found = [
            "chroot", w.dir, "/weir", "-p", "/", "-c", "weir.conf",
            "-g", f"daemon off; {GLOBALS}", *args,
        ]  # fmt: skip
        if keeps_freed_memory():
            return [*WITH_PROC[:4], WITH_PROC[4].replace("$1", w.dir),
                    WITH_PROC[5], *found]  # fmt: skip
        return found

    w.command = command
    return w


@pytest.fixture
def contained(weir):
    def make(main=MAIN, egress="", start=True, **parts):
        w = inside(weir(start=False))
        trust = ""
        if "trusted" not in egress:
            shutil.copy(w.pki.ca, w.path("ca.pem"))
            trust = "proxy_ssl_trusted_certificate /ca.pem;"
        w.configure(w.config(main=main, egress=f"{trust}\n{egress}", **parts))
        return w.start() if start else w

    return make


def lines_of(w, n=1):
    """The access log's entries, which stand in the output."""

    def found():
        text = [s for s in w.stderr().splitlines() if s.startswith("{")]
        return len(text) >= n and [json.loads(s) for s in text]

    return until(found, f"{n} lines of the access log")


STREAMS = ["stdout", "/dev/stdout", "stderr", "/proc/self/fd/1"]


@pytest.mark.parametrize("name", STREAMS)
def test_it_serves(contained, origin, name):
    """And the logs stay where they are, whatever is opened again or read
    anew."""
    w = contained(egress=f"access_log {name} json;")
    host = f"origin.test:{origin.port}"
    with w.tunnel("origin.test", origin.port) as c:
        assert c.get("/first", host).status == 200
        w.signal("USR1")
        until(lambda: "SIGUSR1" in w.stderr(), "the signal")
        assert c.get("/second", host).status == 200
        w.signal("HUP")
        until(lambda: w.stderr().count("serves") == 2, "the reload")
    with w.tunnel("origin.test", origin.port) as c:
        assert c.get("/third", host).status == 200
    paths = [entry["path"] for entry in lines_of(w, 5)]
    assert [p for p in paths if p] == ["/first", "/second", "/third"]
    assert sorted(os.listdir(w.path("logs"))) == ["stderr", "weir.pid"]
    assert not os.path.exists(w.path("stdout"))


def test_who_the_workers_are(contained):
    for main, uid, gid in (
        (MAIN, 65534, 65534),
        (MAIN.replace("65534", "65533 1234"), 65533, 1234),
    ):
        w = contained(main=main, egress="access_log stdout json;")
        (worker,) = w.children("worker")
        with open(f"/proc/{worker}/status") as f:
            status = f.read()
        assert re.search(rf"Uid:(\s{uid}){{4}}\n", status)
        assert re.search(rf"Gid:(\s{gid}){{4}}\n", status)
        assert re.search(rf"Groups:\s({gid} )?\n", status)
        w.stop()


@pytest.mark.parametrize("line, what", [
    ("", 'no user "nobody" here: set "user", to a number'),
    ("user weir;", 'no such user or group: "weir" in /weir.conf'),
    ("user 65534 weir;", 'no such user or group: "65534", weir in /weir.conf'),
    ("user 4294967295;", 'no such user or group: "4294967295" in /weir.conf'),
])  # fmt: skip
def test_a_user_that_is_not_there(contained, line, what):
    w = contained(main=f"{line} pid logs/weir.pid; error_log stderr;",
                  egress="access_log off;", start=False)  # fmt: skip
    done = w.run("-t")
    assert done.returncode == 1 and what in done.stderr


def test_without_cas(contained, origin):
    """It says so before a request fails for it."""
    trust = "proxy_ssl_trusted_certificate"
    w = contained(start=False)
    text = w.config(main=MAIN, egress="access_log stdout json;")
    w.configure(re.sub(rf"{trust}.*;", "", text))
    w.start()
    warning = (
        rf'\[warn\] .*no CA certificates in "\S+" and "\S+": .* set "{trust}"'
    )
    assert re.search(warning, w.stderr())
    with w.tunnel("origin.test", origin.port) as c:
        assert c.get("/", f"origin.test:{origin.port}").status == 502
    w.stop()
    w.configure(re.sub(rf"{trust}.*;", f"{trust} /ca.pem;", text))
    assert "no CA certificates" not in w.run("-t").stderr


def test_without_resolv_conf(contained):
    w = contained(egress="access_log stdout json;")
    with w.client() as c:
        assert c.get("http://unknown.test/", "unknown.test").status == 502
    assert re.search(
        "no name server answers: there is no /etc/resolv.conf, so 127.0.0.1 "
        'is asked; set "resolver"', w.stderr())  # fmt: skip


def test_signals_by_command(contained):
    w = contained(egress="access_log stdout json;")
    assert w.run("-s", "reopen").returncode == 0
    until(lambda: "SIGUSR1" in w.stderr(), "the signal")
    assert w.run("-s", "quit").returncode == 0
    assert w.wait() == 0
