"""What header slots cost: fifty connections on as many slots as they like, and
on six, where most requests wait in line."""

from ..proxies import Weir

SLOTS = {"as many as it likes": 10000, "six": 6}


def run(bench, _):
    for _ in range(bench.reps):
        for what, n in SLOTS.items():
            limits = f"connections  20000;  header_slots  {n};"
            with Weir(bench.lab, limits=limits) as proxy:
                result = bench.lab.timed(proxy, connections=50)
            name = f"kept-alive request, 50 at a time, header slots: {what}"
            if result["requests"] == 0:
                bench.report.note(f"{name}: no request succeeded")
                continue
            cost = result["cpu_us"]["proxy"] / result["requests"]
            bench.report.figure(name, "µs", "weir", cost, min)
