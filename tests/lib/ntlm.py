"""NTLM over HTTP as [MS-NLMP] has it, without its cryptography: an origin that
knows its clients by their connections, and what a client sends it."""

import base64
import struct

from .http import reply

SIGNATURE = b"NTLMSSP\0"
UNICODE = 1
HEADER = 64  # of a type 3 message
BOTH = [("WWW-Authenticate", "Negotiate"), ("WWW-Authenticate", "NTLM")]


def message(kind, rest=b""):
    text = base64.b64encode(SIGNATURE + struct.pack("<I", kind) + rest)
    return f"NTLM {text.decode()}"


def negotiate():
    return message(1, struct.pack("<I", UNICODE) + bytes(16))


def challenge():
    """Without target information: what curl answers is NTLMv1."""
    return message(2, bytes(8) + struct.pack("<I", UNICODE) + b"8 bytes!"
                   + bytes(16))  # fmt: skip


def authenticate(user):
    name = user.encode("utf-16-le")
    empty = struct.pack("<HHI", 0, 0, HEADER)
    fields = [empty] * 6
    fields[3] = struct.pack("<HHI", len(name), len(name), HEADER)
    return message(3, b"".join(fields) + struct.pack("<I", UNICODE) + name)


def user_of(token):
    n, _, at = struct.unpack_from("<HHI", token, 36)
    return token[at : at + n].decode("utf-16-le")


class Ntlm:
    """For an origin's `default`: who a connection is for is said once. `minor`
    is of the HTTP version that it speaks."""

    def __init__(self, challenges=BOTH, minor=1, is_chunked=False):
        self.challenges = challenges
        self.minor = minor
        self.is_chunked = is_chunked

    def answer(self, body, status="200 OK", headers=()):
        headers = list(headers)
        if self.is_chunked:
            lines = [f"HTTP/1.1 {status}", "Transfer-Encoding: chunked"]
            lines += [f"{n}: {v}" for n, v in headers]
            chunk = f"{len(body):x}\r\n{body}\r\n0\r\n\r\n"
            return ("\r\n".join(lines) + "\r\n\r\n" + chunk).encode()
        if self.minor == 0:
            headers.append(("Connection", "keep-alive"))
        text = reply(body, status, headers)
        return text.replace(b"HTTP/1.1", f"HTTP/1.{self.minor}".encode(), 1)

    def refuse(self, challenges=None):
        return self.answer(
            "who?" * 500, "401 Unauthorized", challenges or self.challenges
        )

    def __call__(self, conn, request):
        given = request.get("Authorization")
        if given is None:
            user = getattr(conn, "user", None)
            return self.answer(f"hello {user}") if user else self.refuse()
        token = base64.b64decode(given.split()[1])
        if token[8] == 1:
            conn.is_challenged = True
            return self.refuse([("WWW-Authenticate", challenge())])
        if not getattr(conn, "is_challenged", False):
            return self.refuse()
        conn.user = user_of(token)
        return self.answer(f"hello {conn.user}")
