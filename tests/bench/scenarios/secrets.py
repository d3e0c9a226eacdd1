"""What it costs to look for more secrets than one, and in JSON, which has more
that may begin an escaped form."""

from ..proxies import Weir

COUNTS = (1, 10, 100)
KINDS = {"text": "/bytes/65536", "JSON": "/json/65536"}


def several(lab, n):
    """The secret of the host's requests, and others of a location beside."""
    more = range(1, n)
    uses = "".join(f"proxy_set_header  x-{i}  $secret_s{i};\n" for i in more)
    return Weir(
        lab,
        egress="".join(
            f"secret  s{i}  env:S{i}  hosts=*.bench.test;\n" for i in more
        ),
        host=f"location /beside/ {{\n{uses}}}",
        env={f"S{i}": f"another-secret-{i:04}-{i * 7919:08x}" for i in more},
    )


def run(bench, _):
    for _ in range(bench.reps):
        for n in COUNTS:
            with several(bench.lab, n) as proxy:
                for kind, path in KINDS.items():
                    result = bench.lab.timed(proxy, connections=20, path=path)
                    bench.report.figure(
                        f"64 KiB of {kind}, secrets looked for: {n}",
                        "µs",
                        "weir",
                        result["cpu_us"]["proxy"] / result["requests"],
                    )
