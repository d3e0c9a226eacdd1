"""slowhttptest at the proxy port: hundreds of heads or bodies that never end
cost their own connections, for as long as the time-outs say, and no more."""

import subprocess
import time

import pytest

from lib.clients import EGRESS, TOKEN, end_group, environment, need
from lib.http import reply
from lib.wait import DEADLINE, SLOW, until

N = 150
LIMITS = """
client_header_timeout 4s;
client_body_timeout 4s;
header_slots 1000;
"""


def established(port):
    """How many connections to a port of ours are open."""
    with open("/proc/net/tcp") as f:
        rows = [line.split() for line in f.readlines()[1:]]
    return sum(r[1].endswith(f":{port:04X}") and r[3] == "01" for r in rows)


@pytest.fixture
def w(weir, plain_origin, guarded):
    """Its plain origin never answers: it waits for the end of a body."""
    plain_origin.script = lambda conn: conn.reader.to_eof()
    guarded(lambda conn, request: reply("hello\n"))
    return weir(egress=EGRESS + LIMITS, env={"TOKEN": TOKEN})


@pytest.fixture
def slow(w):
    """Starts slowhttptest; its end is the end of its last connection."""
    need("slowhttptest")
    started = []

    def start(*args):
        started.append(subprocess.Popen(
            ["slowhttptest", "-c", str(N), "-r", str(N), "-l", "30", *args],
            env=environment(w), cwd=w.dir, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            start_new_session=True,
        ))  # fmt: skip
        return started[-1]

    yield start
    for process in started:
        end_group(process)
        process.stdout.close()


def assert_served_meanwhile(w, origin):
    """Others get their answers as if nothing were, while all are open."""
    until(lambda: established(w.port) >= N, "all the slow ones")
    began = time.monotonic()
    for _ in range(20):
        with w.tunnel("origin.test", origin.port) as c:
            answer = c.get("/", f"origin.test:{origin.port}")
            assert answer.body == b"hello\n"
    assert time.monotonic() - began < 2 * SLOW
    assert established(w.port) >= N, "it was not meanwhile"


def assert_ended(process, began):
    """By weir, and in time: within the limit and the tool's own seconds."""
    out, _ = process.communicate(timeout=DEADLINE * 3)
    assert "No open connections left" in out
    assert time.monotonic() - began < 9 * SLOW


def assert_timed_out(w):
    late = [e for e in w.access_log(N) if e["status"] == 408]
    assert len(late) >= N


@pytest.mark.heavy
def test_slow_heads(w, origin, slow):
    began = time.monotonic()
    process = slow("-H", "-i", "1", "-u", w.proxy + "/")
    assert_served_meanwhile(w, origin)
    assert_ended(process, began)
    assert_timed_out(w)


@pytest.mark.heavy
def test_slow_bodies(w, origin, plain_origin, slow):
    began = time.monotonic()
    process = slow(
        "-B", "-i", "10", "-s", "1000000", "-d", f"127.0.0.1:{w.port}",
        "-u", f"http://plain.test:{plain_origin.port}/",
    )  # fmt: skip
    plain_origin.wait_conns(N)
    assert_served_meanwhile(w, origin)
    assert_ended(process, began)
    for conn in plain_origin.conns:
        assert conn.done.wait(DEADLINE), "the origin's side ends too"
    assert_timed_out(w)
