"""One sandbox at all its limits beside another that does little: the other's
p99 stays under twice what it is alone."""

from ..proxies import Weir, WeirTwo

LIMITS = "connections  512;"
FLOOD = {"connections": 600, "seconds": 30}
RATE = 100


def quiet(bench, proxy):
    return bench.lab.load(
        proxy,
        connections=2,
        rate=RATE,
        warm=0.3,
        seconds=max(2, bench.lab.seconds),
        **{"from": "127.0.0.2"},
    )["whole_us"]["p99"]


def run(bench, _):
    with Weir(bench.lab, limits=LIMITS) as one:
        two = WeirTwo(one)
        quiet(bench, two)
        alone = min(quiet(bench, two), quiet(bench, two))
        # As many kept requests as it may, and connections without an end.
        floods = [
            bench.lab.start_load(one, **FLOOD),
            bench.lab.start_load(one, **{**FLOOD, "connections": 64}, new=True),
        ]
        beside = min(quiet(bench, two), quiet(bench, two))
        for flood in floods:
            flood.process.kill()
            flood.end()
    bench.report.figure(
        "p99 beside a flooding sandbox / alone", "", "weir", beside / alone
    )
    bench.report.must(
        "neighbour",
        beside < 2 * alone,
        f"p99 {beside:.0f} µs beside a sandbox at its limits, "
        f"{alone:.0f} µs alone",
    )
