"""Connections that are kept: what memory each holds when it was used once, and
when all were used once more; whether they slow those that work."""

import math
import time

from .. import process
from ..proxies import Nginx, Squid, Weir

SIZES = (5000, 10000)
QUICK_SIZES = (1000,)
CONTROL = {"connections": 4, "rate": 200, "requests": 400}
LIMIT_KIB, QUICK_LIMIT_KIB = 20, 28  # fewer share what all cost
ATTEMPTS = 3  # how many requests meet when all are used again is chance
SETTLED = 1  # seconds in which a proxy may give back what it does not need


def control(bench, proxy):
    """p95, infinite if any of them found no answer."""
    few = {"requests": 60} if bench.is_quick else {}
    options = {**CONTROL, **few}
    result = bench.lab.load(proxy, **options)
    is_whole = result["requests"] >= options["requests"]
    return result["whole_us"]["p95"] if is_whole else math.inf


def kib_each(proxy, before, n):
    time.sleep(SETTLED)
    return (process.memory(proxy.pids())[0] - before) / n


def held(bench, proxy, n):
    """With n connections idle: KiB for each; after more use; p95 of the
    control alone, and beside them; whether all stayed. The least of three:
    what else the machine does only adds to it."""
    control(bench, proxy)
    alone = [control(bench, proxy) for _ in range(3)]
    before, what = process.memory(proxy.pids())
    load = bench.lab.start_load(proxy, connections=n, hold=True, seconds=120)
    there = load.result()
    once = kib_each(proxy, before, n)
    beside = [control(bench, proxy) for _ in range(3)]
    woke = load.again()
    twice = kib_each(proxy, before, n)
    load.end()
    bench.report.note(
        f"{proxy.name}, {n:,} idle: {there['requests']:,} opened, "
        f"{woke['requests']:,} served again; memory is {what}"
    )
    are_there = there["requests"] == woke["requests"] == n
    return once, twice, min(alone), min(beside), are_there


def must_not_slow(bench, n, alone, beside):
    """Not for a slice: of so few requests a busy machine makes anything."""
    if not bench.is_quick:
        bench.report.must(
            "idle: others",
            beside < 2 * alone,
            f"p95 of the control requests {beside:.0f} µs beside "
            f"{n:,} idle connections, {alone:.0f} µs alone",
        )


def measured(bench, kind, n, limit):
    """held() of a fresh proxy: of weir again where it holds too much, as what
    requests at one time had is kept for the next."""
    for _ in range(ATTEMPTS if kind is Weir else 1):
        with kind(bench.lab) as proxy:
            result = held(bench, proxy, n)
        if max(result[:2]) < limit:
            break
    return result


def run(bench, _):
    sizes = QUICK_SIZES if bench.is_quick else SIZES
    for n in sizes:
        if n + 500 > bench.lab.descriptors:
            why = f"{n} are too many for this limit (ulimit -n)"
            bench.report.unmeasured("idle", why)
            continue
        for kind in bench.pick(Weir, Nginx, Squid):
            limit = QUICK_LIMIT_KIB if bench.is_quick else LIMIT_KIB
            once, twice, alone, beside, are_there = measured(
                bench, kind, n, limit
            )
            name = f"idle connection of {n:,}"
            bench.report.figure(name, "KiB", kind.name, once)
            bench.report.figure(
                f"{name}, used again", "KiB", kind.name, twice
            )
            bench.report.figure(
                f"p95 beside {n:,} idle / alone",
                "",
                kind.name,
                beside / alone,
            )
            if kind is Weir and n == sizes[-1]:
                bench.report.must(
                    "idle",
                    are_there and max(once, twice) < limit,
                    f"{n:,} idle connections, {once:.1f} KiB each, "
                    f"{twice:.1f} used again, under {limit}",
                )
                must_not_slow(bench, n, alone, beside)
