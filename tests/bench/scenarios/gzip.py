"""Of gzip that is looked through, by callgrind, what part of the instructions
is zlib's own; and what a stream of it holds. Figures; what it costs by the kind
of body is with the bodies."""

from .. import callgrind
from ..proxies import Weir
from .streams import kib_each

SIZE = 65536
TURNS = 4


def share(bench):
    why = callgrind.missing()
    if why is not None:
        bench.report.note(f"gzip: {why}, so no share of zlib's")
        return
    path = bench.lab.body("text", SIZE, is_packed=True)
    with callgrind.Callgrind(bench.lab) as counted:
        counts = counted.least(2, TURNS, path=path)
    name = "64 KiB of gzip: zlib's share of the instructions"
    bench.report.figure(name, "", "weir", counts.zlib / counts.total)


def run(bench, _):
    n = min(bench.streams // 4, (bench.lab.descriptors - 300) // 2)
    with Weir(bench.lab) as proxy:
        each, there = kib_each(bench, proxy, "/gzhold", n)
    bench.report.note(f"gzip: {there:,} of {n:,} streams")
    bench.report.figure("open stream of gzip events", "KiB", "weir", each)
    share(bench)
