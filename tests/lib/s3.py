"""A stand-in for S3: objects in memory at https://origin.test/BUCKET/KEY, by
the parts of its API that SDKs use, with the fields and oddities of the real
one. It asks for a bearer token, which no SDK sends, and does not check
signatures; it does check each checksum, and what says how a body is coded."""

import base64
import hashlib
import re
import urllib.parse
import zlib

from .http import Reader, reply, reply_part

XML = ("Content-Type", "application/xml")
# A field of each answer of the real one; they are no secrets.
ALWAYS = [
    ("x-amz-id-2", base64.b64encode(bytes(range(57))).decode()),
    ("x-amz-request-id", "4442587FB7D0A2F9"),
    ("Server", "AmazonS3"),
]
DATE = "Wed, 12 Oct 2009 17:50:00 GMT"


def crc32(data):
    return base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()


def md5(data):
    return base64.b64encode(hashlib.md5(data).digest()).decode()


SUMS = {"content-md5": md5, "x-amz-checksum-crc32": crc32}


def chunked(status, headers, pieces):
    """As the real one sends what it has not measured."""
    out = f"HTTP/1.1 {status}\r\nTransfer-Encoding: chunked\r\n"
    out += "".join(f"{n}: {v}\r\n" for n, v in headers) + "\r\n"
    for piece in [*pieces, ""]:
        out += f"{len(piece):x}\r\n{piece}\r\n"
    return out.encode()


def failure(status, code, headers=()):
    return chunked(status, [XML, *ALWAYS, *headers], [
        '<?xml version="1.0" encoding="UTF-8"?>\n',
        f"<Error><Code>{code}</Code><Message>{code}</Message>"
        "<RequestId>4442587FB7D0A2F9</RequestId></Error>",
    ])  # fmt: skip


def read_aws_chunked(request):
    """Takes the coding off, which has chunks and trailers of its own inside
    what HTTP chunks; the fields must have announced both."""
    data = [request.body]
    reader = Reader(lambda n: data.pop() if data else b"")
    request.body = b"".join(iter(reader.chunk, b""))
    trailers = reader.trailers()
    assert not reader.to_eof(), "bytes after aws-chunked trailers"
    assert [n for n, _ in trailers] == request.all("x-amz-trailer")
    length = request.get("x-amz-decoded-content-length")
    assert int(length) == len(request.body)
    request.headers += trailers


class Stored:
    def __init__(self, body, headers, etag=None):
        self.body = body
        self.headers = headers
        self.etag = etag or f'"{hashlib.md5(body).hexdigest()}"'

    def fields(self):
        return [
            ("Last-Modified", DATE), ("ETag", self.etag),
            ("x-amz-server-side-encryption", "AES256"),
            ("x-amz-version-id", "null"), ("Accept-Ranges", "bytes"),
            *self.headers, *ALWAYS,
        ]  # fmt: skip


class ObjectStore:
    """An Origin's script: it reads a request's body when it has let the
    client go on. What is put below /locked/ is refused by its head, and
    `unwanted` has what came all the same; `coded` has the content codings
    that came, `answered` the (method, status) of all."""

    def __init__(self, origin, token):
        self.token = token
        self.objects = {}
        self.uploads = {}
        self.coded = []
        self.answered = []
        self.requests = origin.requests
        self.unwanted = []
        origin.script = self.serve

    def add(self, path, body, headers=(), crc=None):
        """An object with a checksum, whether that is its own or not."""
        kept = [*headers, ("x-amz-checksum-crc32", crc or crc32(body))]
        self.objects[path] = Stored(body, kept)
        return self.objects[path]

    def serve(self, conn):
        while (request := conn.read_head()) is not None:
            if not self.is_allowed(request):
                out = failure("403 Forbidden", "AccessDenied",
                              [("Connection", "close")])  # fmt: skip
                conn.send(out)
                self.answered.append((request.method, 403))
                self.unwanted.append(conn.reader.to_eof())
                return
            if request.get("expect") == "100-continue":
                conn.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            conn.reader.framed(request)
            out = self.answer(request)
            self.answered.append((request.method, int(out[9:12])))
            if request.method == "HEAD":
                out = out.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
            conn.send(out)

    def is_allowed(self, request):
        return request.all("authorization") == [
            f"Bearer {self.token}"
        ] and not request.target.startswith("/locked/")

    def answer(self, request):
        codings = request.all("content-encoding")
        self.coded += codings
        if "aws-chunked" in codings:
            read_aws_chunked(request)
        path, _, query = request.target.partition("?")
        query = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
        if request.method in ("GET", "HEAD"):
            return self.get(request, path)
        if request.method == "POST":
            if "uploads" in query:
                return self.begin(path)
            return self.complete(path, query["uploadId"])
        return self.put(request, path, query)

    def put(self, request, path, query):
        body = request.body
        for name, digest in SUMS.items():
            if request.get(name) not in (None, digest(body)):
                return failure("400 Bad Request", "BadDigest")
        kept = [
            (n, v) for n, v in request.headers
            if re.match("content-type$|x-amz-meta-", n, re.I)
        ]  # fmt: skip
        if "uploadId" in query:
            parts = self.uploads[query["uploadId"]]
            parts[int(query["partNumber"])] = body
            stored = Stored(body, [("x-amz-checksum-crc32", crc32(body))])
        else:
            stored = self.add(path, body, kept)
        fields = [("ETag", stored.etag), *stored.headers[-1:], *ALWAYS]
        return reply(headers=fields)

    def begin(self, path):
        name = f"upload.{len(self.uploads)}"
        self.uploads[name] = {}
        return reply(
            "<InitiateMultipartUploadResult>"
            f"<UploadId>{name}</UploadId></InitiateMultipartUploadResult>",
            headers=[XML, *ALWAYS],
        )

    def complete(self, path, name):
        """The head at once, blanks while it assembles, then the document."""
        parts = self.uploads.pop(name)
        body = b"".join(parts[i] for i in sorted(parts))
        etag = f'"{hashlib.md5(body).hexdigest()}-{len(parts)}"'
        self.objects[path] = Stored(body, [], etag)
        return chunked("200 OK", [XML, *ALWAYS], [
            '<?xml version="1.0" encoding="UTF-8"?>\n', " ", " ",
            "<CompleteMultipartUploadResult><ETag>&quot;"
            f"{etag[1:-1]}&quot;</ETag></CompleteMultipartUploadResult>",
        ])  # fmt: skip

    def get(self, request, path):
        stored = self.objects.get(path)
        if stored is None:
            return failure("404 Not Found", "NoSuchKey")
        fields = stored.fields()
        if request.get("if-none-match") == stored.etag:
            lines = "".join(f"{n}: {v}\r\n" for n, v in fields[:2] + ALWAYS)
            return f"HTTP/1.1 304 Not Modified\r\n{lines}\r\n".encode()
        # The checksum is the whole object's, which a part does not show.
        if request.get("range"):
            fields = [f for f in fields if "checksum" not in f[0]]
        return reply_part(request, stored.body, fields) or failure(
            "416 Requested Range Not Satisfiable", "InvalidRange"
        )
