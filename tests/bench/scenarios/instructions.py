"""What weir executes, by callgrind: a kept-alive request, alone and beside
connections that are idle; a connection, new, resumed and with a leaf that is
minted; a byte of a body that is looked through.

Musts are of weir's own instructions, requests one at a time on one connection:
their number depends on the compiler alone, by some percent, and neither on the
machine nor on the libraries, so a bound with a sixth of room is held or broken
by weir's code. The least of several counts, as a timer that is due meanwhile,
or a connection that waits so long that its buffers are taken away, only adds.
"""

from .. import bodies, callgrind, redacted
from ..lab import FEW_NAMES
from ..redacted import HOSTS, N_SECRETS, setup

TIMES, TURNS = 3, 20
N_IDLE = 25
SIZE = 65536
REQUEST_LIMIT = 38000
# Connections with one request each, one after the other. Of those to resume the
# first is new; a minted one's request opens a connection to the origin, too.
N_OPENED = 3
OPENED = {
    "new": ({"new": True}, 60000),
    "resumed": ({"resume": True}, 60000),
    "minted": ({"mint": True, "names": N_OPENED}, 72000),
}
N_NAMES = len(HOSTS) + TIMES * N_OPENED
IDLE_LIMIT = 40  # for each idle connection; less is within what timers add
# Of a byte that is looked through, what it takes more than one that is not.
# The kinds that the quick run measures, too.
BYTE_LIMITS = {"text": {1: 1.6, N_SECRETS: 1.8}, "json": {1: 2.4, N_SECRETS: 2.6}}


def request(bench, counted):
    """Alone; returns its counts."""
    report = bench.report
    alone = counted.least(TIMES, TURNS)
    name = "instructions of a kept-alive request"
    report.figure(name, "", "weir", alone.total / TURNS)
    own = alone.own / TURNS
    report.figure(f"{name}, weir's own", "", "weir", own)
    report.must(
        "instructions: request",
        own <= REQUEST_LIMIT,
        f"{own:,.0f} of weir's own for a kept-alive request, at most "
        f"{REQUEST_LIMIT:,}",
    )
    return alone


def secret(bench, counted, alone):
    """What a secret that is looked for adds to it."""
    passed_on = counted.least(TIMES, TURNS, first=HOSTS[0])
    ratio = alone.total / passed_on.total
    name = "instructions of a kept-alive request, secrets: 1 / passed on"
    bench.report.figure(name, "", "weir", ratio)
    bench.report.must(
        "instructions: secret",
        ratio <= redacted.REQUEST_LIMIT,
        f"a kept-alive request with a secret takes {ratio:.3f} times one "
        f"without, at most {redacted.REQUEST_LIMIT}",
    )


def beside_idle(bench, counted, alone):
    """What idle connections add to it, each."""
    idle = bench.lab.start_load(
        counted.proxy, connections=N_IDLE, hold=True, at_once=1
    )
    there = idle.result()["requests"]
    beside = counted.least(TIMES, TURNS)
    idle.end()
    added = (beside.own - alone.own) / TURNS / N_IDLE
    bench.report.must(
        "instructions: beside idle",
        there == N_IDLE and added <= IDLE_LIMIT,
        f"a request takes {added:.1f} more for each of {there} idle "
        f"connections, at most {IDLE_LIMIT}",
    )


def opened(bench, counted, kind):
    options, limit = OPENED[kind]
    loads = []
    for i in range(TIMES):
        first = len(HOSTS) + i * N_OPENED if kind == "minted" else 0
        loads.append({"requests": N_OPENED, "first": first, **options})
    result, counts = counted.least_opened(loads)
    name = f"instructions of a connection, {kind}"
    bench.report.figure(name, "", "weir", counts.total / N_OPENED)
    own = counts.own / N_OPENED
    bench.report.figure(f"{name}, weir's own", "", "weir", own)
    resumed = N_OPENED - 1 if kind == "resumed" else 0
    bench.report.must(
        f"instructions: {kind}",
        own <= limit and result["resumed"] == resumed,
        f"{own:,.0f} of weir's own for a connection, at most {limit:,}; "
        f"{result['resumed']} of {result['opened']} resumed",
    )


def byte(bench, counted, kind):
    path = bench.lab.body(kind, SIZE)

    def own(n_secrets):
        first = HOSTS[n_secrets]
        return counted.least(2, 1, warm=1, first=first, path=path).own

    passed_on = own(0)
    for n_secrets in (1, N_SECRETS):
        added = (own(n_secrets) - passed_on) / SIZE
        name = f"instructions of a byte of {kind}, secrets: {n_secrets}"
        bench.report.figure(name, "", "weir", added)
        limit = BYTE_LIMITS.get(kind, {}).get(n_secrets)
        if limit is not None:
            bench.report.must(
                f"instructions: {kind}, {n_secrets}",
                added <= limit,
                f"{added:.2f} for a byte that is looked through, at most "
                f"{limit}",
            )


def run(bench, _):
    why = callgrind.missing()
    if why is not None:
        bench.report.unmeasured("instructions", why)
        return
    bench.lab.n_names = N_NAMES
    with callgrind.Callgrind(bench.lab, **setup()) as counted:
        alone = request(bench, counted)
        secret(bench, counted, alone)
        beside_idle(bench, counted, alone)
        for kind in OPENED:
            opened(bench, counted, kind)
        for kind in BYTE_LIMITS if bench.is_quick else bodies.KINDS:
            byte(bench, counted, kind)
    bench.lab.n_names = FEW_NAMES
