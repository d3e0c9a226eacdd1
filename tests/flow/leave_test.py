"""Clients that leave while their request has a header slot, and weir has no
room for what they sent before: the end of the connection lies behind it."""

import select
import socket
import threading

import pytest

from lib import full
from lib.wait import SLOW, until

# Seconds: longer than between two looks at such a client.
LOOKS = 0.6 * SLOW


class Gate:
    """An origin that answers a GET at once, and reads no body until it is
    opened."""

    def __init__(self, origin):
        self.name = f"{origin.names[0]}:{origin.port}"
        self.opened = threading.Event()
        # What lies between the two is little.
        origin.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        origin.script = self.script

    def script(self, conn):
        if conn.read_head().method == "GET":
            conn.send(b"HTTP/1.1 204 No Content\r\n\r\n")
            return
        self.opened.wait(60)
        conn.reader.until(b"\r\n0\r\n\r\n")
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


@pytest.fixture
def gate(plain_origin):
    gate = Gate(plain_origin)
    yield gate
    gate.opened.set()


def start(weir, egress=""):
    return weir(cls="header_slots 1;", egress=full.TURN + egress)


def upload(w, gate):
    return full.upload(w, gate.name)[0]


@pytest.mark.parametrize("how", ["close", "reset"])
def test_its_slot_is_anothers(weir, gate, how):
    w = start(weir, egress="lingering_time 100ms;")
    gone = upload(w, gate)
    with w.client() as waits:
        waits.send(f"GET http://{gate.name}/ HTTP/1.1\r\nHost: {gate.name}\r\n"
                   "\r\n")  # fmt: skip
        w.wait_log("waits for a header slot")
        getattr(gone, how)()
        assert waits.read_response().status == 204
    (entry,) = until(
        lambda: [e for e in w.access_log() if e["method"] == "PUT"], "its line"
    )
    assert entry["cause"] == "client closed the connection"


def test_a_reset_is_seen_at_once(weir, gate):
    """Whatever patience there is with one that has ended its side."""
    w = start(weir, egress="lingering_time 1h;")
    upload(w, gate).reset()
    w.wait_log("client closed the connection")


def test_one_that_ended_its_side_is_served(weir, gate):
    """Without TLS it may yet read: all of its body arrives, and the answer."""
    w = start(weir)
    client = upload(w, gate)
    client.send("0\r\n\r\n")
    client.half_close()
    assert select.select([client.sock], [], [], LOOKS)[0] == []
    gate.opened.set()
    assert client.read_response().status == 200
