"""One sandbox at all its limits beside another that does little: how long the
other's requests take, in answers and in time.

The must is how many of a busy sandbox's answers come between a request of the
other's and its answer. One client has both sides' connections, each with one
request at a time, so whoever is kept from running, nobody's turn comes
meanwhile. But a client that was kept from running finds all the answers at once,
and reads them in an order that is not weir's: that only adds, so it is the least
of a few tries. With the header slots that a sandbox has by default it is some
thirty, with as many as it likes hundreds, in each of them.

The p99, to what it is alone, is a figure: a delay has no bound on a machine that
does other work. At its limits is: as many connections as it may have, all but a
few of them streams that stay open; more attempts that are refused; requests and
new connections at a rate that a limit would let through. Beside it what a
sandbox does that has no such limit.
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
PASSED_LIMIT = 124  # a quarter of the busy connections
TRIES = 4
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
            seconds=max(2, bench.lab.seconds),
            **{"from": "127.0.0.2"},
        )["whole_us"]["p99"]
        for _ in range(3)
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


def answers_before(bench, one, two, n):
    return bench.lab.load(
        one,
        connections=n + 1,
        requests=(6 if bench.is_quick else 20) * n,
        beside="127.0.0.2",
        beside_ca=two.ca,
    )["passed"]


def must_take_turns(bench, one, two):
    n = CONNECTIONS - BUSY
    passed = answers_before(bench, one, two, n)
    for _ in range(TRIES - 1):
        if passed["p95"] <= PASSED_LIMIT:
            break
        passed = answers_before(bench, one, two, n)
    bench.report.figure(
        f"answers to {n} connections before another sandbox's, p95",
        "",
        "weir",
        passed["p95"],
    )
    bench.report.must(
        "neighbour",
        passed["n"] > 0 and passed["p95"] <= PASSED_LIMIT,
        f"{passed['p95']:.0f} answers to a sandbox with {n} busy connections "
        f"come before another's (p95), at most {PASSED_LIMIT}",
    )


def delays(bench, one, two):
    alone = p99(bench, two)
    for what, floods in (("is at its limits", AT_LIMITS), ("floods", WITHOUT)):
        delay = beside(bench, one, two, floods)
        name = f"p99 of a sandbox beside another that {what} / alone"
        bench.report.figure(name, "", "weir", delay / alone)


def run(bench, _):
    with Weir(bench.lab, limits=LIMITS, others=WeirTwo.SANDBOX) as one:
        two = WeirTwo(one)
        must_take_turns(bench, one, two)
        if not bench.is_quick:
            delays(bench, one, two)
