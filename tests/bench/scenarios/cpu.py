"""What a request costs: CPU time of the proxy alone, by the kernel's account.

Rates would say little: with the client and the origin on one CPU the best
proxies are not saturated. Every round starts every proxy afresh and measures
one thing of all of them, one right after the other, before the next: what
disturbs the machine for seconds then disturbs both sides of a ratio. A must is
missed only where both the median of the rounds' ratios and the ratio of the
leasts say so: work beside adds to a round's cost, and to both sides of the
median; a proxy that costs more costs it in every round.
"""

import contextlib
import statistics

from ..lab import FEW_NAMES
from ..proxies import Nginx, NginxUnbuffered, Weir

N_NAMES = 8000
MIB8 = 8 * 1024 * 1024
MIB32 = 32 * 1024 * 1024

# name: (unit, the load's options, divisor of microseconds)
MEASURES = {
    "keepalive": ("kept-alive 1 KiB request", "µs", {"connections": 50}),
    "large": (
        "100 KiB response",
        "µs",
        {"connections": 50, "path": "/bytes/102400"},
    ),
    "new": (
        "new connection, full handshake, cached leaf",
        "µs",
        {"connections": 32, "new": True},
    ),
    "resume": ("resumed connection", "µs", {"connections": 32, "resume": True}),
    "mint": (
        "never-seen host: mint, new origin connection",
        "µs",
        {"connections": 32, "mint": True, "first": 1, "names": N_NAMES - 1},
    ),
    "download": (
        "download",
        "s/GB",
        {"connections": 4, "path": f"/bytes/{MIB32}"},
    ),
    "upload": ("upload", "s/GB", {"connections": 4, "upload": MIB8}),
}

# What it may be of nginx's, of which a figure is at most: docs/figures.md's,
# and room for another machine. An upload is held against one that does not store it.
LIMITS = {
    "keepalive": 1.1,
    "large": 0.85,
    "new": 1.2,
    "resume": 1.25,
    "download": 1.15,
    "upload": 1,
}
# Of a mint: of a new connection of weir, of one of nginx.
MINT_LIMITS = {Weir: 4, Nginx: 3.2}


def cost(unit, result):
    """Of a request in µs, or of 1e9 bytes of body in seconds."""
    cpu = result["cpu_us"].get("proxy", 0)
    if unit == "µs":
        return cpu / result["requests"]
    return cpu / 1e6 / (result["bytes"] / 1e9)


def check(bench, name, proxy, result):
    """A figure of something else than what its name says is no figure."""
    report = bench.report
    if result["failures"]:
        report.note(f"{proxy.name}, {name}: failures {result['failures']}")
    if proxy.sets_header and result["tokens"] != result["requests"]:
        report.note(f"{proxy.name}, {name}: header not seen by the origin")
    if "resumed" in name and result["resumed"] < 0.9 * result["opened"]:
        report.note(
            f"{proxy.name}, {name}: only {result['resumed']} of "
            f"{result['opened']} were"
        )


def measure(bench, proxy, key):
    name, unit, options = MEASURES[key]
    if key == "mint" and not proxy.may_mint:
        return
    result = bench.lab.timed(proxy, **options)
    if result["requests" if unit == "µs" else "bytes"] == 0:
        bench.report.note(f"{proxy.name}, {name}: nothing was answered")
        return
    check(bench, name, proxy, result)
    if proxy.name == "weir":
        bench.busy.setdefault(key, []).append(
            {
                who: us / 1e6 / result["seconds"]
                for who, us in result["cpu_us"].items()
            }
        )
    bench.report.figure(name, unit, proxy.name, cost(unit, result), min)


def note_load(bench):
    """Whether the bench itself could bear what it measures: what share of its
    CPU each party used."""
    for key, rounds in bench.busy.items():
        share = {
            who: statistics.median(r.get(who, 0) for r in rounds)
            for who in ("proxy", "origin", "load")
        }
        bench.report.note(
            f"{MEASURES[key][0]}: weir used {share['proxy']:.0%} of its "
            f"CPU, the origin {share['origin']:.0%} and the load "
            f"{share['load']:.0%} of theirs"
        )


def must(bench, name, ratio, limit, what):
    if ratio is None:
        bench.report.unmeasured(name, f"no figure of {what}")
        return
    bench.report.must(
        name, ratio <= limit, f"{ratio:.2f} times {what}, at most {limit}"
    )


def musts(bench, chosen):
    for key in chosen:
        name = MEASURES[key][0]
        other = NginxUnbuffered if key == "upload" else Nginx
        if key in LIMITS and bench.pick(Weir) and bench.pick(other):
            ratio = bench.report.sure_quotient(
                (name, "weir"), (name, other.name)
            )
            must(bench, f"CPU: {key}", ratio, LIMITS[key], other.name)
    if {"mint", "new"} <= set(chosen) and bench.pick(Weir):
        mint, new = (MEASURES[key][0] for key in ("mint", "new"))
        for kind in bench.pick(*MINT_LIMITS):
            ratio = bench.report.sure_quotient(
                (mint, "weir"), (new, kind.name)
            )
            must(
                bench,
                f"CPU: mint, {kind.name}",
                ratio,
                MINT_LIMITS[kind],
                f"a new connection of {kind.name}",
            )


def run(bench, chosen):
    bench.busy = {}
    bench.lab.n_names = N_NAMES if "mint" in chosen else FEW_NAMES
    for _ in range(bench.reps):
        with contextlib.ExitStack() as running:
            proxies = [
                running.enter_context(kind(bench.lab)) for kind in bench.kinds
            ]
            for key in chosen:
                for proxy in proxies:
                    measure(bench, proxy, key)
    bench.lab.n_names = FEW_NAMES
    note_load(bench)
    musts(bench, chosen)
