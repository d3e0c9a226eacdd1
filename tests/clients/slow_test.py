"""slowhttptest at the proxy port: hundreds of heads or bodies that never end,
or answers that are not read, cost their own connections, for as long as the
time-outs say, and no more; a range of thousands costs weir nothing. Whether
others are served meanwhile is seen where no time-out can end them first."""

import subprocess

import pytest

from lib.clients import EGRESS, TOKEN, end_group, environment, need
from lib.http import reply
from lib.wait import DEADLINE, until
from lib.weir import resident

N = 150
FEW = 50  # where the origin's own sockets hold megabytes of each
MIB = 1024 * 1024
SHORT = "client_header_timeout 1s; client_body_timeout 1s;"


def established(port):
    """How many connections to a port of ours are open."""
    with open("/proc/net/tcp") as f:
        rows = [line.split() for line in f.readlines()[1:]]
    return sum(r[1].endswith(f":{port:04X}") and r[3] == "01" for r in rows)


@pytest.fixture
def w(weir, origin, plain_origin, guarded):
    """Its plain origin never answers: it waits for the end of a body."""
    plain_origin.script = lambda conn: conn.reader.to_eof()
    guarded(lambda conn, request: reply("hello\n"))
    return weir(
        egress=EGRESS.replace("TOKEN;", "TOKEN hosts=origin.test,range.test;")
        + "header_slots 1000; host range.test { bearer $secret_token;"
        f" proxy_pass https://origin.test:{origin.port}; }}",
        env={"TOKEN": TOKEN},
    )  # fmt: skip


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


def through(w, target):
    return ["-d", f"127.0.0.1:{w.port}", "-u", f"http://{target}/"]


def assert_served_meanwhile(w, origin, n=N):
    """Others get their answers while all are open, and after that they are."""
    until(lambda: established(w.port) >= n, "all the slow ones")
    for _ in range(20):
        with w.tunnel("origin.test", origin.port) as c:
            answer = c.get("/", f"origin.test:{origin.port}")
            assert answer.body == b"hello\n"
    assert established(w.port) >= n, "it was not meanwhile"


def assert_ended(process):
    """By weir: the tool says otherwise where its own 30 s end the test."""
    out, _ = process.communicate(timeout=DEADLINE * 3)
    assert "No open connections left" in out


def assert_timed_out(w):
    late = [e for e in w.access_log(N) if e["status"] == 408]
    assert len(late) >= N


SLOW_HEADS = ["-H", "-i", "1"]
SLOW_BODIES = ["-B", "-i", "10", "-s", "1000000"]


@pytest.mark.heavy
def test_served_beside_slow_heads(w, origin, slow):
    slow(*SLOW_HEADS, "-u", w.proxy + "/")
    assert_served_meanwhile(w, origin)


@pytest.mark.heavy
@pytest.mark.egress(SHORT)
def test_slow_heads_end(w, slow):
    assert_ended(slow(*SLOW_HEADS, "-u", w.proxy + "/"))
    assert_timed_out(w)


@pytest.mark.heavy
def test_served_beside_slow_bodies(w, origin, plain_origin, slow):
    slow(*SLOW_BODIES, *through(w, f"plain.test:{plain_origin.port}"))
    plain_origin.wait_conns(N)
    assert_served_meanwhile(w, origin)


@pytest.mark.heavy
@pytest.mark.egress(SHORT)
def test_slow_bodies_end(w, plain_origin, slow):
    assert_ended(
        slow(*SLOW_BODIES, *through(w, f"plain.test:{plain_origin.port}"))
    )
    for conn in plain_origin.conns:
        assert conn.done.wait(DEADLINE), "the origin's side ends too"
    assert_timed_out(w)


SLOW_READS = ["-X", "-c", str(FEW), "-n", "1", "-z", "5", "-w", "512",
              "-y", "1024"]  # fmt: skip


@pytest.fixture
def long_origin(plain_origin):
    """Answers with more than any socket holds."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (4 * MIB)

    def script(conn):
        conn.read_head()
        conn.send(head + bytes(4 * MIB))

    plain_origin.script = script
    return plain_origin


@pytest.mark.heavy
def test_served_beside_slow_reads(w, origin, long_origin, slow):
    """Of a body that is not read weir takes what it may hold, and the kernel
    for it no more."""
    [worker] = w.children("worker")
    before = resident(worker)
    slow(*SLOW_READS, *through(w, f"plain.test:{long_origin.port}"))
    long_origin.wait_conns(FEW)
    assert_served_meanwhile(w, origin, FEW)
    if before is not None:
        assert resident(worker) - before < FEW * 400, "KiB, of all of them"


@pytest.mark.heavy
@pytest.mark.egress("send_timeout 2s;")
def test_slow_reads_end(w, long_origin, slow):
    """The tool itself sees an end only when it has read all."""
    slow(*SLOW_READS, *through(w, f"plain.test:{long_origin.port}"))

    def stuck():
        log = w.access_log()
        return [e for e in log if e["cause"] == "client timed out"]

    until(lambda: len(stuck()) >= FEW, "the end of all", DEADLINE * 3)
    assert max(e["bytes_sent"] for e in stuck()) < MIB
    for conn in long_origin.conns:
        assert conn.done.wait(DEADLINE), "the origin's side ends too"


RANGE = "bytes=0-," + ",".join(f"5-{i}" for i in range(2001))


@pytest.mark.heavy
@pytest.mark.egress("redact on;")
def test_ranges(w, origin, plain_origin, slow):
    """weir serves none itself: it passes on what came, asks for the whole
    where a secret may be echoed, and takes no more than a head may be."""
    plain_origin.script = plain_origin.serve
    for limit, target in (
        ("2000", f"plain.test:{plain_origin.port}"),
        ("2000", "range.test"),
        ("9000", f"plain.test:{plain_origin.port}"),
    ):
        assert_ended(slow("-R", "-t", "GET", "-b", limit, *through(w, target)))
    asked = [r.all("range") for r in plain_origin.requests]
    assert [a for a in asked if a] == [[RANGE]] * N
    assert len(origin.requests) >= N
    assert [r for r in origin.requests if r.all("range")] == []
    too_large = [e for e in w.access_log(3 * N) if e["status"] == 431]
    assert len(too_large) == N
