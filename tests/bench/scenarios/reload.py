"""Three reloads under load: no request fails, and no kept connection is
closed under a client that uses it again.

Nothing of it depends on time: the load goes on until the last reload is over,
and each of them is over when its new worker is there and, of weir, the workers
before it have drained."""

from lib.wait import until

from ..proxies import Nginx, Weir

RELOADS = 3
SECONDS = 120  # at most; it is ended before


def failures_of(results):
    """(hard, closed on reuse): the second a client may repeat."""
    hard = reused = 0
    for result in results:
        for kind, n in result["failures"].items():
            if kind == "closed_reused":
                reused += n
            else:
                hard += n
    return hard, reused


def reload_once(proxy):
    before = set(proxy.workers())
    proxy.reload()
    until(lambda: set(proxy.workers()) - before, "a new worker")
    until(lambda: not before & set(proxy.workers()), "the old ones to end")


def under_load(bench, proxy):
    kinds = ({"connections": 16}, {"connections": 4, "new": True})
    loads = [
        bench.lab.start_load(proxy, seconds=SECONDS, tell=True, **options)
        for options in kinds
    ]
    for load in loads:
        load.result()  # it has had an answer
    for _ in range(RELOADS):
        reload_once(proxy)
    return [load.interrupt() for load in loads]


def run(bench, _):
    for kind in bench.pick(Weir, Nginx):
        with kind(bench.lab) as proxy:
            results = under_load(bench, proxy)
        hard, reused = failures_of(results)
        total = sum(r["requests"] for r in results)
        name = f"{RELOADS} reloads: "
        bench.report.figure(name + "failed requests", "", kind.name, hard)
        bench.report.figure(name + "closed on reuse", "", kind.name, reused)
        if kind is Weir:
            bench.report.must(
                "reload",
                all(r["requests"] > 0 for r in results)
                and hard == 0
                and reused == 0,
                f"of {total:,} requests {hard} failed and {reused} were "
                "closed on reuse",
            )
