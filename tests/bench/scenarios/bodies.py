"""What looking for secrets costs by the kind of body: CPU of the proxy for a
gigabyte, and the ratio to one that is passed on; of gzip, too.

Three hosts of one weir, measured one right after the other. What is judged is
the lesser of the median of the rounds' ratios and the ratio of the leasts: work
beside adds to a round's cost, a filter that costs more does so in every round.
In the quick run there are instructions instead.
"""

from .. import bodies
from ..proxies import Weir
from ..redacted import BODY_LIMITS, HOSTS, N_SECRETS, check, setup

COUNTS = (0, 1, N_SECRETS)
PACKED = ("json", "html", "text")
SIZE, PACKED_SIZE = 1 << 20, 1 << 18


def name_of(kind, n_secrets, is_packed=False):
    looked_for = "passed on" if n_secrets == 0 else f"secrets: {n_secrets}"
    return f"{kind}{' as gzip' if is_packed else ''}, {looked_for}"


def measure(bench, proxy, kind, n_secrets, is_packed=False):
    """CPU of a gigabyte of the body as it is when it is not packed."""
    name = name_of(kind, n_secrets, is_packed)
    size = PACKED_SIZE if is_packed else SIZE
    result = bench.lab.timed(
        proxy,
        connections=4,
        first=HOSTS[n_secrets],
        path=bench.lab.body(kind, size, is_packed),
    )
    if result["failures"]:
        bench.report.note(f"{name}: failures {result['failures']}")
    done = result["requests"] * size if is_packed else result["bytes"]
    if done == 0:
        bench.report.note(f"{name}: nothing was answered")
        return
    bench.report.figure(
        name,
        "s/GB",
        "weir",
        result["cpu_us"]["proxy"] * 1e3 / done,
        min,
    )


def ratio_to_passed_on(bench, kind, n_secrets, is_packed=False):
    """A figure; None where a round is lacking."""
    ratio = bench.report.sure_quotient(
        (name_of(kind, n_secrets, is_packed), "weir"),
        (name_of(kind, 0, is_packed), "weir"),
    )
    if ratio is not None:
        name = name_of(kind, n_secrets, is_packed) + " / passed on"
        bench.report.figure(name, "", "weir", ratio)
    return ratio


def report_ratios(bench, kind):
    for n_secrets in COUNTS[1:]:
        ratio = ratio_to_passed_on(bench, kind, n_secrets)
        if kind in PACKED:
            ratio_to_passed_on(bench, kind, n_secrets, is_packed=True)
        name = f"bodies: {kind}, {n_secrets}"
        limit = BODY_LIMITS[kind]
        if ratio is None:
            bench.report.unmeasured(name, "nothing was answered")
        else:
            text = f"{ratio:.2f} times one that is passed on, at most {limit}"
            bench.report.must(name, ratio <= limit, text)


def measure_all(bench, proxy, kind):
    for is_packed in (False, True) if kind in PACKED else (False,):
        for n_secrets in COUNTS:
            measure(bench, proxy, kind, n_secrets, is_packed)


def run(bench, _):
    with Weir(bench.lab, **setup()) as proxy:
        check(bench.lab, proxy)
        for _ in range(bench.reps):
            for kind in bodies.KINDS:
                measure_all(bench, proxy, kind)
    for kind in bodies.KINDS:
        report_ratios(bench, kind)
