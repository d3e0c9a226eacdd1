"""Ten thousand requests of all kinds leave no descriptor and no memory
behind."""

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
ATTEMPTS = 3  # a busy machine's pile is a step, a leak grows in each


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


def run(bench, _):
    report = bench.report
    # Idle connections to origins are kept for a while on purpose.
    with Weir(bench.lab, egress="proxy_keepalive_timeout  200ms;") as proxy:
        before = process.descriptors(proxy.pids())
        mix(bench, proxy, bench.requests // 3)
        settle(proxy, before)
        for _ in range(ATTEMPTS):
            kib, what = process.memory(proxy.pids())
            done, failures = mix(bench, proxy, bench.requests)
            after = settle(proxy, before)
            grown = process.memory(proxy.pids())[0] - kib
            if failures or grown <= GROWTH_KIB:
                break
    if before is None:
        why = "weir's descriptors may not be counted"
        report.unmeasured("mixed: descriptors", why)
    else:
        report.must(
            "mixed: descriptors",
            after <= before,
            f"{before} before, {after} after {done:,} mixed requests",
        )
    report.must(
        "mixed: memory",
        grown <= GROWTH_KIB,
        f"{what} grew by {grown:,} KiB, at most {GROWTH_KIB:,}",
    )
    report.must("mixed: failures", not failures, f"{failures or 'none'}")
