"""One scenario a module: run(bench, chosen) measures, and reports figures and
musts."""

from . import (
    callgrind,
    cpu,
    gzip,
    idle,
    latency,
    mixed,
    neighbour,
    redact,
    reload,
    secrets,
    slots,
    streams,
    syscalls,
)

# name on the command line: its module; those of cpu share their rounds.
ALL = {
    **{name: cpu for name in cpu.MEASURES},
    "syscalls": syscalls,
    "latency": latency,
    "redact": redact,
    "secrets": secrets,
    "gzip": gzip,
    "slots": slots,
    "mixed": mixed,
    "reload": reload,
    "neighbour": neighbour,
    "idle": idle,
    "streams": streams,
    "callgrind": callgrind,
}

# Not unless it is asked for.
OPTIONAL = {"callgrind"}

# What proves that the bench works, and whose musts hold on a busy machine.
QUICK = (
    "keepalive",
    "syscalls",
    "redact",
    "mixed",
    "reload",
    "neighbour",
    "idle",
    "streams",
)
