"""What looking for secrets costs by the kind of body: CPU of the proxy for a
gigabyte, and the ratio to one that is passed on; of gzip, too.

One weir, one round after the other, of which each side's least counts: other
work only adds to a process's CPU time, so the least of several is the nearest
to what it is alone. On a machine that is never quiet it may be far from it all
the same: in the quick run there are the instructions instead.
"""

from .. import bodies
from ..proxies import Weir
from ..redacted import HOSTS, N_SECRETS, check, setup

COUNTS = (0, 1, N_SECRETS)
# Of a body that is looked through, to one that is passed on.
LIMITS = {
    "random": 1.15,
    "json": 1.15,
    "code": 1.15,
    "html": 1.15,
    "text": 1.15,
    "base64": 1.6,
    "percent": 2,
    "nested": 2,
}
PACKED = ("json", "html", "text")
SIZE, PACKED_SIZE = 1 << 20, 1 << 18
ARE_MUSTS = False  # the matcher of today does not meet them


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
    if result["failures"] or result["requests"] == 0:
        bench.report.note(
            f"{name}: {result['requests']} requests, failures "
            f"{result['failures'] or 'none'}"
        )
        return
    done = result["requests"] * size if is_packed else result["bytes"]
    bench.report.figure(
        name,
        "s/GB",
        "weir",
        result["cpu_us"]["proxy"] * 1e3 / done,
        min,
    )


def ratios(bench, kind, is_packed=False):
    """{secrets looked for: to a body that is passed on}, of the leasts."""
    least = [
        bench.report.value(name_of(kind, n, is_packed), "weir") for n in COUNTS
    ]
    if None in least:
        return {}
    return {n: cpu / least[0] for n, cpu in zip(COUNTS[1:], least[1:])}


def report_ratios(bench, kind):
    for n_secrets, ratio in ratios(bench, kind).items():
        name = f"{kind}, secrets: {n_secrets} / passed on"
        bench.report.figure(name, "", "weir", ratio)
        if ARE_MUSTS:
            bench.report.must(
                f"bodies: {kind}, {n_secrets}",
                ratio <= LIMITS[kind],
                f"{ratio:.2f} times one that is passed on, at most "
                f"{LIMITS[kind]}",
            )
    for n_secrets, ratio in ratios(bench, kind, is_packed=True).items():
        name = f"{kind} as gzip, secrets: {n_secrets} / passed on"
        bench.report.figure(name, "", "weir", ratio)


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
