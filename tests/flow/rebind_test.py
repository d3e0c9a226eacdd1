"""Names whose addresses change or mix: a connection goes to an address that was
checked, whatever the name server says before or after (SPEC 5)."""

import ssl

import pytest

from lib.client import ACCESS_DENIED, client_hello
from lib.http import reply
from lib.wait import DEADLINE, until

NAME = "re.test"
GOOD, BAD = "127.0.0.1", "127.0.0.9"
CLOSED = reply(b"here", headers=[("Connection", "close")])


@pytest.fixture
def place(origins, canaries, pki):
    """Makes an origin, and a canary at its port of other addresses."""

    def make(*others, tls=False):
        o = origins(tls=tls, cert=pki.leaf(NAME))
        o.default = reply(b"here")
        for address in others or [BAD]:
            canaries(address, o.port)
        return o

    return make


def asking(weir, dns, more="", **parts):
    """A weir that keeps no answer longer than it must."""
    dns.ttl = 0
    return weir(egress=f"resolver 127.0.0.1:{dns.port};" + more, **parts)


def fetch(w, o, how):
    """The status of one request by a connection of its own; a passthrough tunnel
    that is refused ends by an alert."""
    host = f"{NAME}:{o.port}"
    if how == "plain":
        with w.client() as c:
            return c.get(f"http://{host}/", host).status
    if how == "intercepted":
        with w.tunnel(NAME, o.port) as c:
            return c.get("/", host).status
    with w.client() as c:
        assert c.connect(host).status == 200
        c.send(client_hello(NAME))
        said = c.reader.exactly(1)
        if said == b"\x16":
            return 200
        c.reader.buffer[:0] = said
        assert c.alert() == ACCESS_DENIED
        return 403


def served(conn):
    """One request a connection, so that each makes weir dial."""
    if conn.read_request() is not None:
        conn.send(CLOSED)


@pytest.mark.parametrize("how", ["plain", "intercepted", "blind"])
def test_name_that_moves_to_a_denied_address(weir, dns, place, how):
    o = place(tls=how != "plain")
    o.script = served
    dns.records[NAME] = [GOOD]
    blind = f"host {NAME} {{ intercept off; }}" if how == "blind" else ""
    w = asking(weir, dns, blind)
    assert fetch(w, o, how) == 200
    dns.records[NAME] = [BAD]
    seen = []
    until(
        lambda: seen.append(fetch(w, o, how)) or seen[-1] == 403,
        "403 after the answer's time",
    )
    assert set(seen[:-1]) <= {200}
    assert BAD in w.wait_log(f"address {BAD} is not allowed: loopback")


def test_the_address_that_was_checked_is_dialled(weir, dns, place):
    """A server that gives each question another address is asked once for
    each family, and not again between the check and the connection."""
    o = place("127.0.0.9", "::1")
    o.script = served
    answers = iter([[GOOD, "::1"], [GOOD, "::1"]] + [[BAD, "::1"]] * 9)
    dns.records[NAME] = lambda kind: next(answers)
    w = asking(weir, dns)
    assert fetch(w, o, "plain") == 200
    assert sorted(dns.asked(NAME)) == [1, 28]
    until(lambda: fetch(w, o, "plain") == 403, "the next answer")
    assert len(dns.asked(NAME)) == 4
    assert {e["upstream_addr"] for e in w.access_log(2)[:-1]} == {
        f"{GOOD}:{o.port}"
    }


MIXED = [
    [BAD, GOOD], [GOOD, BAD], ["::1", GOOD], [BAD, "::1", GOOD, "127.0.0.8"],
    ["::ffff:127.0.0.9", GOOD], ["64:ff9b::7f00:9", "0.0.0.0", GOOD],
]  # fmt: skip


@pytest.mark.parametrize("addresses", MIXED)
def test_denied_addresses_beside_an_allowed_one(weir, dns, place, addresses):
    """They are dropped: not tried first, and not when the allowed one fails."""
    o = place(BAD, "127.0.0.8", "::1")
    o.script = served
    dns.records[NAME] = addresses
    w = asking(weir, dns)
    for _ in range(3):
        assert fetch(w, o, "plain") == 200
    o.close()
    assert fetch(w, o, "plain") == 502
    log = w.access_log(4)
    assert {e["upstream_addr"] for e in log} == {f"{GOOD}:{o.port}"}


def test_denied_range_holds_where_a_name_moves(weir, dns, place):
    """allow_address opens it to others; denied_hosts is about the sandbox."""
    o = place("127.0.0.2")
    o.script = served
    dns.records[NAME] = [GOOD]
    w = asking(
        weir, dns, "allow_address 127.0.0.1/32 127.0.0.2/32;",
        cls="allowed_hosts *.test; denied_hosts 127.0.0.2/31;",
    )  # fmt: skip
    assert fetch(w, o, "plain") == 200
    dns.records[NAME] = ["127.0.0.2"]
    until(lambda: fetch(w, o, "plain") == 403, "the next answer")
    w.wait_log("address 127.0.0.2 is not allowed: denied_hosts")


def test_kept_connection_stays_where_it_was_checked(weir, dns, place):
    """Its address is judged again, its name not asked again: what the name
    has come to be is nowhere that a byte goes."""
    o = place()
    o.script = lambda conn: o.serve(conn) if conn is o.conns[0] else served(conn)
    dns.records[NAME] = [GOOD]
    w = asking(weir, dns)
    assert fetch(w, o, "plain") == 200
    dns.records[NAME] = [BAD]
    for _ in range(3):
        assert fetch(w, o, "plain") == 200
    assert len(o.conns) == 1 and len(dns.asked(NAME)) == 2
    o.conns[0].cut_off()
    until(lambda: fetch(w, o, "plain") == 403, "the next answer")
    assert {r.conn for r in o.requests[:4]} == {o.conns[0]}


def test_host_of_a_certificate_does_not_move(weir, dns, place, origins, pki):
    """To an allowed address where another listens: no byte of a request, and
    no secret, before the certificate has shown the name."""
    o = place(tls=True)
    o.script = served
    thief = origins(
        cert=pki.leaf("thief.test"), address="127.0.0.2", port=o.port
    )
    dns.records[NAME] = [GOOD]
    w = asking(
        weir, dns, "allow_address 127.0.0.1/32 127.0.0.2/32;"
        f"secret t env:T; host {NAME} {{ bearer $secret_t; }}",
        env={"T": "secret-of-re.test"},
    )  # fmt: skip
    assert fetch(w, o, "intercepted") == 200
    assert b"secret-of-re.test" in o.raw
    dns.records[NAME] = ["127.0.0.2"]
    until(lambda: fetch(w, o, "intercepted") == 502, "the next answer")
    assert thief.conns[0].done.wait(DEADLINE)
    assert isinstance(thief.conns[0].error, ssl.SSLError)
    assert thief.raw == b""
