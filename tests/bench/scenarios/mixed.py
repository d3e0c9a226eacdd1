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


def run(bench, _):
    total = bench.requests
    # Idle connections to origins are kept for a while on purpose.
    with Weir(bench.lab, egress="proxy_keepalive_timeout  200ms;") as proxy:

        def settled(fds):
            return lambda: process.descriptors(proxy.pids()) <= fds

        fds = process.descriptors(proxy.pids())
        mix(bench, proxy, total // 3)
        if fds is not None:
            until(settled(fds), "the descriptors of the first requests")
        kib, what = process.memory(proxy.pids())
        done, failures = mix(bench, proxy, total)
        after = fds
        if fds is not None:
            try:
                until(settled(fds), "as many descriptors as before")
            except AssertionError:
                pass
            after = process.descriptors(proxy.pids())
        grown = process.memory(proxy.pids())[0] - kib
    bench.report.must(
        "mixed: descriptors",
        after is None or after <= fds,
        f"{fds} before, {after} after {done:,} mixed requests",
    )
    bench.report.must(
        "mixed: memory",
        grown <= GROWTH_KIB,
        f"{what} grew by {grown:,} KiB, at most {GROWTH_KIB:,}",
    )
    bench.report.must(
        "mixed: failures", not failures, f"{failures or 'none'}"
    )
