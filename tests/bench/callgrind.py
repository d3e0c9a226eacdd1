"""Instructions of weir's worker, by callgrind: the same whoever else uses the
machine. It runs once; each measurement is what was executed between two
signals at which the worker opens its logs again, and callgrind writes down
what there was since the one before."""

import glob
import os
import re
import shutil

import lib.weir
from lib.wait import until

from .proxies import Weir

LOG = "host logs.test { access_log  logs/access.log; }\n"
MARK = "logfile_reopened"  # called of a worker alone
DEADLINE = 60


def missing():
    return None if shutil.which("valgrind") else "valgrind is not installed"


def by_object(text):
    """{program or library: instructions of its own} of what it wrote."""
    names, found, ob, is_call = {}, {}, None, False
    for line in text.splitlines():
        match = re.match(r"c?ob=\((\d+)\)(?: (.*))?", line)
        if match:
            names.setdefault(match[1], match[2])
            ob = ob if line.startswith("c") else match[1]
        elif re.match(r"[+*\d-]", line) and not is_call:
            found[ob] = found.get(ob, 0) + int(line.split()[-1])
        is_call = line.startswith("calls=")
    return {names[ob]: n for ob, n in found.items()}


class Counts:
    """Instructions, of which `own` are weir's and not a library's."""

    def __init__(self, text):
        each = by_object(text)
        self.total = sum(each.values())
        self.own = each.get(os.path.realpath(lib.weir.BINARY), 0)
        self.zlib = sum(n for ob, n in each.items() if "/libz." in ob)


class Callgrind:
    """A weir under it: `proxy`."""

    def __init__(self, lab, egress="", **options):
        self.dir = lab.directory("callgrind")
        self.lab = lab
        self.n_parts = 0
        wrap = [
            "valgrind", "-q", "--tool=callgrind", "--trace-children=yes",
            f"--dump-before={MARK}", f"--callgrind-out-file={self.dir}/%p",
        ]  # fmt: skip
        self.proxy = Weir(lab, egress=LOG + egress, wrap=wrap, **options)

    def __enter__(self):
        self.proxy.__enter__()
        return self

    def __exit__(self, *error):
        self.proxy.__exit__(*error)

    def written(self):
        """The next of what it writes down; None until it is whole."""
        for path in glob.glob(os.path.join(self.dir, f"*.{self.n_parts}")):
            with open(path) as f:
                text = f.read()
            if re.search(r"^totals: \d+$", text, re.M):
                return text
        return None

    def mark(self):
        self.n_parts += 1
        self.proxy.weir.signal("USR1")
        return until(self.written, "callgrind's counts", DEADLINE)

    def least(self, times, turns, warm=2, **options):
        """Counts of `turns` requests, one at a time on a connection that is
        kept, when `warm` were before them. The least of so many times: a
        timer that is due meanwhile only adds."""
        held = self.lab.start_load(
            self.proxy, hold=True, seconds=DEADLINE, at_once=1, **options
        )
        result = held.result()
        assert not result["failures"], result["failures"]
        held.again(warm)
        self.mark()
        found = []
        for _ in range(times):
            held.again(turns)
            found.append(Counts(self.mark()))
        held.end()
        return min(found, key=lambda counts: counts.own)

    def least_opened(self, loads):
        """What the load client says of a run of connections, one after the
        other, and its counts: the least but for the first, which warms up."""
        found = []
        for options in loads:
            result = self.lab.load(
                self.proxy, seconds=DEADLINE, warm=0, **options
            )
            assert not result["failures"], result["failures"]
            found.append((result, Counts(self.mark())))
        return min(found[1:], key=lambda pair: pair[1].own)
