"""System calls for a kept-alive request, counted by strace: connections are
opened and used once before it looks, so that only requests are in it."""

import os
import re
import shutil
import signal
import subprocess

from lib.wait import until

from ..proxies import Nginx, Weir

LIMIT = 5
CONNECTIONS = 50
TURNS = 20


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


def count(bench, proxy):
    load = bench.lab.start_load(proxy, connections=CONNECTIONS, hold=True)
    load.result()
    strace = Strace(bench.lab.directory("strace"), proxy.workers())
    requests = sum(load.again()["requests"] for _ in range(TURNS))
    calls = strace.end()
    load.end()
    return requests, calls


def run(bench, _):
    if not shutil.which("strace"):
        bench.report.unmeasured("system calls", "strace is not installed")
        return
    for kind in bench.pick(Weir, Nginx):
        with kind(bench.lab) as proxy:
            requests, calls = count(bench, proxy)
        if calls is None:
            why = f"{kind.name}: strace may not attach to it"
            bench.report.note(why)
            if kind is Weir:
                bench.report.unmeasured("system calls", why)
            continue
        each = sum(calls.values()) / requests
        bench.report.figure(
            "system calls of a kept-alive request", "", kind.name, each
        )
        common = sorted(calls.items(), key=lambda c: -c[1])[:6]
        text = ", ".join(f"{c} {n / requests:.2f}" for c, n in common)
        bench.report.note(f"{kind.name}, system calls: {text}")
        if kind is Weir:
            bench.report.must(
                "system calls",
                each <= LIMIT,
                f"{each:.2f} for a kept-alive request, at most {LIMIT}",
            )
