"""conf/weir.logrotate, with the real logrotate, against a weir at work."""

import glob
import gzip
import json
import os
import shutil
import subprocess
import threading

import pytest

from lib.wait import until
from lib.weir import ROOT

LOGROTATE = shutil.which("logrotate", path=os.environ["PATH"] + ":/usr/sbin")


def paths_logged(w):
    """The path of every line in all generations of the access log."""
    found = []
    for name in glob.glob(w.path("logs", "access.log*")):
        opened = gzip.open if name.endswith(".gz") else open
        with opened(name, "rt") as f:
            found += [json.loads(line)["path"] for line in f]
    return found


class Traffic(threading.Thread):
    """One request after another until told to stop."""

    def __init__(self, w, origin):
        super().__init__(daemon=True)
        self.w, self.origin = w, origin
        self.sent, self.failed = 0, None
        self.is_over = threading.Event()

    def run(self):
        host = f"plain.test:{self.origin.port}"
        try:
            with self.w.client() as c:
                while not self.is_over.is_set():
                    r = c.get(f"http://{host}/{self.sent}", host)
                    assert r.status == 200
                    self.sent += 1
        except Exception as e:
            self.failed = e

    def wait_for(self, n):
        more = self.sent + n
        until(lambda: self.sent >= more or self.failed, "traffic")
        assert self.failed is None

    def finish(self):
        self.is_over.set()
        self.join()
        assert self.failed is None


def test_no_line_is_lost(weir, plain_origin):
    assert LOGROTATE, "Debian's logrotate is missing"
    w = weir(egress="keepalive_requests 100000;")
    with open(os.path.join(ROOT, "conf", "weir.logrotate")) as f:
        text = f.read().replace("/usr/local/weir", w.dir)
    conf, state = w.write("logrotate.conf", text), w.path("logrotate.state")
    os.chmod(conf, 0o644)
    traffic = Traffic(w, plain_origin)
    traffic.start()
    for _ in range(4):
        traffic.wait_for(20)
        done = subprocess.run(
            [LOGROTATE, "-v", "-f", "-s", state, conf],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        until(lambda: w.read("logs", "access.log"), "lines in the new log")
    traffic.finish()
    w.stop("QUIT")
    assert len(glob.glob(w.path("logs", "access.log.*.gz"))) == 3
    want = sorted(f"/{i}" for i in range(traffic.sent))
    assert sorted(paths_logged(w)) == want


def test_without_a_pid_file_nothing_is_signalled(weir):
    assert LOGROTATE, "Debian's logrotate is missing"
    w = weir(start=False)
    w.write("logs/access.log", "a line\n")
    with open(os.path.join(ROOT, "conf", "weir.logrotate")) as f:
        conf = w.write("l.conf", f.read().replace("/usr/local/weir", w.dir))
    os.chmod(conf, 0o644)
    done = subprocess.run(
        [LOGROTATE, "-f", "-s", w.path("l.state"), conf],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert w.read("logs", "access.log.1") == "a line\n"


@pytest.mark.parametrize("name", ["access.log", "error.log"])
def test_reopen_by_command(weir, plain_origin, name):
    w = weir()
    host = f"plain.test:{plain_origin.port}"
    os.rename(w.path("logs", name), w.path("logs", name + ".1"))
    done = w.run("-s", "reopen")
    assert done.returncode == 0, done.stderr
    until(lambda: os.path.exists(w.path("logs", name)), "the new file")
    assert os.stat(w.path("logs", name)).st_mode & 0o777 == 0o640
    with w.client() as c:
        assert c.get(f"http://{host}/", host).status == 200
