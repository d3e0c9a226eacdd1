"""A handshake that weir does not finish ends with the alert that says why, and
with no reset. hello_test and tunnel_test have those of a ClientHello that is
refused unread."""

import contextlib
import struct

import pytest

from lib.client import (
    DECODE_ERROR, HANDSHAKE_FAILURE, INTERNAL_ERROR, NO_APPLICATION_PROTOCOL,
    PROTOCOL_VERSION, client_hello,
)  # fmt: skip
from lib.hello import (
    ALPN, VERSIONS, hello_with, message_of, records, split_extensions,
    join_extensions, vector,
)  # fmt: skip

NAME = "origin.test"


def host(origin):
    return f"{NAME}:{origin.port}"


def in_record(message):
    return b"".join(records(message, [16384]))


def of_version(minor):
    """A hello of an old version: it says so in the old place alone."""
    message = bytearray(message_of(hello_with(NAME, {VERSIONS: None})))
    message[4:6] = bytes((3, minor))
    return in_record(bytes(message))


def with_suites(*suites):
    start, extensions = split_extensions(message_of(client_hello(NAME)))
    at = 2 + 32 + 1 + start[2 + 32]
    n = struct.unpack_from(">H", start, at)[0]
    wanted = b"".join(struct.pack(">H", s) for s in suites)
    start = start[:at] + vector(2, wanted) + start[at + 2 + n :]
    return in_record(join_extensions(start, extensions))


REFUSED = {
    "TLS 1.1": (of_version(2), PROTOCOL_VERSION, "unsupported protocol"),
    "TLS 1.0": (of_version(1), PROTOCOL_VERSION, "unsupported protocol"),
    "no version": (hello_with(NAME, {VERSIONS: b"\2\3\2"}), PROTOCOL_VERSION,
                   "unsupported protocol"),
    "no cipher": (with_suites(0x0005), HANDSHAKE_FAILURE, "no shared cipher"),
    "h2 alone": (hello_with(NAME, {ALPN: vector(2, b"\2h2")}),
                 NO_APPLICATION_PROTOCOL, "no application protocol"),
    "a share cut short": (hello_with(NAME, {51: b"\0\1x"}), DECODE_ERROR, ""),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_agreed_on(weir, origin, case):
    """Whatever the client has sent behind it, and has not read."""
    hello, alert, why = REFUSED[case]
    w = weir()
    for rest in (b"", b"\x17\3\3\x40\0" + bytes(100_000)):
        with w.client() as c:
            assert c.connect(host(origin)).status == 200
            c.send(hello + rest)
            assert c.alert() == alert
        w.wait_log(f'client handshake for "{NAME}" failed: .*{why}')
    assert origin.conns == []


def test_no_certificate(weir, origin):
    w = weir(egress="mint_rate 1;")
    alerts = []
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(w.client()) for n in range(3)]
        for n, c in enumerate(clients):
            assert c.connect(f"n{n}.test:443").status == 200
        with w.stopped_workers():  # it reads all three within one second
            for n, c in enumerate(clients):
                c.send(client_hello(f"n{n}.test"))
        for c in clients:
            if c.reader.exactly(1) == b"\x15":
                c.reader.buffer[:0] = b"\x15"
                alerts.append(c.alert())
    assert alerts and set(alerts) == {INTERNAL_ERROR}
    w.wait_log("mint_rate exceeded for")


def test_garbage_behind_a_hello(weir, origin):
    """Mid-handshake: the alert is encrypted, and there is no reset."""
    w = weir()
    with w.client() as c:
        assert c.connect(host(origin)).status == 200
        c.send(client_hello(NAME))
        assert c.reader.exactly(3) == b"\x16\3\3"
        c.send(b"\x17\3\3\0\x20" + bytes(0x20) + bytes(100_000))
        assert b"\x17\3\3\0\x13" in c.read_eof()
    w.wait_log(f'client handshake for "{NAME}" failed')
