"""A placeholder that passes in a body that cannot be read: the log says so, and
the origin gets what the client sent."""

import pytest

from lib.wait import until
from lib.weir import GLOBALS

SECRET = "s3cret-0123456789-value"
HOLD = "WEIR-LLM-KEY-000"
OTHER = "WEIR-OTHER-KEY-0"
SECRETS = f"""
secret llm env:LLM placeholder={HOLD};
secret other env:LLM placeholder={OTHER};
"""
BODY = SECRETS + (
    "host origin.test { substitute llm in body /auth/key token;"
    "substitute other in body /other other; }"
)
JSON = [("Content-Type", "application/json")]
FORM = [("Content-Type", "application/x-www-form-urlencoded")]
BYTES = [("Content-Type", "application/octet-stream")]
MULTIPART = [("Content-Type", "multipart/form-data; boundary=b")]
LATIN = [("Content-Type", "application/json; charset=iso-8859-1")]
SAID = "passes in a body that is not read"


def host(origin):
    return f"{origin.names[0]}:{origin.port}"


def start(weir, egress=BODY):
    return weir(egress=egress, env={"LLM": SECRET})


def said(w):
    return [line for line in w.error_log().splitlines() if SAID in line]


def post(w, origin, headers, body):
    """What the origin got, which is what was sent."""
    with w.tunnel("origin.test", origin.port) as c:
        r = c.request("POST", "/up?x", host(origin), headers, body)
        assert r.status == 200
    request = origin.requests[-1]
    assert request.body == body
    assert request.get("Content-Length") == str(len(body))
    w.access_log(len(origin.requests))


@pytest.mark.parametrize("headers, body, why", [
    (BYTES, "H", "is neither JSON nor a form"),
    (MULTIPART, "--b\r\n\r\nH\r\n--b--\r\n", "is neither JSON nor a form"),
    ([], '{"auth":{"key":"H"}}', "has no type, or several"),
    (JSON + FORM, "token=H", "has no type, or several"),
    (LATIN, '{"auth":{"key":"H"}}', "has another charset than UTF-8"),
    (JSON + [("Content-Encoding", "gzip")], "\x1f\x8bH", "has a content coding"),
    (JSON, '{"x":\'\',"auth":{"key":"H"}}', "is malformed"),
    (JSON, "{'auth':{'key':'H'}}", "is malformed"),
    (JSON, "token=H", "is malformed"),
    (FORM, "x=%zz&token=HH", "is malformed"),
])  # fmt: skip
def test_is_told_once(weir, origin, headers, body, why):
    w = start(weir)
    post(w, origin, headers, body.replace("H", HOLD).encode("latin-1"))
    [line] = said(w)
    assert "[warn]" in line and "sandbox: box" in line
    assert f'of secret "llm" {SAID}: it {why}, ' in line
    assert 'request: "POST /up", host: "origin.test"' in line
    assert SECRET not in w.error_log()


def test_of_which_secret(weir, origin):
    """Whichever is met first; several are one line."""
    w = start(weir)
    post(w, origin, BYTES, f"{OTHER}\n{HOLD}".encode())
    post(w, origin, BYTES, b"x" * 70000 + OTHER.encode())
    assert ['secret "other"' in line for line in said(w)] in (
        [True, True], [False, True],
    )  # fmt: skip


@pytest.mark.parametrize("fields, headers, kind", [
    ("token", JSON, "is JSON"), ("/auth/key", FORM, "is a form"),
])  # fmt: skip
def test_of_a_kind_that_is_not_named(weir, origin, fields, headers, kind):
    w = start(
        weir, SECRETS + f"host origin.test {{ substitute llm in body {fields}; }}"
    )
    post(w, origin, headers, f'{{"auth":{{"key":"{HOLD}"}}}}'.encode())
    assert f"read: it {kind}, " in said(w)[0]


@pytest.mark.parametrize("headers, body", [
    (BYTES, HOLD[:-1] + "1"), (BYTES, ""), (BYTES, HOLD[:-1]),
    (JSON, f'{{"text":"{HOLD}","auth":{{"key":["{HOLD}"]}}}}'),
    (FORM, f"a={HOLD}"), (JSON, "{'"), (JSON, f'{{"auth":"{HOLD}"'),
])  # fmt: skip
def test_nothing_to_tell(weir, origin, headers, body):
    """No placeholder, or none where the body cannot be read any more."""
    w = start(weir)
    post(w, origin, headers, body.encode())
    assert said(w) == []


def test_no_field_is_named(weir, origin):
    """Then bodies are not looked at."""
    w = start(
        weir,
        SECRETS + "host origin.test { substitute llm in header x-key; }",
    )
    post(w, origin, BYTES, HOLD.encode())
    assert said(w) == []


def test_the_end_is_malformed(weir, origin):
    """What may be a longer placeholder was held until then."""
    w = start(
        weir,
        f"""
        secret long env:LLM placeholder={HOLD}-LONG;
        secret llm env:LLM placeholder={HOLD[5:]};
        host origin.test {{ substitute long in body /k;
                           substitute llm in body /l; }}
        """,
    )
    post(w, origin, JSON, f'{{"k":"{HOLD}'.encode())
    assert 'secret "llm"' in said(w)[0]


@pytest.mark.skipif("one_byte" in GLOBALS, reason="1 MiB, a byte at a time")
@pytest.mark.parametrize("at, lines", [(1 << 20, 1), ((1 << 20) + 1, 0)])
def test_to_a_limit(weir, origin, at, lines):
    """Its end is within the first mebibyte, or is not; all of it passes."""
    w = start(weir)
    body = b"x" * (at - len(HOLD)) + HOLD.encode() + b"x" * 300000
    post(w, origin, BYTES, body)
    assert len(said(w)) == lines


def test_it_streams(weir, origin):
    """What is looked at is not held for it; a cut in a placeholder is none."""
    got = []

    def script(conn):
        conn.read_head()
        while not got or got[-1]:
            got.append(conn.reader.chunk())
        conn.reader.trailers()
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    origin.script = script
    w = start(weir)
    with w.tunnel("origin.test", origin.port) as c:
        c.send(f"POST / HTTP/1.1\r\nHost: {host(origin)}\r\n"
               "Transfer-Encoding: chunked\r\n\r\n")  # fmt: skip
        for i, byte in enumerate(HOLD):
            c.send(f"1\r\n{byte}\r\n")
            until(lambda n=i: len(got) > n, "a byte")
        c.send("0\r\n\r\n")
        assert c.read_response().status == 200
    assert b"".join(got).decode() == HOLD
    assert len(said(w)) == 1
