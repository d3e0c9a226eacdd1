"""auto/bench: measures weir beside its peers and prints what came out."""

import argparse
import os
import signal
import sys
import time

import lib.weir

from . import process, proxies, scenarios
from .lab import Lab
from .report import Report

EPILOG = f"""scenarios: {" ".join(scenarios.ALL)}

A figure is the median of interleaved rounds, one of CPU time the least, and
means something beside the others of its line alone: of another run, or another
machine, only the ratio, which is the median of the rounds' ratios. Many short
rounds say more than few long ones where others use the machine.
The exit code is 1 when a must was missed."""


class Bench:
    """What a scenario is given."""

    def __init__(self, lab, options, kinds):
        self.lab = lab
        self.report = Report(options.strict)
        self.is_quick = options.quick
        self.kinds = kinds
        self.reps = options.reps
        self.requests = 1000 if options.quick else 10000
        self.streams = 250 if options.quick else 10000

    def pick(self, *wanted):
        """Those of them that are measured in this run."""
        return [kind for kind in wanted if kind in self.kinds]


def options_of(argv):
    parser = argparse.ArgumentParser(
        prog="auto/bench",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--programs", required=True, help=argparse.SUPPRESS
    )
    parser.add_argument(
        "--secs", type=float, default=3, help="of a measurement [3]"
    )
    parser.add_argument("--reps", type=int, default=5, help="rounds [5]")
    parser.add_argument(
        "--only", action="append", default=[], metavar="NAME[,NAME]",
        help="these scenarios",
    )  # fmt: skip
    parser.add_argument(
        "--proxies", default="weir,nginx,nginx unbuffered,squid,squid tunnel",
        metavar="NAME,…", help="measure these [all that are installed]",
    )  # fmt: skip
    parser.add_argument("--json", metavar="FILE", help="write it all there")
    parser.add_argument(
        "--quick", action="store_true", help="seconds, to see that it works"
    )
    parser.add_argument(
        "--no-musts", action="store_true", help="missed musts are no failure"
    )
    parser.add_argument(
        "--strict", action="store_true", default="CI" in os.environ,
        help="a must that cannot be measured is missed [where CI is set]",
    )  # fmt: skip
    options = parser.parse_args(argv)
    options.only = [n for names in options.only for n in names.split(",")]
    unknown = [n for n in options.only if n not in scenarios.ALL]
    if unknown:
        parser.error(f"no such scenario: {', '.join(unknown)}")
    if options.quick:
        options.secs = min(options.secs, 0.3)
        options.reps = 1
    return options


def chosen_of(options):
    if options.only:
        names = options.only
    elif options.quick:
        names = scenarios.QUICK
    else:
        names = list(scenarios.ALL)
    return names


def kinds_of(options, notes):
    wanted = options.proxies.split(",")
    kinds = []
    for kind in proxies.ALL:
        if kind.name not in wanted:
            continue
        reason = kind.missing()
        if reason is None:
            kinds.append(kind)
        elif kind is not proxies.SquidTunnel:
            notes.append(f"{kind.name} is not measured: {reason}")
    return kinds


def measure(bench, names):
    """Runs each module once, with those of its scenarios that are wanted."""
    modules = {}
    for name in names:
        modules.setdefault(scenarios.ALL[name], []).append(name)
    for module, chosen in modules.items():
        print(f"bench: {' '.join(chosen)}", file=sys.stderr, flush=True)
        began, used = time.monotonic(), process.used()
        module.run(bench, chosen)
        print(
            f"bench: … {time.monotonic() - began:.1f} s, "
            f"{process.used() - used:.1f} s of CPU",
            file=sys.stderr,
            flush=True,
        )


def write_json(bench, options, path):
    about = {
        "seconds": options.secs,
        "rounds": options.reps,
        "versions": {
            kind.name: kind.version()
            for kind in bench.kinds
            if hasattr(kind, "version")
        },
    }
    with open(path, "w") as f:
        f.write(bench.report.as_json(about) + "\n")


def main(argv):
    options = options_of(argv)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    notes = []
    kinds = kinds_of(options, notes)
    lab = Lab(options.programs, options.secs)
    bench = Bench(lab, options, kinds)
    bench.report.notes += notes
    began = time.monotonic()
    try:
        lab.start()
        measure(bench, chosen_of(options))
    finally:
        lab.stop()
    print(bench.report.text())
    if options.json:
        write_json(bench, options, options.json)
    missed = bench.report.missed()
    print(
        f"bench: {len(bench.report.figures)} figures, "
        f"{sum(m['met'] is True for m in bench.report.musts)} of "
        f"{len(bench.report.musts)} musts met, "
        f"in {time.monotonic() - began:.0f} s, {process.used():.0f} s of CPU"
        + (f"; MISSED: {', '.join(m['name'] for m in missed)}" if missed else "")
    )
    return 1 if missed and not options.no_musts else 0


if __name__ == "__main__":
    assert lib.weir.GLOBALS == "", "WEIR_TEST_GLOBALS changes what is measured"
    sys.exit(main(sys.argv[1:]))
