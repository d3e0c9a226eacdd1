"""One sandbox at all its limits beside another that does little: the other's
p99, and what it is alone.

At its limits is: as many connections as it may have, all but a few of them
streams that stay open; more attempts that are refused; requests and new
connections at a rate that a limit would let through. Beside it what a sandbox
does that has no such limit, as many requests and handshakes as the worker can
bear. Figures: a delay has no bound on a machine that does other work, and the
least of several has none where that work never ends.
"""

from ..proxies import Weir, WeirTwo

CONNECTIONS = 512
LIMITS = f"connections  {CONNECTIONS};"
BUSY = 16
SECONDS = 60  # at most; they are ended before
RATE = 100

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
    name = "p99 of a sandbox beside another that "
    with Weir(bench.lab, limits=LIMITS, others=WeirTwo.SANDBOX) as one:
        two = WeirTwo(one)
        alone = p99(bench, two)
        for what, floods in (("is at its limits", AT_LIMITS), ("floods", WITHOUT)):
            delay = beside(bench, one, two, floods)
            bench.report.figure(name + what + " / alone", "", "weir", delay / alone)
