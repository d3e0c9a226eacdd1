"""A name server on loopback that records every question."""

import socket
import struct
import threading

from .wait import DEADLINE

A, AAAA = 1, 28


class Dns:
    """records[name] is a list of addresses, or a function of the kind (A,
    AAAA) that returns one; a name that is not there is NXDOMAIN. Records may
    change at any time. `hold` is an event to wait for before each answer."""

    def __init__(self, records=None, ttl=60, address=("127.0.0.1", 0)):
        self.records = records or {}
        self.ttl = ttl
        self.questions = []
        self.hold = None
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.port = self.socket.getsockname()[1]
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while True:
            data, peer = self.socket.recvfrom(4096)
            if data == b"stop" or len(data) < 12:
                return
            answer = self.answer(data)
            if self.hold is not None:
                self.hold.wait(DEADLINE)
            self.socket.sendto(answer, peer)

    def answer(self, data):
        labels, at = [], 12
        while data[at]:
            labels.append(data[at + 1 : at + 1 + data[at]].decode("latin-1"))
            at += 1 + data[at]
        name = ".".join(labels).lower()
        kind = struct.unpack_from("!H", data, at + 1)[0]
        self.questions.append((name, kind))
        question = data[12 : at + 5]
        addresses = self.records.get(name)
        if callable(addresses):
            addresses = addresses(kind)
        rcode = 3 if addresses is None else 0
        body, n = b"", 0
        for address in addresses or []:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            if (kind == AAAA) != (family == socket.AF_INET6):
                continue
            packed = socket.inet_pton(family, address)
            body += struct.pack("!HHHIH", 0xC00C, kind, 1, self.ttl, len(packed))
            body += packed
            n += 1
        head = data[:2] + struct.pack("!HHHHH", 0x8180 | rcode, 1, n, 0, 0)
        return head + question + body

    def asked(self, name):
        return [k for n, k in self.questions if n == name]

    def close(self):
        self.socket.sendto(b"stop", self.socket.getsockname())
        self.thread.join()
        self.socket.close()
