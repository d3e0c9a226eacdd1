"""What the kernel says of processes: who descends from whom, where they run,
what memory and descriptors they hold."""

import os
import resource


def parents():
    """{pid: parent} of all processes."""
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat") as f:
                found[int(pid)] = int(f.read().rpartition(")")[2].split()[1])
        except OSError:
            continue
    return found


def tree(root):
    """`root` and all that descends from it."""
    of = parents()
    pids = [root]
    for pid in pids:
        pids += [p for p, parent in of.items() if parent == pid]
    return sorted(pids)


def title(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            return f.read().replace(b"\0", b" ").decode("latin-1").strip()
    except OSError:
        return ""


def field(pid, file, name):
    """A "Name: 12 kB" field of a file in /proc, or None."""
    try:
        with open(f"/proc/{pid}/{file}") as f:
            for line in f:
                if line.startswith(name + ":"):
                    return int(line.split()[1])
    except OSError:
        pass
    return None


def memory(pids):
    """(KiB, what): PSS, or where another's may not be read (an undumpable
    process, and we are not root) the anonymous part of its RSS."""
    shares = [field(p, "smaps_rollup", "Pss") for p in pids]
    if None not in shares:
        return sum(shares), "PSS"
    return sum(field(p, "status", "RssAnon") or 0 for p in pids), "RssAnon"


def used():
    """Seconds of CPU of this process and of those that it waited for."""
    times = os.times()
    return sum(times[:4])


def descriptors(pids):
    """How many they have open; None where that may not be known."""
    try:
        return sum(len(os.listdir(f"/proc/{p}/fd")) for p in pids)
    except OSError:
        return None


def raise_descriptors():
    """The soft limit to the hard one, and that if we may; returns it."""
    for hard in (1 << 16, resource.getrlimit(resource.RLIMIT_NOFILE)[1]):
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            break
        except (OSError, ValueError):
            continue
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def on_cpu(cpu, call):
    """call(), whose children stay on that CPU."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {cpu})
    try:
        return call()
    finally:
        os.sched_setaffinity(0, before)
