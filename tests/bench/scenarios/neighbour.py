"""One sandbox at all its limits beside another that does little: the other's
p99 stays under twice what it is alone.

At its limits is: as many connections as it may have, all but a few of them
streams that stay open; more attempts that are refused; requests and new
connections at a rate that a limit would let through. What a sandbox does that
has no such limit, as many requests and handshakes as the worker can bear, is a
figure beside it and no must.
"""

from ..proxies import Weir, WeirTwo

CONNECTIONS = 512
LIMITS = f"connections  {CONNECTIONS};"
BUSY = 16
SECONDS = 60  # at most; they are ended before
RATE = 100
ATTEMPTS = 3  # what else the machine does is no must of ours

AT_LIMITS = (
    {"connections": CONNECTIONS - BUSY, "path": "/hold", "hold": True},
    {"connections": BUSY, "rate": 500},
    {"connections": 4, "rate": 20, "new": True},
)
WITHOUT = (
    {"connections": 256},
    {"connections": 64, "new": True},
)


def p99(bench, proxy):
    """Of the quiet one; the least of three, as what else the machine does
    only adds to it."""
    return min(
        bench.lab.load(
            proxy,
            connections=2,
            rate=RATE,
            warm=0.3,
            seconds=1 if bench.is_quick else max(2, bench.lab.seconds),
            **{"from": "127.0.0.2"},
        )["whole_us"]["p99"]
        for _ in range(1 if bench.is_quick else 3)
    )


def beside(bench, one, two, floods):
    loads = []
    for options in floods:
        load = bench.lab.start_load(one, seconds=SECONDS, **options)
        loads.append(load)
        if options.get("hold"):
            n = load.result()["requests"]
            bench.report.note(
                f"neighbour: {n} of {options['connections']} streams opened"
            )
    value = p99(bench, two)
    for load in loads:
        load.process.kill()
        load.end()
    return value


def run(bench, _):
    name = "p99 of a sandbox beside another "
    with Weir(bench.lab, limits=LIMITS, others=WeirTwo.SANDBOX) as one:
        two = WeirTwo(one)
        for _ in range(ATTEMPTS):
            alone = p99(bench, two)
            limited = beside(bench, one, two, AT_LIMITS)
            if limited < 2 * alone:
                break
        if not bench.is_quick:
            flooded = beside(bench, one, two, WITHOUT) / alone
            bench.report.figure(name + "that floods / alone", "", "weir", flooded)
    bench.report.figure(name + "at its limits / alone", "", "weir", limited / alone)
    bench.report.must(
        "neighbour",
        limited < 2 * alone,
        f"p99 {limited:.0f} µs beside a sandbox at its limits, "
        f"{alone:.0f} µs alone",
    )
