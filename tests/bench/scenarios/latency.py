"""Delay that a proxy adds at a fixed rate far below what it can bear, and to
a server-sent event.

All parties share one CPU here: on two, most of what is measured is how long
the machine takes to wake the other one.
"""

from ..proxies import Direct, Nginx, NginxUnbuffered, Weir

RATE = 250
EVENTS = "/sse/1000/20000"


def one(bench, proxy):
    report, seconds = bench.report, bench.lab.seconds
    result = bench.lab.load(
        proxy, connections=2, rate=RATE, warm=0.3, seconds=seconds
    )
    for q in ("p50", "p95", "p99"):
        report.figure(
            f"{q} at {RATE} requests a second",
            "µs",
            proxy.name,
            result["whole_us"][q],
        )
    result = bench.lab.load(
        proxy,
        connections=2,
        rate=RATE,
        warm=0.3,
        seconds=seconds,
        path="/bytes/102400",
    )
    report.figure(
        "time to first byte of 100 KiB, p50",
        "µs",
        proxy.name,
        result["first_us"]["p50"],
    )
    result = bench.lab.load(
        proxy, connections=4, path=EVENTS, warm=0.2, seconds=seconds
    )
    if result["event_us"]["n"] == 0:
        report.note(f"{proxy.name}: no event came within {seconds} s")
        return
    for q in ("p50", "p99"):
        report.figure(
            f"delay of a server-sent event, {q}",
            "µs",
            proxy.name,
            result["event_us"][q],
        )


def run(bench, _):
    lab = bench.lab
    before = lab.proxy_cpu
    lab.proxy_cpu = lab.origin_cpu
    try:
        for _ in range(bench.reps):
            for kind in [
                Direct,
                *bench.pick(Weir, Nginx, NginxUnbuffered),
            ]:
                with kind(lab) as proxy:
                    one(bench, proxy)
    finally:
        lab.proxy_cpu = before
