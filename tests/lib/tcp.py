"""What the system says of a connection, at one of its ends (sock_diag(7)): of
that one alone, since /proc/net/tcp takes long on a machine with many."""

import contextlib
import socket
import struct

NETLINK_SOCK_DIAG = 4  # linux/netlink.h
SOCK_DIAG_BY_FAMILY = 20  # linux/sock_diag.h
KEEPALIVE = 2  # linux/inet_diag.h: a timer


def look(near, far):
    """(timer, its time in ms, unread bytes) of the IPv4 connection between two
    addresses with ports, at the end of the first."""
    ids = struct.pack(
        "!HH4s12x4s12xIII", near[1], far[1], socket.inet_aton(near[0]),
        socket.inet_aton(far[0]), 0, 0xFFFFFFFF, 0xFFFFFFFF,
    )  # fmt: skip
    ask = struct.pack("BBBxI", socket.AF_INET, socket.IPPROTO_TCP, 0, 0xFFF)
    head = struct.pack("IHHII", 16 + len(ask + ids), SOCK_DIAG_BY_FAMILY, 1, 0, 0)
    with contextlib.closing(
        socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG)
    ) as s:
        s.send(head + ask + ids)
        answer = s.recv(8192)
    kind = struct.unpack_from("IH", answer)[1]
    assert kind == SOCK_DIAG_BY_FAMILY, f"no such connection: {answer.hex()}"
    state, timer = struct.unpack_from("BB", answer, 17)
    expires, unread = struct.unpack_from("II", answer, 16 + 52)
    assert state == 1, state  # established
    return timer, expires, unread


def unread(near, far):
    """Bytes that lie there and were not read."""
    return look(near, far)[2]


def keepalive_timer(near, far):
    """Seconds until TCP asks; None where it does not."""
    timer, expires, _ = look(near, far)
    return expires / 1000 if timer == KEEPALIVE else None
