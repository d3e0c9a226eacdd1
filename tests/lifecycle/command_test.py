"""weir -s: of the configuration it needs where the pid file is, no more."""

import os
import subprocess

import pytest

from lib.wait import until
from lib.weir import BINARY

SECRET = "secret s file:keys/s hosts=a.test;"


def send(w, name, *args, **options):
    return subprocess.run(
        [BINARY, "-p", w.dir, "-c", "weir.conf", *args, "-s", name],
        env=w.environment(), capture_output=True, text=True, **options,
    )  # fmt: skip


def reloads(w):
    """How many reloads a master has begun."""
    return w.error_log().count("SIGHUP")


@pytest.fixture
def unreadable(weir):
    """A weir whose secrets nobody can read any more."""
    w = weir(
        egress=f"{SECRET} secret e env:ONLY_THERE hosts=a.test;",
        sandbox="address 127.0.0.1; token env:A_TOKEN;",
        env={"ONLY_THERE": "a-value-of-it", "A_TOKEN": "a-token"},
        files={"keys/s": "a-secret-of-the-test"},
    )
    os.remove(w.path("keys", "s"))
    os.mkdir(w.path("keys", "s"))  # which root cannot read either
    w.env.clear()
    return w


@pytest.mark.parametrize("name", ["stop", "quit"])
def test_it_ends(unreadable, name):
    done = send(unreadable, name)
    assert (done.returncode, done.stderr) == (0, "")
    assert unreadable.wait() == 0


def test_it_reopens_and_reloads(unreadable):
    """What comes of the reload is the master's to say."""
    w = unreadable
    w.expect("is not a regular file|goes on")
    os.rename(w.path("logs", "error.log"), w.path("logs", "old.log"))
    done = send(w, "reopen")
    assert (done.returncode, done.stderr) == (0, "")
    until(lambda: os.path.exists(w.path("logs", "error.log")), "the new log")
    done = send(w, "reload")
    assert (done.returncode, done.stderr) == (0, "")
    w.wait_log(r'secret "s": .* is not a regular file')


def test_another_user_cannot_read_them(weir):
    """It may signal all the same: here the workers' own user, and weir is
    started as that."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    w = weir(start=False, egress=SECRET, files={"keys/s": "a-secret"},
             sandbox="address 127.0.0.1; token file:keys/t;")  # fmt: skip
    os.chmod(w.path("keys"), 0o700)
    w.write("logs/weir.pid", f"{os.getpid()}\n")
    done = send(w, "stop", user=65534, group=65534, extra_groups=[])
    if "Permission denied: " in done.stderr:
        pytest.skip("the program lies where its user only gets")
    assert done.returncode == 1
    assert f"kill({os.getpid()}, 15) failed (1: Operation" in done.stderr


def test_a_configuration_with_an_error(weir):
    """It can be stopped; a reload would come to nothing, and is not begun."""
    w = weir()
    w.configure(w.config(egress="frobnicate on;"))
    done = send(w, "reload")
    assert done.returncode == 1
    assert 'unknown directive "frobnicate" in' in done.stderr
    assert send(w, "stop").returncode == 0
    assert w.wait() == 0
    assert reloads(w) == 0


@pytest.mark.parametrize("text", ["egress {", "include none.conf;"])
def test_a_configuration_that_cannot_be_read(weir, text):
    """Nobody knows what pid file it would name."""
    w = weir()
    w.configure(text)
    done = send(w, "stop")
    assert done.returncode == 1 and "weir.conf:1" in done.stderr
    assert w.process.poll() is None


@pytest.mark.parametrize("where", ["file", "include", "globals", "default"])
def test_where_the_pid_file_is(weir, where):
    name = "logs/weir.pid" if where == "default" else "run/other.pid"
    lines = {"file": f"pid {name};", "include": "include pid.conf;"}
    w = weir(start=False, files={"pid.conf": f"pid {name};",
                                 name: "999999999\n"})  # fmt: skip
    w.configure(lines.get(where, "") + "events {}\negress {}\n")
    args = ["-g", f"pid {name};"] if where == "globals" else []
    done = send(w, "stop", *args)
    assert done.returncode == 1
    path = w.path(*name.split("/"))
    assert (f'stale pid file "{path}": kill(999999999, 15) failed '
            "(3: No such process)") in done.stderr  # fmt: skip
