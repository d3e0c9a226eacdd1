"""Connections that have not said whose they are: they count for where they
come from, and when there is no room the oldest of the largest source goes."""

import os
import select

import pytest

from lib.client import Client, basic
from lib.wait import until

TOKENS = {"box": "box-token-0123456789", "own": "own-token-0123456789"}
SANDBOXES = "sandbox_class test { allowed_hosts *.test; }\n" + "".join(
    f"sandbox {name} {{ class test; token file:{{{{dir}}}}/{name}; }}\n"
    for name in TOKENS
)
FRONT = "listen 127.0.0.1:{{port}} proxy proxy_protocol;\n" \
        "set_real_ip_from 127.0.0.0/8;\n"  # fmt: skip
ROOM = "worker_connections 18;"
FLOOD = 40  # from one source: at most 16 of them have room


@pytest.fixture
def crowded(weir):
    """A weir of two sandboxes with little room."""
    def make(egress="", sandboxes=SANDBOXES):
        return weir(egress=sandboxes + egress, events=ROOM, files=TOKENS)

    return make


def is_served(c, origin, name="box"):
    host = f"{origin.names[0]}:{origin.port}"
    proof = [("Proxy-Authorization", basic(name, TOKENS[name]))]
    return c.get(f"http://{host}/", host, proof).status == 200


def ends(c):
    """Closed by weir, with or without what it had not read."""
    try:
        return c.sock.recv(1) == b""
    except ConnectionResetError:
        return True


def asked(c, origin):
    """It has had a 407, and is there still."""
    host = f"{origin.names[0]}:{origin.port}"
    assert c.get(f"http://{host}/", host).status == 407
    return c


def test_a_flood_from_one_address(crowded, plain_origin):
    """What others opened before it stays, what they open after it is served,
    and of its own the newest are."""
    w = crowded()
    with w.client(source="127.0.0.3") as early:
        flood = [w.client(source="127.0.0.2") for _ in range(FLOOD)]
        assert ends(flood[0])
        assert is_served(early, plain_origin)
        with w.client(source="127.0.0.3") as late:
            assert is_served(late, plain_origin)
        assert is_served(flood[-1], plain_origin, "own")
        for c in flood:
            c.close()
    w.wait_log("worker_connections run short: .* of no known sandbox")


def test_a_flood_where_there_is_one_sandbox(crowded, plain_origin):
    """It is not kept waiting for a place either."""
    w = crowded(sandboxes=SANDBOXES.replace("sandbox own", "#"))
    flood = [w.client(source="127.0.0.2") for _ in range(FLOOD)]
    assert ends(flood[0])
    with w.client(source="127.0.0.3") as c:
        assert is_served(c, plain_origin)
    for c in flood:
        c.close()


def test_the_largest_source(crowded, plain_origin):
    """Many that come from everywhere do not push out those of one that has
    fewer."""
    w = crowded()
    few = [w.client(source="127.0.0.3") for _ in range(3)]
    many = [w.client(source=f"127.0.1.{i % 2}") for i in range(FLOOD)]
    assert ends(many[0]) and ends(many[1])
    for c in few:
        assert is_served(c, plain_origin)
        c.close()
    for c in many:
        c.close()


def test_as_many_sources_as_connections(crowded, plain_origin):
    """The oldest of them all goes; who is new gets in."""
    w = crowded()
    flood = [w.client(source=f"127.0.1.{i + 1}") for i in range(FLOOD)]
    assert ends(flood[0])
    with w.client(source="127.0.0.3") as c:
        assert is_served(c, plain_origin)
    for c in flood:
        c.close()


def test_those_that_were_asked_for_credentials(crowded, plain_origin):
    """Who has had a 407 has not said who he is."""
    w = crowded()
    flood = [asked(w.client(source="127.0.0.2"), plain_origin)]
    with asked(w.client(source="127.0.0.3"), plain_origin) as c:
        for _ in range(FLOOD):
            flood.append(w.client(source="127.0.0.2"))
            flood[-1].send("GET http://plain.test/ HTTP/1.1\r\n")
        assert ends(flood[0])
        assert is_served(c, plain_origin)
    for c in flood:
        c.close()


def headed(w, client, source=None):
    c = w.client(source=source)
    family = "TCP6" if ":" in client else "TCP4"
    to = "2001:db8::1" if ":" in client else "192.0.2.1"
    return c.send(f"PROXY {family} {client} {to} 4000 3128\r\n")


def has_ended(c):
    return select.select([c.sock], [], [], 0)[0] and ends(c)


def wait_shed(flood):
    """Until so many of them are closed that the others have room."""
    def is_shed():
        return sum(bool(has_ended(c)) for c in flood) >= FLOOD - 16

    until(is_shed, "the end of most")


@pytest.mark.parametrize("one, many", [
    ("10.9.0.7", ["10.9.0.8"]),
    ("2001:db8:0:1::7", [f"2001:db8:0:2::{i:x}" for i in range(FLOOD)]),
], ids=["address", "/64"])  # fmt: skip
def test_clients_of_a_front_end(crowded, plain_origin, one, many):
    w = crowded(FRONT)
    with asked(headed(w, one), plain_origin) as early:
        flood = [headed(w, many[i % len(many)]) for i in range(FLOOD)]
        wait_shed(flood)
        assert is_served(early, plain_origin)
        with headed(w, one) as late:
            assert is_served(late, plain_origin)
        for c in flood:
            c.close()


def test_a_front_end_that_names_nobody(crowded, plain_origin):
    """Until its header is there a connection is the front end's."""
    w = crowded(FRONT)
    with asked(headed(w, "10.9.0.7"), plain_origin) as early:
        flood = [w.client(source="127.0.0.2") for _ in range(FLOOD)]
        assert ends(flood[0])
        assert is_served(early, plain_origin)
        with headed(w, "10.9.0.7", source="127.0.0.3") as late:
            assert is_served(late, plain_origin)
        for c in flood:
            c.close()


def test_unix_listeners(crowded, plain_origin):
    """Each is a source of its own."""
    w = crowded("listen unix:{{dir}}/a proxy;\nlisten unix:{{dir}}/b proxy;\n")
    a, b = os.path.join(w.path(), "a"), os.path.join(w.path(), "b")
    with Client(a) as early:
        flood = [Client(b) for _ in range(FLOOD)]
        assert ends(flood[0])
        assert is_served(early, plain_origin)
        with Client(b) as late:
            assert is_served(late, plain_origin)
        for c in flood:
            c.close()
