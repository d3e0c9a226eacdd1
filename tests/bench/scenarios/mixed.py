"""Ten thousand requests of all kinds leave no descriptor and no memory
behind.

Nothing of it depends on time: the number of requests is fixed, and descriptors
are counted until they are as few as before. Memory is judged by the least that
it grew in three rounds: what a round leaves by how its requests happened to
meet is there for the next, and a leak grows in each.
"""

import math

from lib.wait import until

from .. import process
from ..proxies import Weir

# Shares of the whole, which is in requests.
KINDS = (
    (0.45, {"connections": 20}),
    (0.10, {"connections": 10, "path": "/bytes/102400"}),
    (0.10, {"connections": 8, "upload": 20000}),
    (0.15, {"connections": 16, "new": True}),
    (0.10, {"connections": 16, "resume": True}),
    (0.05, {"connections": 8, "path": "/bytes/400000", "abort": True}),
    (0.05, {"connections": 8, "path": "/sse/3/1000"}),
)
GROWTH_KIB = 1024
# A leak of the rarest kind is one for each of fifty requests; what weir opens
# once, and keeps, is not one.
FEW_DESCRIPTORS = 8
ROUNDS = 3


def mix(bench, proxy, total):
    done, failures = 0, {}
    for share, options in KINDS:
        result = bench.lab.load(
            proxy, requests=max(1, int(share * total)), **options
        )
        done += result["requests"]
        for kind, n in result["failures"].items():
            failures[kind] = failures.get(kind, 0) + n
    return done, failures


def settle(proxy, wanted):
    """Waits for as few descriptors as that; how many there are then, or None
    where that may not be known."""
    if wanted is None:
        return None
    try:
        until(lambda: process.descriptors(proxy.pids()) <= wanted, "few fds")
    except AssertionError:
        pass
    return process.descriptors(proxy.pids())


def round_of(bench, proxy, wanted):
    """Of one round: KiB grown, requests, failures, descriptors after it."""
    before = process.memory(proxy.pids())[0]
    done, failures = mix(bench, proxy, bench.requests)
    after = settle(proxy, wanted)
    return process.memory(proxy.pids())[0] - before, done, failures, after


def must_leave_no_descriptor(bench, before, after, done):
    name = "mixed: descriptors"
    if before is None:
        why = "weir's descriptors may not be counted"
        bench.report.unmeasured(name, why)
        return
    bench.report.must(
        name,
        after <= before + FEW_DESCRIPTORS,
        f"{before} before, {after} after {done:,} mixed requests, at most "
        f"{FEW_DESCRIPTORS} more",
    )


def run(bench, _):
    report = bench.report
    # Idle connections to origins are kept for a while on purpose.
    with Weir(bench.lab, egress="proxy_keepalive_timeout  200ms;") as proxy:
        before = process.descriptors(proxy.pids())
        most = before and before + FEW_DESCRIPTORS
        mix(bench, proxy, bench.requests // 3)
        settle(proxy, most)
        grown = math.inf
        for _ in range(ROUNDS):
            more, done, failures, after = round_of(bench, proxy, most)
            grown = min(grown, more)
            if failures or grown <= GROWTH_KIB:
                break
    must_leave_no_descriptor(bench, before, after, done)
    report.must(
        "mixed: memory",
        grown <= GROWTH_KIB,
        f"grew by {grown:,} KiB, at most {GROWTH_KIB:,}",
    )
    report.must("mixed: failures", not failures, f"{failures or 'none'}")
