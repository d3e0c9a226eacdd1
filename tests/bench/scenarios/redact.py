"""What looking for a secret in a response costs, at 64 KiB: the same host
with `redact on` and `redact off`, in one run."""

from ..proxies import Weir

LIMIT = 1.25


def run(bench, _):
    report = bench.report
    for _ in range(bench.reps):
        for state in ("off", "on"):
            with Weir(bench.lab, host=f"redact  {state};") as proxy:
                result = bench.lab.timed(
                    proxy, connections=20, path="/bytes/65536"
                )
            report.figure(
                f"64 KiB response, redact {state}",
                "µs",
                "weir",
                result["cpu_us"]["proxy"] / result["requests"],
            )
    on = report.median("64 KiB response, redact on", "weir")
    off = report.median("64 KiB response, redact off", "weir")
    report.must(
        "redact",
        on <= LIMIT * off,
        f"{on / off:.2f} times a response that is passed through, "
        f"at most {LIMIT}",
    )
