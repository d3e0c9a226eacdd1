"""One scenario a module: run(bench, chosen) measures, and reports figures and
musts. Why chance and a busy machine cannot fail a must of it stands at its
head; what they can is a figure."""

from . import (
    bodies,
    cpu,
    gzip,
    idle,
    instructions,
    latency,
    mixed,
    neighbour,
    reload,
    slots,
    streams,
    syscalls,
)

# name on the command line: its module; those of cpu share their rounds.
ALL = {
    **{name: cpu for name in cpu.MEASURES},
    "syscalls": syscalls,
    "instructions": instructions,
    "latency": latency,
    "bodies": bodies,
    "gzip": gzip,
    "slots": slots,
    "mixed": mixed,
    "reload": reload,
    "neighbour": neighbour,
    "idle": idle,
    "streams": streams,
}

# What proves that the bench works, and whose musts need no long run.
QUICK = (
    "keepalive",
    "syscalls",
    "instructions",
    "mixed",
    "reload",
    "neighbour",
    "idle",
    "streams",
)
