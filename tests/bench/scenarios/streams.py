"""Many open streams of server-sent events: what each holds, the
connection to the origin included."""

from .. import process
from ..proxies import NginxUnbuffered, Weir

LIMIT_KIB, QUICK_LIMIT_KIB = 40, 44  # fewer share what all cost


def run(bench, _):
    # Two descriptors for each, in one process; of weir's, the share of one
    # sandbox beside another.
    wanted = bench.streams
    n = min(wanted, (bench.lab.descriptors - 300) // 2 * 7 // 8)
    for kind in bench.pick(Weir, NginxUnbuffered):
        with kind(bench.lab) as proxy:
            bench.lab.load(proxy, connections=8, requests=64, new=True)
            before, what = process.memory(proxy.pids())
            load = bench.lab.start_load(
                proxy, connections=n, path="/hold", hold=True, seconds=120
            )
            result = load.result()
            after, _ = process.memory(proxy.pids())
            load.end()
        each = (after - before) / max(1, result["requests"])
        bench.report.figure("open stream of events", "KiB", kind.name, each)
        bench.report.note(
            f"{kind.name}: {result['requests']:,} of {n:,} streams; {what}"
            + (f" (ulimit -n {bench.lab.descriptors})" if n < wanted else "")
        )
        limit = QUICK_LIMIT_KIB if bench.is_quick else LIMIT_KIB
        if kind is Weir:
            bench.report.must(
                "streams",
                each < limit and result["requests"] == n,
                f"{each:.1f} KiB for each of {result['requests']:,} open "
                f"streams, under {limit}",
            )
