"""The ClientHello: however it is cut, whatever it hides, it is judged as the
one that an origin would read (SPEC 5, 6)."""

import pytest

from lib.client import (
    DECODE_ERROR, MISSING_EXTENSION, UNRECOGNIZED_NAME, client_hello,
)  # fmt: skip
from lib.hello import (
    ECH, PADDING, SERVER_NAME, VERSIONS, PiecewiseTls, hello_with, message_of,
    message_with, records, server_name, vector,
)  # fmt: skip
from lib.http import Reader
from lib.wait import until

BLIND = "host origin.test { intercept off; }"
NAME = "origin.test"
NO_SNI = hello_with(NAME, {SERVER_NAME: None})


def host(origin):
    return f"{NAME}:{origin.port}"


def bytewise(data):
    return [data[i : i + 1] for i in range(len(data))]


def as_records(*sizes):
    return lambda hello: records(message_of(hello), sizes)


CUTS = {
    "segments of a byte": bytewise,
    "records of two bytes": as_records(2),
    "small records": as_records(*([1] * 60), 100, 64),
    "a record for the type": as_records(1, 3, 16384),
    "records in segments": lambda h: bytewise(b"".join(as_records(5, 40)(h))),
}


def opened(w, origin, cut, name=NAME):
    """A client inside TLS; `name` is the SNI."""
    c = w.client()
    assert c.connect(host(origin)).status == 200
    c.sock = PiecewiseTls(c.sock, name, w.ca(), cut)
    c.reader = Reader(c.recv)
    return c


@pytest.mark.parametrize("cut", CUTS)
def test_a_cut_hello_is_intercepted_as_a_whole_one(weir, origin, cut):
    """Its own name, another's, and none: served, 421, the tunnel's."""
    w = weir()
    for name, status in ((NAME, 200), ("other.test", 421), (None, 200)):
        with opened(w, origin, CUTS[cut], name) as c:
            assert c.sock.names() == (("DNS", name or NAME),)
            assert c.get("/", host(origin)).status == status, name
    assert [r.get("Host") for r in origin.requests] == [host(origin)] * 2
    assert len(origin.conns) == 1
    w.wait_log('SNI "other.test" in a tunnel for "origin.test"')


@pytest.fixture
def recorder(origin):
    """It says as many bytes as it was sent, in a record of its own."""

    def script(conn):
        n = conn.reader.exactly(5)
        conn.reader.exactly(origin.wants - len(n))
        conn.send(b"\x16seen")

    origin.context, origin.script = None, script
    return origin


def through(w, origin, pieces):
    """Sends them into a passthrough tunnel; 0: the origin had them all, or the alert
    that came instead."""
    origin.wants = sum(map(len, pieces))
    with w.client() as c:
        assert c.connect(host(origin)).status == 200
        for piece in pieces:
            c.send(piece)
        said = c.reader.exactly(1)
        if said == b"\x16":
            assert c.reader.exactly(4) == b"seen"
            return 0
        c.reader.buffer[:0] = said
        return c.alert()


@pytest.mark.parametrize("cut", CUTS)
def test_a_cut_hello_is_passed_as_it_came(weir, recorder, cut):
    """Byte for byte, into a passthrough tunnel of its name; of another, nothing."""
    w = weir(egress=BLIND)
    for name in ("other.test", None, "a.origin.test"):
        hello = client_hello(name) if name else NO_SNI
        alert = UNRECOGNIZED_NAME if name else MISSING_EXTENSION
        assert through(w, recorder, CUTS[cut](hello)) == alert, name
    assert recorder.conns == []
    pieces = CUTS[cut](client_hello(NAME))
    assert through(w, recorder, pieces) == 0
    assert recorder.raw == b"".join(pieces)


def named(*names):
    return hello_with(NAME, {SERVER_NAME: server_name(*names)})


def encrypted(body, name=NAME):
    return hello_with(name, {ECH: body})


OUTER = b"\0\0\1\0\1\x2a" + vector(2, bytes(32)) + vector(2, b"\xa5" * 144)
ENCRYPTED = {  # greased, or a real one: nobody can tell
    "ECH": encrypted(OUTER),
    "ECH, large": encrypted(OUTER[:-144] + b"\xa5" * 9000),
    "ECH, inner": encrypted(b"\1"),
    "ECH, empty": encrypted(b""),
    "ECH of a draft": hello_with(NAME, {0xFE09: OUTER}),
}
ANOTHER = "an encrypted ClientHello with an SNI of another host"
HIDING = {  # what may mean another name than the tunnel's, and what is logged
    "ECH, another name": (encrypted(OUTER, "other.test"), ANOTHER),
    "ECH, a name below": (encrypted(OUTER, "a.origin.test"), ANOTHER),
    "ECH, two names": (hello_with(NAME, {ECH: OUTER, SERVER_NAME: server_name(
        b"origin.test", b"other.test")}), "malformed ClientHello"),
    "ECH of a draft, another name": (
        hello_with("other.test", {0xFFCE: OUTER}), ANOTHER),
    "ECH, no name": (hello_with(NAME, {ECH: OUTER, SERVER_NAME: None}), "no SNI"),
    "two names": (named(b"origin.test", b"other.test"), "malformed ClientHello"),
    "its name twice": (named(b"origin.test", b"origin.test"),
                       "malformed ClientHello"),
    "no names": (named(), "malformed ClientHello"),
    "empty name": (named(b""), "malformed ClientHello"),
    "another type": (hello_with(NAME, {SERVER_NAME: b"\0\x0e\1\0\x0borigin.test"}),
                     "malformed ClientHello"),
    "NUL": (named(b"origin.test\0"), "malformed ClientHello"),
    "NUL within": (named(b"origin.test\0.other.test"), "malformed ClientHello"),
    "long": (named(b"a." * 130 + b"origin.test"), "malformed"),
    "long label": (named(b"a" * 64 + b".origin.test"), "malformed SNI"),
    "two dots": (named(b"origin.test.."), "malformed SNI"),
    "space": (named(b"origin.test "), "malformed SNI"),
    "UTF-8": (named("\u00f6rigin.test".encode()), "malformed SNI"),
    "full-width dot": (named("origin\uff0etest".encode()), "malformed SNI"),
    "percent": (named(b"origin%2etest"), "malformed SNI"),
    "port": (named(b"origin.test:443"), "malformed SNI"),
    "address": (named(b"127.0.0.1"), "malformed SNI"),
    "A-label": (named(b"xn--rigin-jua.test"), "an SNI of another host"),
    "a name below": (named(b"a.origin.test"), "an SNI of another host"),
    "a name above": (named(b"test"), "an SNI of another host"),
}  # fmt: skip


def alert_for(why):
    return {"no SNI": MISSING_EXTENSION, "malformed": DECODE_ERROR,
            "malformed ClientHello": DECODE_ERROR}.get(why, UNRECOGNIZED_NAME)  # fmt: skip


def test_a_hello_that_may_mean_another_name_goes_nowhere(weir, recorder):
    """Not a byte, nor a connection; other spellings of the same name do."""
    w = weir(egress=BLIND)
    for case, (hello, why) in HIDING.items():
        before = w.error_log().count(why)
        assert through(w, recorder, [hello]) == alert_for(why), case
        until(lambda: w.error_log().count(why) == before + 1, f"{why}: {case}")
    assert recorder.conns == []
    hellos = [named(b"ORIGIN.test"), named(b"origin.test.")]
    for hello in hellos:
        assert through(w, recorder, [hello]) == 0
    assert recorder.raw == b"".join(hellos)


def test_an_encrypted_hello_is_passed_as_it_came(weir, recorder):
    """Its outer name is the tunnel's; what is inside is not weir's to see."""
    w = weir(egress=BLIND)
    for case, hello in ENCRYPTED.items():
        assert through(w, recorder, [hello]) == 0, case
    assert recorder.raw == b"".join(ENCRYPTED.values())


@pytest.mark.parametrize("name", [NAME, "other.test"])
def test_an_encrypted_hello_is_intercepted_by_its_outer_name(
    weir, origin, name
):
    """It is not taken up; in TLS 1.2 the certificate can be seen."""
    w = weir()
    hellos = [hello_with(name, {ECH: OUTER, VERSIONS: None})]
    hellos += ENCRYPTED.values() if name == NAME else []
    for hello in hellos:
        with w.client() as c:
            assert c.connect(host(origin)).status == 200
            c.send(hello)
            flight = c.reader.exactly(3)
            assert flight == b"\x16\3\3"
            while hello == hellos[0] and name.encode() not in flight:
                flight += c.reader.exactly(1)
    text = f'SNI "{name}" in a tunnel for "origin.test"'
    assert (text in w.error_log()) == (name != NAME)


def test_a_hello_that_hides_a_name_is_intercepted(weir, origin):
    """The outer name counts. What is no name ends it."""
    w = weir()
    for case, (hello, why) in HIDING.items():
        with w.client() as c:
            assert c.connect(host(origin)).status == 200
            c.send(hello)
            if "malformed" in why:
                assert c.alert() == alert_for(why), case
                w.wait_log(why)
            else:
                assert c.reader.exactly(3) == b"\x16\3\3", case
    assert origin.conns == []


@pytest.mark.parametrize("sni, is_taken", [
    (b"127.0.0.1", True), (b"127.0.0.2", False), (b"127.1", False),
])  # fmt: skip
def test_an_address_for_a_name(weir, origins, sni, is_taken):
    """RFC 6066 has no address there, some clients do: the tunnel's own is as
    none."""
    o = origins("127.0.0.1")
    w = weir(cls="allowed_hosts *.test 127.0.0.1;", egress=f"ports {o.port};\nresolve a.test 127.0.0.1;")
    with w.client() as c:
        assert c.connect(f"127.0.0.1:{o.port}").status == 200
        c.send(named(sni))
        if is_taken:
            assert c.reader.exactly(3) == b"\x16\3\3"
        else:
            assert c.alert() == UNRECOGNIZED_NAME
            w.wait_log("malformed SNI")


def test_an_address_for_a_name_goes_nowhere_blind(weir, origins):
    o = origins("127.0.0.1", tls=False)
    w = weir(cls="allowed_hosts *.test 127.0.0.1;",
             egress="host 127.0.0.1 { intercept off; }\n"
             f"ports {o.port};\nresolve a.test 127.0.0.1;")  # fmt: skip
    with w.client() as c:
        assert c.connect(f"127.0.0.1:{o.port}").status == 200
        c.send(named(b"127.0.0.1"))
        assert c.alert() == MISSING_EXTENSION
        w.wait_log("no SNI")
    assert o.conns == []


def padded(size):
    """A hello whose message has that size behind its four bytes."""
    short = len(message_with(NAME, {PADDING: b""})) - 4
    return records(message_with(NAME, {PADDING: bytes(size - short)}), [16384])


MOST = 16384
EXCESSIVE = {
    "a byte too large": padded(MOST + 1),
    "records of a byte": as_records(1)(client_hello(NAME)),
    "its head alone": [b"\x16\3\1\x40\0\1\0\x40\1"],
    "a length of 16 MiB": [b"\x16\3\1\0\4\1\xff\xff\xff"],
    "an empty record": [b"\x16\3\1\0\0" * 2000],
    "a record too large": [b"\x16\3\1\x40\1\1\0\2\0"],
    "another record within": as_records(100)(client_hello(NAME))[:1]
    + [b"\x17\3\3\0\1x"],
    "bytes behind it": [client_hello(NAME)[:3] + vector(
        2, client_hello(NAME)[5:] + b"x")],
}  # fmt: skip


@pytest.mark.parametrize("mode", ["intercepted", "blind"])
def test_a_hello_that_is_too_much_is_refused(weir, recorder, mode):
    """As soon as that is known, of whatever has come until then."""
    w = weir(egress=BLIND if mode == "blind" else "")
    for n, (case, pieces) in enumerate(EXCESSIVE.items()):
        with w.client() as c:
            assert c.connect(host(recorder)).status == 200
            c.send(b"".join(pieces))
            assert c.alert() == DECODE_ERROR, case
        until(lambda: w.error_log().count("malformed Cl") == n + 1, case)
    assert recorder.conns == []
    if mode == "blind":
        assert through(w, recorder, padded(MOST)) == 0


def test_a_hello_that_does_not_end(weir, recorder):
    w = weir(egress=BLIND + "client_header_timeout 100ms;")

    def timed_out(part):
        """False: that late that the time-out came before its first byte."""
        before = w.error_log().count("client handshake timed out")
        with w.client() as c:
            assert c.connect(host(recorder)).status == 200
            c.send(part)
            assert c.is_closed()
        return w.error_log().count("client handshake timed out") > before

    for part in (b"\x16", client_hello(NAME)[:-1]):
        until(lambda part=part: timed_out(part), "a time-out in the hello")
    assert recorder.conns == []
