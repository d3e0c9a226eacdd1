"""Many open streams of server-sent events: what each holds, the
connection to the origin included.

They are opened one after the other, so that no two handshakes meet and what
weir holds depends on their number alone; it is counted for each that opened.
"""

from .. import process
from ..proxies import NginxUnbuffered, Weir

LIMIT_KIB, QUICK_LIMIT_KIB = 40, 44  # fewer share what all cost
DEADLINE = 300


def kib_each(bench, proxy, path, n):
    """(KiB, streams that opened) of n."""
    bench.lab.load(proxy, connections=1, requests=8, new=True)
    before, _ = process.memory(proxy.pids())
    load = bench.lab.start_load(
        proxy, connections=n, path=path, hold=True, at_once=1, seconds=DEADLINE
    )
    there = load.result()["requests"]
    after, _ = process.memory(proxy.pids())
    load.end()
    return (after - before) / max(1, there), there


def run(bench, _):
    # Two descriptors for each, in one process; of weir's, the share of one
    # sandbox beside another.
    wanted = bench.streams
    n = min(wanted, (bench.lab.descriptors - 300) // 2 * 7 // 8)
    for kind in bench.pick(Weir, NginxUnbuffered):
        with kind(bench.lab) as proxy:
            each, there = kib_each(bench, proxy, "/hold", n)
        bench.report.figure("open stream of events", "KiB", kind.name, each)
        bench.report.note(
            f"{kind.name}: {there:,} of {n:,} streams"
            + (f" (ulimit -n {bench.lab.descriptors})" if n < wanted else "")
        )
        limit = QUICK_LIMIT_KIB if bench.is_quick else LIMIT_KIB
        if kind is Weir:
            bench.report.must(
                "streams",
                each < limit and there == n,
                f"{each:.1f} KiB for each of {there:,} open streams, under "
                f"{limit}",
            )
