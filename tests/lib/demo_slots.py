"""Seven requests on six header slots, drawn from weir's access log: the tour's
part for what a slot is, and what it is not."""

import json
import threading
import time
import zlib

from .wait import until

COLUMNS = 60
HEAD_AFTER = [0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.2]  # seconds, as they arrive
PIECES, PAUSE = 4, 0.25

arrivals = iter(HEAD_AFTER)
seventh_waits = threading.Event()


def answer(conn, request):
    """A head that takes its time, then gzip that comes in pieces."""
    seconds = next(arrivals)
    seventh_waits.wait(60)
    time.sleep(seconds)
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


def fetch(demo, say):
    """All at once, by one curl; no head comes before all are there."""
    urls = [demo.url(f"/slow/{n}") for n in range(1, 8)]
    say("$ curl --parallel …/slow/1 … …/slow/7")
    curl = demo.popen("curl", "-sSZ", "--parallel-immediate", "--compressed",
                      *urls)  # fmt: skip
    demo.weir.wait_log("waits for a header slot")
    seventh_waits.set()
    out, _ = curl.communicate(timeout=60)
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
    fetch(demo, say)
    found = entries(demo)
    longest = max(float(e["request_time"]) for e in found)
    say("'.' waits for a slot   '-' holds one, until the head   '=' body, no slot")
    for n, e in enumerate(found, 1):
        say(f"{n}  {bar(e, COLUMNS / longest)}")
    waits = [float(e["slot_wait_time"]) for e in found]
    say(f"the seventh waited {waits[6]:.2f} s, for the first head; all "
        f"had ended after {longest:.2f} s")  # fmt: skip
    if any(waits[:6]) or waits[6] < HEAD_AFTER[0] / 2:
        raise AssertionError(f"the waits were {waits}")
