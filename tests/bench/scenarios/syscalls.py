"""System calls for a kept-alive request, counted by strace: connections are
opened and used once before it looks, so that only requests are in it.

The must is of one connection, on which one request follows the other. What weir
calls then is determined by what it does, but for what is left out: how many
events one wait brings is chance, and a connection that waits for long gives
memory back. Of fifty connections at a time, and all calls, there is a figure.
"""

import os
import re
import shutil
import signal
import subprocess

from lib.wait import until

from ..proxies import Nginx, Weir

LIMIT = 4.2  # two receive, two send
ONE, MANY = 1, 50
REQUESTS = 200
LEFT_OUT = {
    *("epoll_wait", "epoll_pwait", "epoll_pwait2"),
    *("brk", "madvise", "mmap", "munmap"),
}


class Strace:
    def __init__(self, directory, pids):
        self.out = os.path.join(directory, "strace.out")
        self.log = os.path.join(directory, "strace.log")
        argv = ["strace", "-f", "-c", "-o", self.out]
        for pid in pids:
            argv += ["-p", str(pid)]
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(argv, stderr=log)
        until(self.is_attached, "strace to attach")

    def is_attached(self):
        if self.process.poll() is not None:
            return True
        with open(self.log) as f:
            return "attached" in f.read()

    def end(self):
        """{call: how often}; None where it was not allowed to look."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        self.process.wait()
        with open(self.out) as f:
            rows = re.findall(
                r"^ *[\d.]+ +[\d.]+ +\d+ +(\d+)(?: +\d+)? +(\w+)$",
                f.read(),
                re.M,
            )
        return {call: int(n) for n, call in rows if call != "total"} or None


def count(bench, proxy, connections):
    """{call: how often for a request}; None where strace may not look."""
    load = bench.lab.start_load(proxy, connections=connections, hold=True)
    load.result()
    strace = Strace(bench.lab.directory("strace"), proxy.workers())
    load.again(REQUESTS // connections)
    calls = strace.end()
    load.end()
    return calls and {call: n / REQUESTS for call, n in calls.items()}


def note(bench, proxy, connections, calls):
    common = sorted(calls.items(), key=lambda c: -c[1])[:6]
    text = ", ".join(f"{call} {n:.2f}" for call, n in common)
    bench.report.note(
        f"{proxy.name}, system calls, {connections} at a time: {text}"
    )


def measure(bench, proxy):
    for connections in (MANY, ONE):
        calls = count(bench, proxy, connections)
        if calls is None:
            return None
        note(bench, proxy, connections, calls)
        if connections == MANY:
            bench.report.figure(
                "system calls of a kept-alive request",
                "",
                proxy.name,
                sum(calls.values()),
            )
    return sum(n for call, n in calls.items() if call not in LEFT_OUT)


def run(bench, _):
    if not shutil.which("strace"):
        bench.report.unmeasured("system calls", "strace is not installed")
        return
    for kind in bench.pick(Weir, Nginx):
        with kind(bench.lab) as proxy:
            each = measure(bench, proxy)
        if each is None:
            why = f"{kind.name}: strace may not attach to it"
            bench.report.note(why)
        if kind is Weir and each is None:
            bench.report.unmeasured("system calls", why)
        elif kind is Weir:
            bench.report.must(
                "system calls",
                each <= LIMIT,
                f"{each:.2f} for a kept-alive request, without waits and "
                f"memory, at most {LIMIT}",
            )
