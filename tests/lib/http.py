"""Strict reading of HTTP/1.1 messages: what is not exact is a failure."""

import re

TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
FIELD = re.compile(rb"(" + TOKEN + rb"):[ \t]*(.*?)[ \t]*")
STATUS = re.compile(rb"HTTP/1\.([01]) (\d{3}) ([^\r\n]*)")
REQUEST = re.compile(rb"(" + TOKEN + rb") (\S+) HTTP/1\.([01])")


class Truncated(AssertionError):
    """The other end closed in the middle of a message."""


class Message:
    """A head with its body: headers are (name, value) pairs as they came."""

    def __init__(self, first, headers):
        self.first = first
        self.headers = headers
        self.body = b""
        self.trailers = []
        self.raw_head = b""

    def all(self, name):
        return [v for n, v in self.headers if n.lower() == name.lower()]

    def get(self, name, default=None):
        values = self.all(name)
        assert len(values) < 2, f"{name} came {len(values)} times: {values}"
        return values[0] if values else default

    def has_token(self, name, token):
        words = ",".join(self.all(name)).lower().split(",")
        return token in [w.strip() for w in words]


class Response(Message):
    @property
    def status(self):
        return int(self.first.group(2))

    @property
    def reason(self):
        return self.first.group(3).decode("latin-1")

    def __repr__(self):
        return f"<{self.status} {self.headers} {self.body[:200]!r}>"


class Request(Message):
    @property
    def method(self):
        return self.first.group(1).decode()

    @property
    def target(self):
        return self.first.group(2).decode("latin-1")

    def __repr__(self):
        return f"<{self.method} {self.target} {self.headers}>"


def parse_fields(lines):
    fields = []
    for line in lines:
        match = FIELD.fullmatch(line)
        assert match, f"not a field line: {line!r}"
        fields.append(
            (match[1].decode(), match[2].decode("latin-1"))
        )
    return fields


class Reader:
    """Reads messages from recv(n) -> bytes, b'' at the end."""

    def __init__(self, recv):
        self.recv = recv
        self.buffer = bytearray()
        self.at_eof = False

    def fill(self):
        if not self.at_eof:
            data = self.recv(65536)
            self.at_eof = data == b""
            self.buffer += data
        return not self.at_eof

    def until(self, mark):
        while mark not in self.buffer:
            if not self.fill():
                if self.buffer == b"":
                    return None
                raise Truncated(f"end of stream in {bytes(self.buffer[-200:])!r}")
        out, _, rest = self.buffer.partition(mark)
        self.buffer = rest
        return bytes(out)

    def exactly(self, n):
        while len(self.buffer) < n:
            if not self.fill():
                raise Truncated(f"{n - len(self.buffer)} bytes are missing")
        out = bytes(self.buffer[:n])
        del self.buffer[:n]
        return out

    def to_eof(self):
        while self.fill():
            pass
        out, self.buffer = bytes(self.buffer), bytearray()
        return out

    def head(self, kind):
        raw = self.until(b"\r\n\r\n")
        if raw is None:
            return None
        lines = raw.split(b"\r\n")
        pattern = STATUS if kind is Response else REQUEST
        first = pattern.fullmatch(lines[0])
        assert first, f"not a first line: {lines[0]!r}"
        message = kind(first, parse_fields(lines[1:]))
        message.raw_head = raw + b"\r\n\r\n"
        return message

    def chunk(self):
        """One chunk's data; b'' for the last, whose trailers remain."""
        line = self.until(b"\r\n")
        if line is None:
            raise Truncated("end of stream before a chunk")
        assert re.fullmatch(rb"[0-9a-fA-F]{1,8}(;.*)?", line), line
        n = int(line.split(b";")[0], 16)
        data = self.exactly(n)
        if n:
            assert self.exactly(2) == b"\r\n"
        return data

    def trailers(self):
        lines = []
        while True:
            line = self.until(b"\r\n")
            if line is None:
                raise Truncated("end of stream in trailers")
            if line == b"":
                return parse_fields(lines)
            lines.append(line)

    def framed(self, message):
        """Whether the message says its length; reads the body if so."""
        codings = message.all("transfer-encoding")
        lengths = message.all("content-length")
        assert not (codings and lengths), "both length and coding"
        if codings:
            assert codings == ["chunked"], codings
            message.body = b"".join(iter(self.chunk, b""))
            message.trailers = self.trailers()
            return True
        if lengths:
            assert len(lengths) == 1 and lengths[0].isdigit(), lengths
            message.body = self.exactly(int(lengths[0]))
            return True
        return False

    def response(self, method="GET", interim=False):
        """The final response, or with `interim` also a 1xx; None at EOF."""
        while True:
            message = self.head(Response)
            if message is None:
                return None
            is_interim = message.status < 200 and message.status != 101
            if is_interim and not interim:
                continue
            if is_interim or message.status in (101, 204, 304):
                return message
            if method == "HEAD" or (
                method == "CONNECT" and message.status == 200
            ):
                return message
            if not self.framed(message):
                message.body = self.to_eof()
            return message

    def request(self):
        message = self.head(Request)
        if message is not None:
            self.framed(message)
        return message


def reply(body=b"", status="200 OK", headers=()):
    """The bytes of a plain response with a length."""
    if isinstance(body, str):
        body = body.encode()
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}"]
    lines += [f"{n}: {v}" for n, v in headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def reply_part(request, body, headers=()):
    """What its Range asks for of the body, if it has one; None if that begins
    behind the end."""
    wanted = request.get("range")
    if wanted is None:
        return reply(body, headers=headers)
    first, last = re.fullmatch(r"bytes=(\d*)-(\d*)", wanted).groups()
    size = len(body)
    if first == "":
        first, last = max(size - int(last), 0), ""
    first, last = int(first), min(int(last or size), size - 1)
    if first >= size:
        return None
    place = ("Content-Range", f"bytes {first}-{last}/{size}")
    part = body[first : last + 1]
    return reply(part, "206 Partial Content", [place, *headers])
