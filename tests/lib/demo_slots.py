"""Seven requests on six header slots, drawn from weir's access log: the tour's
part for what a slot is, and what it is not."""

import json
import time
import zlib

from .wait import until

COLUMNS = 60
HEAD_AFTER = [0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.2]  # seconds, as they arrive
PIECES, PAUSE = 4, 0.25

arrivals = iter(HEAD_AFTER)


def answer(conn, request):
    """A head that takes its time, then gzip that comes in pieces."""
    time.sleep(next(arrivals))
    conn.send(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n"
              b"Transfer-Encoding: chunked\r\n\r\n")  # fmt: skip
    deflate = zlib.compressobj(wbits=31)
    for i in range(PIECES):
        last = i == PIECES - 1
        piece = deflate.compress(f"piece {i}\n".encode())
        piece += deflate.flush(zlib.Z_FINISH if last else zlib.Z_SYNC_FLUSH)
        conn.send(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        if not last:
            time.sleep(PAUSE)
    conn.send(b"0\r\n\r\n")


def fetch(demo):
    """All at once, by one curl."""
    urls = [demo.url(f"/slow/{n}") for n in range(1, 8)]
    out = demo.run("curl", "-sSZ", "--parallel-immediate", "--compressed",
                   *urls, prompt="curl --parallel …/slow/1 … …/slow/7")  # fmt: skip
    if out.count(f"piece {PIECES - 1}") != 7:
        raise AssertionError(f"not seven bodies:\n{out}")


def entries(demo):
    def found():
        lines = demo.weir.read("logs", "access.log").splitlines()
        slow = [e for e in map(json.loads, lines) if "/slow/" in e["path"]]
        return slow if len(slow) == 7 else None

    return sorted(until(found, "seven log lines"), key=came_in)


def came_in(entry):
    return float(entry["slot_wait_time"]), float(entry["upstream_header_time"])


def bar(entry, scale):
    """From when its head came in: '.' waits for a slot, '-' for the response's
    head, '=' the body comes."""
    wait = float(entry["slot_wait_time"])
    head = float(entry["upstream_header_time"])
    body = float(entry["request_time"]) - wait - head
    widths = [round(t * scale) for t in (wait, head, body)]
    return "".join(mark * n for mark, n in zip(".-=", widths))


def show(demo, say):
    for n in range(1, 8):
        demo.api.on(f"/slow/{n}", answer)
    fetch(demo)
    found = entries(demo)
    longest = max(float(e["request_time"]) for e in found)
    say("'.' waits for a slot   '-' holds one, until the head   '=' body, no slot")
    for n, e in enumerate(found, 1):
        say(f"{n}  {bar(e, COLUMNS / longest)}")
    waits = [float(e["slot_wait_time"]) for e in found]
    say(f"the seventh waited {waits[6]:.2f} s, for the first head; all "
        f"had ended after {longest:.2f} s")  # fmt: skip
    if max(waits[:6]) > 0.05 or waits[6] < 0.05 or waits[6] > 1.5:
        raise AssertionError(f"the waits were {waits}")
