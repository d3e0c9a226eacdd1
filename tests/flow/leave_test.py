"""Clients that leave while their request has a header slot, and weir has no
room for what they sent before: the end of the connection lies behind it, and
TCP alone knows. What follows from it is tests/unit/proxy/slot_wait_test.c's."""

import threading

import pytest

from lib.origin import UnixOrigin
from lib.tcp import unread
from lib.wait import until

CHUNK = b"4000\r\n" + bytes(0x4000) + b"\r\n"

# Beside what the test is about: what is asked to know that weir had a turn, and
# an origin with which little lies between.
HOSTS = """
host turn.test { return 410; }
host up.test { proxy_pass http://unix:up.sock; }
"""


@pytest.fixture
def gate(pki):
    """Makes the origin of a weir: it answers a GET at once, and reads no body
    before the test is over."""
    made, over = [], threading.Event()

    def script(conn):
        if conn.read_head().method == "GET":
            conn.send(b"HTTP/1.1 204 No Content\r\n\r\n")
            return
        over.wait(60)

    def make(w):
        made.append(UnixOrigin(pki, w.path("up.sock")))
        made[-1].script = script

    yield make
    over.set()
    for origin in made:
        origin.close()


def turn(w):
    """Whatever lay there when it was called was looked at."""
    with w.client() as c:
        assert c.get("http://turn.test/", "turn.test").status == 410


def upload(w):
    """A client whose body fills all that there is to its origin: the last of
    it lies unread before weir, and no more than that, or its end could not
    arrive."""
    client = w.client()
    client.send("PUT http://up.test/ HTTP/1.1\r\nHost: up.test\r\n"
                "Transfer-Encoding: chunked\r\n\r\n")  # fmt: skip
    turn(w)
    ends = client.sock.getpeername(), client.sock.getsockname()
    while unread(*ends) == 0:
        client.send(CHUNK)
        turn(w)
    return client


# There is patience with one that has ended its side, and none with a reset.
@pytest.mark.parametrize(
    "how, patience", [("close", "100ms"), ("reset", "1h")]
)
def test_its_slot_is_anothers(weir, gate, how, patience):
    w = weir(cls="header_slots 1; allowed_hosts *.test;",
             egress=f"{HOSTS}lingering_time {patience};")  # fmt: skip
    gate(w)
    gone = upload(w)
    with w.client() as waits:
        waits.send("GET http://up.test/ HTTP/1.1\r\nHost: up.test\r\n\r\n")
        w.wait_log("waits for a header slot")
        getattr(gone, how)()
        assert waits.read_response().status == 204
    (entry,) = until(
        lambda: [e for e in w.access_log() if e["method"] == "PUT"], "its line"
    )
    assert entry["cause"] == "client closed the connection"
