"""Connections that are kept: what memory each holds when it was used once, and
when all were used once more; the delay of those that work beside them.

They are opened, and used again, one after the other, so that no two requests
meet: what weir holds then depends on their number alone. Memory is read until
it is within the limit, for a few seconds, as a proxy gives back after a while
what an idle connection does not need; what stays is what counts. The delay is
a figure: a machine that does other work makes anything of it, and
`instructions` has what idle connections add to a request.
"""

import math
import time

from .. import process
from ..proxies import Nginx, Squid, Weir

SIZES = (5000, 10000)
QUICK_SIZES = (250,)
CONTROL = {"connections": 4, "rate": 200, "requests": 400}
LIMIT_KIB, QUICK_LIMIT_KIB = 20, 24  # fewer share what all cost
PATIENCE = 10  # seconds in which a proxy may give back what it does not need
DEADLINE = 300


def control(bench, proxy):
    """p95, the least of three; infinite if one of them found no answer."""

    def once():
        result = bench.lab.load(proxy, **CONTROL)
        is_whole = result["requests"] >= CONTROL["requests"]
        return result["whole_us"]["p95"] if is_whole else math.inf

    return min(once() for _ in range(3))


def kib_each(proxy, before, n, limit):
    """The least that was seen."""
    least, end = math.inf, time.monotonic() + PATIENCE
    while least > limit and time.monotonic() < end:
        time.sleep(0.05)
        each = (process.memory(proxy.pids())[0] - before) / n
        least = min(least, each)
    return least


def held(bench, proxy, n, limit):
    """With n connections idle: KiB for each; after more use; whether all
    stayed."""
    name = f"idle connection of {n:,}"
    report = bench.report
    bench.lab.load(proxy, connections=1, requests=8, new=True)
    alone = None if bench.is_quick else control(bench, proxy)
    before, what = process.memory(proxy.pids())
    load = bench.lab.start_load(
        proxy, connections=n, hold=True, at_once=1, seconds=DEADLINE
    )
    there = load.result()["requests"]
    once = kib_each(proxy, before, n, limit)
    woke = load.again()["requests"]
    twice = kib_each(proxy, before, n, limit)
    if not bench.is_quick:
        beside = control(bench, proxy)
        report.figure(
            f"p95 beside {n:,} idle / alone", "", proxy.name, beside / alone
        )
    load.end()
    report.figure(name, "KiB", proxy.name, once)
    report.figure(f"{name}, used again", "KiB", proxy.name, twice)
    report.note(
        f"{proxy.name}, {n:,} idle: {there:,} opened, {woke:,} served again; "
        f"memory is {what}"
    )
    return once, twice, there == woke == n


def run(bench, _):
    sizes = QUICK_SIZES if bench.is_quick else SIZES
    limit = QUICK_LIMIT_KIB if bench.is_quick else LIMIT_KIB
    for n in sizes:
        if n + 500 > bench.lab.descriptors:
            why = f"{n} are too many for this limit (ulimit -n)"
            bench.report.unmeasured("idle", why)
            continue
        for kind in bench.pick(Weir, Nginx, Squid):
            with kind(bench.lab) as proxy:
                once, twice, are_there = held(bench, proxy, n, limit)
            if kind is Weir and n == sizes[-1]:
                bench.report.must(
                    "idle",
                    are_there and max(once, twice) < limit,
                    f"{n:,} idle connections, {once:.1f} KiB each, "
                    f"{twice:.1f} used again, under {limit}",
                )
