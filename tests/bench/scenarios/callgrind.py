"""Instructions for a kept-alive request, by callgrind: they do not depend on
who else uses the machine. Two runs, of which one has more requests: the
difference is theirs alone. Few connections, or they are idle for so long that
weir takes their buffers away."""

import glob
import os
import re

from ..proxies import Weir

FEW, MANY = 1000, 3000


def instructions(bench, requests):
    out = bench.lab.directory("callgrind")
    wrap = [
        "valgrind",
        "-q",
        "--tool=callgrind",
        "--trace-children=yes",
        f"--callgrind-out-file={out}/%p",
    ]
    with Weir(bench.lab, wrap=wrap) as proxy:
        result = bench.lab.load(proxy, connections=4, requests=requests)
        if result["failures"]:
            bench.report.note(f"callgrind: {result['failures']}")
    total = 0
    for path in glob.glob(os.path.join(out, "*")):
        with open(path) as f:
            found = re.findall(r"^(?:totals|summary): (\d+)", f.read(), re.M)
        total += int(found[-1]) if found else 0
    return total


def run(bench, _):
    each = (instructions(bench, MANY) - instructions(bench, FEW)) / (
        MANY - FEW
    )
    bench.report.figure(
        "instructions of a kept-alive request", "", "weir", each
    )
