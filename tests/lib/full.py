"""A request whose body fills all that there is from its client to an origin
that does not read."""

CHUNK = b"4000\r\n" + bytes(0x4000) + b"\r\n"

# For the configuration: what is asked to know that weir had a turn.
TURN = "host turn.test { return 410; }\n"


def unread(w, client):
    """Bytes of the client's that lie in the system, on their way to weir."""
    ends = w.port, client.sock.getsockname()[1]
    with open("/proc/net/tcp") as f:
        rows = [line.split() for line in f][1:]
    (row,) = [
        r
        for r in rows
        if tuple(int(a.split(":")[1], 16) for a in r[1:3]) == ends
    ]
    return int(row[4].split(":")[1], 16)


def turn(w):
    """Whatever lay there when it was called was looked at."""
    with w.client() as c:
        assert c.get("http://turn.test/", "turn.test").status == 410


def upload(w, host, most=1 << 30):
    """A client that has sent so many chunks, or fewer if these fill all; and
    how many."""
    client, n = w.client(), 0
    client.send(f"PUT http://{host}/ HTTP/1.1\r\nHost: {host}\r\n"
                "Transfer-Encoding: chunked\r\n\r\n")  # fmt: skip
    turn(w)
    while n < most and unread(w, client) == 0:
        client.send(CHUNK)
        n += 1
        turn(w)
    return client, n
