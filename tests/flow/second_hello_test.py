"""Passthrough tunnels and a server that wants another ClientHello (RFC 8446 4.1.4):
its name is the one that such a server goes by."""

import hashlib
import random
import ssl

import pytest

from lib.client import (
    DECODE_ERROR, MISSING_EXTENSION, UNRECOGNIZED_NAME, client_hello,
)  # fmt: skip
from lib.hello import (
    ECH, SERVER_NAME, hello_with, message_of, records, server_name, vector,
)  # fmt: skip
from lib.weir import GLOBALS

NAME = "origin.test"
BLIND = "host origin.test { intercept off; }"
FIRST = client_hello(NAME)
CCS = b"\x14\3\3\0\1\1"
EARLY = b"\x17\3\3" + vector(2, b"e" * (300 if "one_byte" in GLOBALS else 9000))
RETRY = hashlib.sha256(b"HelloRetryRequest").digest()
WARNING = b"\x15\3\3\0\2\1\x70"
OVER = b"\x17\3\3\0\4over"
KEY_EXCHANGE = b"\x16\3\3" + vector(2, b"\x10" + vector(3, b"k" * 66))
# TLS 1.2 resumed: what is encrypted may begin like a hello.
FINISHED = b"\x16\3\3" + vector(2, b"\1\0\0\x24" + b"f" * 36)


def host(origin):
    return f"{NAME}:{origin.port}"


def server_hello(random):
    body = b"\3\3" + random + b"\0\x13\1\0" + vector(2, b"\0\x2b\0\2\3\4")
    return b"\x16\3\3" + vector(2, b"\2" + vector(3, body))


@pytest.fixture
def server(origin):
    """Answers the first hello, records all that follows, says that it is over
    once it has as much as it wants."""

    def script(conn):
        conn.reader.exactly(len(FIRST))
        conn.send(origin.answer)
        conn.reader.exactly(origin.wants - len(FIRST))
        conn.send(OVER)

    origin.context, origin.script, origin.answer = None, script, b""
    return origin


def talk(w, server, answer, then):
    """0: `then` came through behind the first hello and its answer; else the
    alert that came instead."""
    server.answer, server.wants = answer, len(FIRST + then)
    with w.client() as c:
        assert c.connect(host(server)).status == 200
        c.send(FIRST)
        if answer:
            assert c.reader.exactly(len(answer)) == answer
        c.send(then)
        said = c.reader.exactly(1)
        if said == OVER[:1]:
            assert c.reader.exactly(len(OVER) - 1) == OVER[1:]
            return 0
        c.reader.buffer[:0] = said
        return c.alert()


def test_a_server_that_wants_another_hello(weir, origin, pki):
    """A real one: it takes no group that the client has a share for."""
    origin.context.set_ecdh_curve("secp384r1")
    context = ssl.create_default_context(cafile=pki.ca)
    tls_in, tls_out = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(tls_in, tls_out, server_hostname=NAME)
    flights = []
    w = weir(egress=BLIND)
    with w.client() as c:
        assert c.connect(host(origin)).status == 200
        while not flights or tls.version() is None or tls_out.pending:
            try:
                tls.do_handshake()
            except ssl.SSLWantReadError:
                pass
            if tls_out.pending:
                flights.append(tls_out.read())
                c.send(flights[-1])
            if tls.version() is None or len(flights) < 3:
                tls_in.write(c.recv(65536))
        assert tls.getpeercert()["subjectAltName"] == (("DNS", NAME),)
    second = flights[1].removeprefix(CCS)
    assert second[0] == 0x16 and second[5] == 1, "there was a second hello"


OTHER = client_hello("other.test")
REFUSED = {  # behind the first hello, and what is logged
    "another name": (OTHER, "an SNI of another host"),
    "a name below": (client_hello("a.origin.test"), "an SNI of another host"),
    "no name": (hello_with(NAME, {SERVER_NAME: None}), "no SNI"),
    "ECH": (hello_with("other.test", {ECH: b"x"}),
            "an encrypted ClientHello with an SNI of another host"),
    "no host name": (hello_with(NAME, {SERVER_NAME: server_name(b"127.0.0.1")}),
                     "a malformed SNI"),
    "in pieces": (b"".join(records(message_of(OTHER), [1, 3, 70])),
                  "an SNI of another host"),
    "behind an empty record": (b"\x16\3\3\0\0" + OTHER, "an SNI of another host"),
    "behind early data": (EARLY + CCS + EARLY + OTHER, "an SNI of another host"),
    "behind another message": (b"\x16\3\3" + vector(
        2, b"\0\0\0\0" + message_of(OTHER)), "a malformed second ClientHello"),
    "within a record": (b"\x16\3\3" + vector(2, message_of(FIRST) + message_of(
        OTHER)), "a malformed second ClientHello"),
    "a key exchange": (KEY_EXCHANGE, "a malformed second ClientHello"),
    "too large": (b"\x16\3\1\x40\0\1\0\x40\1", "a malformed second ClientHello"),
}  # fmt: skip


ANSWERS = {  # to the first
    "none": b"",
    "retry": server_hello(RETRY),
    "warned": WARNING + server_hello(RETRY),
    "pieces": b"".join(records(server_hello(RETRY)[5:], [30])),
}


def alert_for(why):
    return {"no SNI": MISSING_EXTENSION,
            "a malformed second ClientHello": DECODE_ERROR}.get(
                why, UNRECOGNIZED_NAME)  # fmt: skip


@pytest.mark.parametrize("answer", ANSWERS)
def test_a_second_hello_is_for_the_same_name(weir, server, answer):
    """Not a byte of it arrives, whether it was asked for or comes before."""
    w = weir(egress=BLIND)
    may_come = []
    for n, (case, (hello, why)) in enumerate(REFUSED.items(), 1):
        alert = talk(w, server, ANSWERS[answer], CCS + hello)
        assert alert == alert_for(why), case
        tunnel = w.access_log(2 * n)[-1]
        assert tunnel["status"] == 421, case
        assert tunnel["cause"] == f"{why} in a passthrough tunnel", case
        before = hello[: hello.index(OTHER)] if OTHER in hello else b""
        may_come.append(FIRST + CCS + before)
    for conn in server.conns:
        assert conn.done.wait(20)
        assert any(bytes_.startswith(conn.raw) for bytes_ in may_come)
        assert conn.raw.startswith(FIRST) or answer == "none"


@pytest.mark.parametrize("sizes", [[16384], [1, 3, 70]], ids=["whole", "cut"])
def test_the_same_hello_again_is_passed_as_it_came(weir, server, sizes):
    """And what it says behind its second hello is its own affair."""
    second = b"".join(records(message_of(client_hello("ORIGIN.test")), sizes))
    then = CCS + second + EARLY + KEY_EXCHANGE + FINISHED
    assert talk(weir(egress=BLIND), server, server_hello(RETRY), then) == 0
    assert server.raw == FIRST + then


def test_an_encrypted_hello_again(weir, server):
    """It may be encrypted in the second alone."""
    then = CCS + hello_with(NAME, {ECH: b"\0" * 200}) + EARLY
    assert talk(weir(egress=BLIND), server, server_hello(RETRY), then) == 0
    assert server.raw == FIRST + then


@pytest.mark.parametrize(
    "answer",
    [server_hello(b"r" * 32), WARNING + server_hello(b"r" * 32)],
    ids=["hello", "warned"],
)
def test_after_a_server_hello_all_is_passed(weir, server, answer):
    """TLS 1.2 goes on in handshake records, none of which is a hello."""
    then = KEY_EXCHANGE + CCS + FINISHED + EARLY + b"\x16\3"
    assert talk(weir(egress=BLIND), server, answer, then) == 0
    assert server.raw == FIRST + then


def test_what_is_no_hello_is_not_held(weir, server):
    """Records without a byte in them, too."""
    w = weir(egress=BLIND)
    for then in (b"\x17\3\3\0\0", b"\x16\3\3\0\0", EARLY[:7], CCS):
        assert talk(w, server, server_hello(RETRY), then) == 0


@pytest.mark.parametrize(
    "rest", [OTHER[:-1], OTHER[:5], b"\x16"], ids=["hello", "head", "byte"]
)
def test_a_second_hello_that_breaks_off(weir, server, rest):
    """Half-closed before its end: what may become one does not arrive."""
    server.answer, server.wants = server_hello(RETRY), len(FIRST) + len(rest)
    w = weir(egress=BLIND)
    with w.client() as c:
        assert c.connect(host(server)).status == 200
        c.send(FIRST)
        c.reader.exactly(len(server.answer))
        c.send(rest)
        c.half_close()
        c.read_eof()
    assert server.conns[0].done.wait(20)
    assert server.raw == FIRST + (rest if len(rest) < 5 else b"")


def any_records(rng):
    """What may or may not be TLS, among it hellos for the name and others."""
    pieces = [
        CCS, WARNING, EARLY[:305], KEY_EXCHANGE, FINISHED, FIRST, OTHER,
        b"\x16\3\3\0\0", b"\x17\3\3\0\0", b"\x16\3\3\xff\xff" + b"\1" * 70,
        FIRST[: rng.randrange(len(FIRST))], rng.randbytes(rng.randrange(40)),
        b"".join(records(message_of(rng.choice([FIRST, OTHER])), [90])),
    ]  # fmt: skip
    return b"".join(rng.choices(pieces, k=rng.randrange(1, 7)))


def test_whatever_follows_the_first_hello(weir, origin):
    """What arrives of it is what was sent, as far as it came."""
    rng = random.Random(7)
    w = weir(egress=BLIND)
    origin.context = None

    def script(conn):
        conn.reader.exactly(len(FIRST))
        conn.send(conn.origin.answer)
        conn.reader.to_eof()

    origin.script = script
    for n in range(60):
        said = any_records(rng)
        origin.answer = rng.choice([b"x", WARNING + server_hello(RETRY)])
        with w.client() as c:
            assert c.connect(host(origin)).status == 200
            c.send(FIRST)
            c.reader.exactly(len(origin.answer))
            assert origin.conns[n].raw == FIRST
            c.send(said)
            c.half_close()
            c.read_eof()
        assert origin.conns[n].done.wait(20)
        came = bytes(origin.conns[n].raw)
        assert (FIRST + said).startswith(came), (n, said)
    with w.client() as c:
        assert c.connect(host(origin)).status == 200, "weir goes on"
