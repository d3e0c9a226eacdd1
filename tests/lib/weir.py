"""weir under test: a config, a private prefix, a process, its logs."""

import contextlib
import functools
import json
import os
import re
import shlex
import signal
import socket
import subprocess

from .client import Client, basic
from .wait import DEADLINE, SLOW, until

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(__file__)))
BINARY = os.environ.get("WEIR_BIN", os.path.join(ROOT, "objs", "weir"))
GLOBALS = os.environ.get("WEIR_TEST_GLOBALS", "")
WRAP = shlex.split(os.environ.get("WEIR_TEST_WRAP", ""))

# What is never in a log, whatever the test: our own bugs and dead children.
BAD = re.compile(
    r"Sanitizer|runtime error:|panic|exited on signal|\[alert\]|\[emerg\]"
    r"|exited with code 99|== (?:Invalid|Conditional|Use of|Syscall param)"
    r"|definitely lost: [1-9]| are definitely lost"
)

# Each part of the config: a directive that the test gives itself replaces
# the line here, so that a test says only what it is about.
MAIN = """
worker_processes  1;
error_log  logs/error.log  info;
pid  logs/weir.pid;
"""
EVENTS = "worker_connections  512;"
EGRESS = """
access_log  logs/access.log  json;
allow_address  127.0.0.1/32;
listen  127.0.0.1:{{port}}  proxy;
"""
CLASS = """
internet  off;
allowed_hosts  *.test;
"""
SANDBOX = """
class  test;
address  127.0.0.1;
"""

# A test run that is killed leaves no weir behind. A function in the child would
# do it too, but for that the whole of Python must be forked.
END_WITH_PARENT = ["setpriv", "--pdeathsig", "TERM"]


def defaults(lines, given):
    """The default lines whose directive `given` does not use."""
    used = set(re.findall(r"(?:^|;)[^\S\n]*([a-z_]+)", given, re.M))
    kept = [
        line
        for line in lines.strip().splitlines()
        if line.split()[0] not in used
    ]
    return "\n".join(kept) + "\n" + given


def reserve_port():
    """A port that is ours until the socket closes: bound and not listening,
    so that weir, which sets both options too, can bind it."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    sock.bind(("127.0.0.1", 0))
    return sock


@functools.cache
def keeps_freed_memory():
    """Whether a sanitizer or Valgrind does: VmRSS says little then."""
    with open(BINARY, "rb") as f:
        return "valgrind" in WRAP or b"__asan_init" in f.read()


def is_stopped(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rpartition(")")[2].split()[0] == "T"
    except OSError:
        return False


def resident(pid):
    """VmRSS in KiB; None where it says little."""
    if keeps_freed_memory():
        return None
    with open(f"/proc/{pid}/status") as f:
        return int(re.search(r"VmRSS:\s+(\d+)", f.read())[1])


class Weir:
    def __init__(self, directory, pki, origins):
        self.dir = directory
        self.pki = pki
        self.origins = origins
        self.held = []
        self.ports = {}
        self.process = None
        self.expected = []
        self.sandbox = "box"
        self.env = {}
        self.values = {"pki": pki.dir, "dir": directory}
        for name in ("logs", "conf", "ca"):
            os.makedirs(os.path.join(directory, name), exist_ok=True)

    # The config

    def fill(self, text):
        """{{port}} and {{NAME_port}} are free ports, {{pki}} and {{dir}}
        directories; other names are in `values`."""

        def value(match):
            name = match[1]
            if name in self.values:
                return str(self.values[name])
            assert name == "port" or name.endswith("_port"), name
            if name not in self.ports:
                sock = reserve_port()
                self.held.append(sock)
                self.ports[name] = sock.getsockname()[1]
            return str(self.ports[name])

        return re.sub(r"\{\{(\w+)\}\}", value, text)

    def default_egress(self):
        lines = EGRESS
        for origin in self.origins:
            for name in origin.names:
                lines += f"resolve  {name}  {origin.address};\n"
        ports = {80, 443, *(o.port for o in self.origins)}
        lines += f"ports  {' '.join(map(str, sorted(ports)))};\n"
        return lines + f"proxy_ssl_trusted_certificate  {self.pki.ca};\n"

    def config(self, egress="", main="", events="", cls="", sandbox=""):
        text = defaults(MAIN, main)
        text += "events { " + defaults(EVENTS, events) + " }\negress {\n"
        text += defaults(self.default_egress(), egress)
        if not re.search(r"^\s*sandbox_class\s", egress, re.M):
            text += "sandbox_class test {\n" + defaults(CLASS, cls) + "\n}\n"
        if not re.search(r"^\s*sandbox\s", egress, re.M):
            text += "sandbox box {\n" + defaults(SANDBOX, sandbox) + "\n}\n"
        return text + "}\n"

    def path(self, *names):
        return os.path.join(self.dir, *names)

    def write(self, name, text):
        """A file below the prefix; returns its path."""
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w" if isinstance(text, str) else "wb") as f:
            f.write(text)
        return path

    def configure(self, text):
        """In one piece: no reload under way reads half of it."""
        self.write("weir.conf.new", self.fill(text))
        os.replace(self.path("weir.conf.new"), self.path("weir.conf"))

    # The process

    def command(self, *args):
        globals_ = f"daemon off; {GLOBALS}"
        return [
            *[w.replace("{dir}", self.dir) for w in WRAP], BINARY, "-p", self.dir, "-c", "weir.conf",
            "-g", globals_, *args,
        ]  # fmt: skip

    def environment(self):
        env = {
            "PATH": os.environ["PATH"],
            "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", ""),
            "UBSAN_OPTIONS": "print_stacktrace=1",
            "LSAN_OPTIONS": os.environ.get("LSAN_OPTIONS", ""),
        }
        env.update(self.env)
        return {k: v for k, v in env.items() if v != ""}

    def run(self, *args):
        """Runs the program to its end, e.g. with -t."""
        return subprocess.run(
            self.command(*args),
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=DEADLINE * 2,
        )

    def start(self, deadline=None):
        with open(self.path("logs", "stderr"), "ab") as err:
            self.process = subprocess.Popen(
                [*END_WITH_PARENT, *self.command()],
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=err,
                stderr=err,
                start_new_session=True,
            )
        until(self.is_ready, "weir's pid file", deadline)
        return self

    def is_ready(self):
        code = self.process.poll()
        if code is not None:
            self.process = None
            raise AssertionError(
                f"weir ended at once with {code}:\n{self.stderr()}\n"
                f"{self.error_log()}\n"
            )
        return self.pid() is not None

    def pid(self):
        try:
            with open(self.path("logs", "weir.pid")) as f:
                return int(f.read() or 0) or None
        except FileNotFoundError:
            return None

    def children(self, role=""):
        """Pids of the running children of that role, as the log has it
        (Valgrind shows no title), else by their titles."""
        logs = self.stderr() + self.error_log()
        started = re.findall(r"start (\w+) process (\d+)$", logs, re.M)
        roles = {pid: name for name, pid in started}
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/stat") as f:
                    state, parent = f.read().rpartition(")")[2].split()[:2]
                with open(f"/proc/{pid}/cmdline", "rb") as f:
                    title = f.read().replace(b"\0", b" ").decode("latin-1")
            except OSError:
                continue
            is_child = int(parent) == self.process.pid and state != "Z"
            if is_child and role in roles.get(pid, title):
                found.append(int(pid))
        return sorted(found)

    def forked(self):
        """All pids of children, asked for in no time."""
        pid = self.process.pid
        with open(f"/proc/{pid}/task/{pid}/children") as f:
            return {int(child) for child in f.read().split()}

    def reload_halted(self, n=1):
        """Begins a reload whose n workers stop before they are ready, as
        "debug_stop_workers on;" lets them; returns them."""
        before = self.forked()
        self.signal("HUP")

        def stand():
            new = self.forked() - before
            return len(new) == n and all(map(is_stopped, new)) and new

        return sorted(until(stand, "new workers that stand"))

    def reload_failed(self, n=1):
        """A reload with n workers, of which one dies before it is ready."""
        dies, *others = self.reload_halted(n)
        os.kill(dies, signal.SIGKILL)
        for pid in others:
            os.kill(pid, signal.SIGCONT)

    def signal(self, name):
        os.kill(self.process.pid, getattr(signal, "SIG" + name))

    def wait(self):
        """Waits for the end; returns the exit code."""
        code = self.process.wait(DEADLINE * 2)
        self.process = None
        return code

    def stop(self, name="TERM"):
        if self.process is None:
            return
        self.signal(name)
        try:
            code = self.wait()
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None
            raise AssertionError(
                f"weir did not stop on {name}:\n{self.error_log()}"
            ) from None
        assert code == 0, f"weir ended with {code}:\n{self.stderr()}"

    def finish(self, name="TERM"):
        """Stops and asserts that nothing was wrong on the way."""
        try:
            self.stop(name)
        finally:
            for sock in self.held:
                sock.close()
        self.assert_clean()

    def expect(self, pattern):
        """Allows a log line that would otherwise fail the test."""
        self.expected.append(re.compile(pattern))

    def assert_clean(self):
        logs = self.stderr() + self.error_log() + self.valgrind_log()
        for line in logs.splitlines():
            if BAD.search(line) and not any(
                p.search(line) for p in self.expected
            ):
                raise AssertionError(
                    f"in weir's logs: {line}\n\n{self.stderr()}\n"
                    f"{self.error_log()[-4000:]}"
                )

    # The logs

    def read(self, *names):
        try:
            with open(self.path(*names), errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def stderr(self):
        return self.read("logs", "stderr")

    def error_log(self):
        return self.read("logs", "error.log")

    def valgrind_log(self):
        names = os.listdir(self.path("logs"))
        found = [n for n in names if n.startswith("valgrind.")]
        return "".join(self.read("logs", n) for n in sorted(found))

    def wait_log(self, pattern):
        """The first error log line that matches."""
        match = until(
            lambda: re.search(f".*(?:{pattern}).*", self.error_log()),
            f"{pattern!r} in the error log",
        )
        return match[0]

    def access_log(self, n=1):
        """The access log's entries (JSON), once there are `n`."""

        def lines():
            text = self.read("logs", "access.log")
            return text.count("\n") >= n and text

        text = until(lines, f"{n} access log lines")
        return [json.loads(line) for line in text.splitlines()]

    def all_output(self):
        """Everything that weir wrote below its prefix, for grepping."""
        out = b""
        for base, _, names in os.walk(self.dir):
            for name in names:
                path = os.path.join(base, name)
                if os.path.isfile(path) and name != "weir.conf":
                    with open(path, "rb") as f:
                        out += f.read()
        return out

    # The sandbox's side

    @property
    def port(self):
        return self.ports["port"]

    @property
    def proxy(self):
        return f"http://127.0.0.1:{self.port}"

    def ca(self, sandbox=None):
        """The path of a sandbox's CA certificate."""
        return self.path("ca", (sandbox or self.sandbox) + ".pem")

    @contextlib.contextmanager
    def stopped_workers(self):
        """They find all that was sent meanwhile at once."""
        pids = self.children("worker")
        try:
            for pid in pids:
                os.kill(pid, signal.SIGSTOP)
                until(lambda: is_stopped(pid), "a stop")
            yield pids
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)

    def client(self, port=None, source=None):
        return Client(port or self.port, source=source)

    def tunnel(self, name, port, sandbox=None, token=None, **tls):
        """A client through CONNECT and TLS to name:port, verified."""
        sandbox = sandbox or self.sandbox
        client = self.client()
        headers = []
        if token is not None:
            headers = [("Proxy-Authorization", basic(sandbox, token))]
        response = client.connect(f"{name}:{port}", headers)
        assert response.status == 200, response
        return client.tls(name, self.ca(sandbox), **tls)


__all__ = [
    "BINARY", "GLOBALS", "ROOT", "SLOW", "Weir", "is_stopped", "reserve_port",
]  # fmt: skip
