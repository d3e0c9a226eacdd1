"""Three reloads under load: no request fails, and no kept connection is
closed under a client that uses it again."""

import time

from lib.wait import until

from ..proxies import Nginx, Weir

RELOADS = 3


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


def under_load(bench, proxy):
    seconds = max(3, 2 * bench.lab.seconds)
    loads = [
        bench.lab.start_load(proxy, connections=16, seconds=seconds),
        bench.lab.start_load(proxy, connections=4, seconds=seconds, new=True),
    ]
    for _ in range(RELOADS):
        time.sleep(seconds / (RELOADS + 2))
        reload_once(proxy)
    results = [load.result() for load in loads]
    for load in loads:
        load.end()
    return results


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
                total > 0 and hard == 0 and reused == 0,
                f"of {total:,} requests {hard} failed and {reused} were "
                "closed on reuse",
            )
