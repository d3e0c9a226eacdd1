"""What a body of gzip costs that is looked through: inflated, deflated again;
what of it is zlib's own, by callgrind; what a stream of it holds."""

import glob
import os
import re
import shutil

from .. import process
from ..proxies import Weir

PATH = "/gzip/65536"
FEW, MANY = 10, 30


def cost(bench):
    for state in ("off", "on"):
        with Weir(bench.lab, host=f"redact  {state};") as proxy:
            result = bench.lab.timed(proxy, connections=20, path=PATH)
        if result["failures"]:
            bench.report.note(f"gzip: failures {result['failures']}")
        bench.report.figure(
            f"64 KiB of gzip, redact {state}",
            "µs",
            "weir",
            result["cpu_us"]["proxy"] / result["requests"],
        )


def by_object(text):
    """{library: instructions of its own} of a file of callgrind's."""
    names, found, ob, is_call = {}, {}, None, False
    for line in text.splitlines():
        match = re.match(r"ob=\((\d+)\)(?: (.*))?", line)
        if match:
            names.setdefault(match[1], match[2])
            ob = match[1]
        match = re.match(r"cob=\((\d+)\) (.*)", line)
        if match:
            names.setdefault(match[1], match[2])
        if re.match(r"[+*\d-]", line):
            if not is_call:
                n = int(line.split()[-1])
                found[ob] = found.get(ob, 0) + n
        is_call = line.startswith("calls=")
    return {names[ob]: n for ob, n in found.items()}


def instructions(bench, requests):
    """(zlib's, all)."""
    out = bench.lab.directory("callgrind")
    wrap = ["valgrind", "-q", "--tool=callgrind", "--trace-children=yes",
            f"--callgrind-out-file={out}/%p"]  # fmt: skip
    with Weir(bench.lab, wrap=wrap) as proxy:
        bench.lab.load(proxy, connections=2, requests=requests, path=PATH)
    zlib = total = 0
    for path in glob.glob(os.path.join(out, "*")):
        with open(path) as f:
            for name, n in by_object(f.read()).items():
                zlib += n if "/libz." in (name or "") else 0
                total += n
    return zlib, total


def share(bench):
    if not shutil.which("valgrind"):
        bench.report.note("gzip: no valgrind, so no share of zlib's")
        return
    few, many = instructions(bench, FEW), instructions(bench, MANY)
    zlib, total = (b - a for a, b in zip(few, many))
    name = "64 KiB of gzip, redact on: zlib's share of the instructions"
    bench.report.figure(name, "", "weir", zlib / total)


def streams(bench):
    n = min(bench.streams // 4, (bench.lab.descriptors - 300) // 2)
    with Weir(bench.lab) as proxy:
        bench.lab.load(proxy, connections=8, requests=64, new=True)
        before, _ = process.memory(proxy.pids())
        load = bench.lab.start_load(
            proxy, connections=n, path="/gzhold", hold=True, seconds=120
        )
        there = load.result()["requests"]
        after, _ = process.memory(proxy.pids())
        load.end()
    bench.report.note(f"gzip: {there:,} of {n:,} streams")
    bench.report.figure(
        "open stream of gzip events", "KiB", "weir", (after - before) / n
    )


def run(bench, _):
    for _ in range(bench.reps):
        cost(bench)
    streams(bench)
    share(bench)
