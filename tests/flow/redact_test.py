"""What an origin echoes of a secret in heads and trailers comes as asterisks.

Each test reads what the sandbox gets, byte by byte.
"""

import base64
import threading

import pytest

from lib.http import Response, reply
from lib.wait import until

pytestmark = pytest.mark.egress("redact on;")

SECRET = "s3cret/0123+456_789-value"
STARS = "*" * len(SECRET)
BEARER = """
secret token env:TOKEN;
host origin.test { bearer $secret_token; }
"""
ESCAPED = SECRET.replace("/", "\\/")
PERCENT = "".join(f"%{ord(c):02x}" for c in SECRET)


def host(origin):
    return f"{origin.names[0]}:{origin.port}"


def b64(text):
    return base64.b64encode(text.encode()).decode()


def answer(*headers, reason="OK", trailers=()):
    lines = [f"HTTP/1.1 200 {reason}", *[f"{n}: {v}" for n, v in headers]]
    if not trailers:
        lines += ["Content-Length: 0", "", ""]
    else:
        lines += ["Transfer-Encoding: chunked", "", "0"]
        lines += [f"{n}: {v}" for n, v in trailers] + ["", ""]
    return "\r\n".join(lines).encode("latin-1")


def seen(w, c, origin, secret=SECRET):
    """One exchange: no byte that comes back has the secret."""
    r = c.get("/", host(origin))
    text = r.raw_head + str(r.trailers).encode()
    assert secret.encode() not in text
    assert secret.encode() not in w.all_output()
    return r


@pytest.mark.parametrize(
    "echo, arrives",
    [
        (f"Bearer {SECRET}", f"Bearer {STARS}"),
        (f"a={SECRET}; b={SECRET}", f"a={STARS}; b={STARS}"),
        (f'{{"k":"{ESCAPED}"}}', f'{{"k":"{"*" * len(ESCAPED)}"}}'),
        (
            "\\u0073" + ESCAPED[1:],
            "*" * (len(ESCAPED) + 5),
        ),
        (f"/x?k={PERCENT}&l", f"/x?k={'*' * len(PERCENT)}&l"),
        (
            f"/x?k={PERCENT[:9].upper()}{SECRET[3:]}&l",
            f"/x?k={'*' * (9 + len(SECRET) - 3)}&l",
        ),
        (f"Basic {b64(SECRET)}", f"Basic {'*' * 34}=="),
        (
            f"Basic {b64('u' + SECRET)}",
            f"Basic {b64('us')[:2]}{'*' * 33}=",
        ),
        (
            f"Basic {b64('me' + SECRET + '!')}",
            f"Basic {b64('mes')[:3]}{'*' * 33}IQ==",
        ),
        (SECRET[:-1], SECRET[:-1]),
        (SECRET.upper(), SECRET.upper()),
    ],
)
def test_forms_in_a_header(weir, origin, echo, arrives):
    origin.on("/", answer(("x-before", "1"), ("X-Echo", echo), ("X", "2")))
    w = weir(egress=BEARER, env={"TOKEN": SECRET})
    with w.tunnel("origin.test", origin.port) as c:
        r = c.get("/", host(origin))
    assert r.status == 200
    names = ("x-before", "X-Echo", "X")
    values = [(n, v) for n, v in r.headers if n in names]
    assert values == [("x-before", "1"), ("X-Echo", arrives), ("X", "2")]


def test_every_header_and_the_reason(weir, origin):
    names = ["Set-Cookie", "Location", "WWW-Authenticate", "Set-Cookie", "Via"]
    origin.on(
        "/",
        answer(*[(n, f"a {SECRET}") for n in names], reason=f"No {SECRET}!"),
    )
    w = weir(egress=BEARER, env={"TOKEN": SECRET})
    with w.tunnel("origin.test", origin.port) as c:
        r = seen(w, c, origin)
    assert r.raw_head.startswith(f"HTTP/1.1 200 No {STARS}!\r\n".encode())
    for name in names:
        assert set(r.all(name)) == {f"a {STARS}"}
    assert len(r.all("set-cookie")) == 2


def test_a_headers_name(weir, origin):
    """In heads and trailers, whatever stands behind it."""
    secret = "s3cret-0123456789"
    stars = "*" * len(secret)
    origin.on(
        "/",
        answer(
            (f"X-{secret}-Left", "1"),
            (secret, f"of {secret}"),
            trailers=[(f"T-{secret}", "2")],
        ),
    )
    w = weir(egress=BEARER, env={"TOKEN": secret})
    with w.tunnel("origin.test", origin.port) as c:
        r = seen(w, c, origin, secret)
    assert r.get(f"X-{stars}-Left") == "1"
    assert r.get(stars) == f"of {stars}"
    assert r.trailers == [(f"T-{stars}", "2")]


def test_it_is_said_once_and_without_the_value(weir, origin):
    origin.on(
        "/", answer(("A", SECRET), ("B", SECRET), trailers=[("C", SECRET)])
    )
    w = weir(egress=BEARER, env={"TOKEN": SECRET})
    with w.tunnel("origin.test", origin.port) as c:
        seen(w, c, origin)
    line = w.wait_log("secret_echoed")
    assert "[warn]" in line and 'secret "token"' in line
    assert 'host: "origin.test"' in line and "sandbox: box" in line
    w.stop()
    assert w.error_log().count("secret_echoed") == 1


def test_interim_heads(weir, origin):
    origin.on(
        "/",
        f"HTTP/1.1 103 Early {SECRET}\r\nLink: <{SECRET}>\r\n\r\n".encode()
        + f"HTTP/1.1 103 Early\r\nLink: <{PERCENT}>\r\n\r\n".encode()
        + reply(b"done"),
    )
    w = weir(egress=BEARER, env={"TOKEN": SECRET})
    with w.tunnel("origin.test", origin.port) as c:
        c.send(f"GET / HTTP/1.1\r\nHost: {host(origin)}\r\n\r\n")
        first = c.read_response(interim=True)
        second = c.read_response(interim=True)
        assert c.read_response().body == b"done"
    assert first.raw_head.startswith(f"HTTP/1.1 103 Early {STARS}\r\n".encode())
    assert first.all("link") == [f"<{STARS}>"]
    assert second.all("link") == [f"<{'*' * len(PERCENT)}>"]
    w.wait_log("secret_echoed.*interim head")


def test_trailers(weir, origin):
    origin.on(
        "/",
        answer(trailers=[("X-Sum", "1"), ("X-Echo", f"b {b64(SECRET)}")]),
    )
    w = weir(egress=BEARER, env={"TOKEN": SECRET})
    with w.tunnel("origin.test", origin.port) as c:
        r = c.get("/", host(origin))
    assert r.trailers == [("X-Sum", "1"), ("X-Echo", f"b {'*' * 34}==")]
    w.wait_log("secret_echoed.*trailers")


def test_what_was_substituted(weir, origin):
    origin.on("/", lambda _, r: answer(("X-Echo", r.get("authorization"))))
    w = weir(
        egress="secret token env:TOKEN placeholder=PLACE-HOLDER;\n"
        "host origin.test { substitute token in header authorization; }",
        env={"TOKEN": SECRET},
    )
    with w.tunnel("origin.test", origin.port) as c:
        r = c.get("/", host(origin), [("Authorization", "k PLACE-HOLDER")])
    assert r.all("x-echo") == [f"k {STARS}"]


def test_redact_off(weir, origin):
    origin.on("/", answer(("X-Echo", SECRET)))
    origin.on("/on", answer(("X-Echo", SECRET)))
    w = weir(
        egress="secret token env:TOKEN;\n"
        "host origin.test { redact off; bearer $secret_token;\n"
        "location /on { redact on; } }",
        env={"TOKEN": SECRET},
    )
    with w.tunnel("origin.test", origin.port) as c:
        assert c.get("/", host(origin)).all("x-echo") == [SECRET]
        assert c.get("/on", host(origin)).all("x-echo") == [STARS]


def test_what_the_serving_block_may_attach(weir, origins):
    """Bound to the host, by hosts=, and used by a block that serves another
    host or by none: no request to it carries the secret."""
    a, b, c = origins("a.bound.test"), origins("b.bound.test"), origins("c.bound.test")
    for o in (a, b, c):
        o.on("/", answer(("X-Echo", SECRET)))
        o.on("/in", answer(("X-Echo", SECRET)))
    w = weir(
        egress="""
        secret token env:TOKEN hosts=*.bound.test;
        host a.bound.test { location /in { bearer $secret_token; } }
        host b.bound.test { }
        """,
        env={"TOKEN": SECRET},
    )
    got = []
    for o, path in ((a, "/in"), (a, "/"), (b, "/"), (c, "/")):
        with w.tunnel(o.names[0], o.port) as client:
            got += client.get(path, host(o)).all("x-echo")
    assert got == [STARS, STARS, SECRET, SECRET]


def test_a_guest_is_shown_what_it_cannot_have(weir, origin):
    """The block with the token is another class's: nothing is looked for, and
    nothing about the response tells that there is a token (case A08)."""
    origin.on("/", reply(SECRET, headers=[("X-Echo", SECRET)]))
    w = weir(
        egress="""
        secret token env:TOKEN hosts=origin.test;
        sandbox_class trusted { allowed_hosts *.test; }
        sandbox_class guest { allowed_hosts *.test; }
        sandbox box { class trusted; address 127.0.0.1; }
        sandbox two { class guest; address 127.0.0.2; }
        host origin.test { classes trusted; bearer $secret_token; }
        """,
        env={"TOKEN": SECRET},
    )
    got = []
    for source, name in (("127.0.0.1", "box"), ("127.0.0.2", "two")):
        with w.client(source=source) as c:
            assert c.connect(host(origin)).status == 200
            c.tls("origin.test", w.ca(name))
            r = c.get("/", host(origin), [("Accept-Encoding", "br")])
            got.append((r.all("x-echo"), r.body.decode()))
    assert got == [([STARS], STARS), ([SECRET], SECRET)]
    asked = [r.all("accept-encoding") for r in origin.requests]
    assert asked == [["identity"], ["br"]]


def test_each_sandbox_its_own(weir, origin):
    """Another sandbox's value is not this one's to know of."""
    box, two = "box-0123456789-abc", "two-0123456789-abc"
    origin.on("/", answer(("X-Echo", f"{box} {two}")))
    w = weir(
        egress="""
        secret token dir:{{dir}}/secrets per_sandbox;
        host origin.test { bearer $secret_token; }
        sandbox_class test { allowed_hosts *.test; }
        sandbox box { class test; address 127.0.0.1; }
        sandbox two { class test; address 127.0.0.2; }
        """,
        files={"secrets/box": box, "secrets/two": two},
    )
    got = []
    for source, name in (("127.0.0.1", "box"), ("127.0.0.2", "two")):
        with w.client(source=source) as c:
            assert c.connect(host(origin)).status == 200
            c.tls("origin.test", w.ca(name))
            got += c.get("/", host(origin)).all("x-echo")
    stars = "*" * len(box)
    assert got == [f"{stars} {two}", f"{box} {stars}"]


def test_each_class_its_own(weir, origin):
    one, two = "one-0123456789-abc", "two-0123456789-abc"
    origin.on("/", answer(("X-Echo", f"{one} {two}")))
    w = weir(
        egress="""
        sandbox_class one {
            secret token env:ONE;
            allowed_hosts *.test;
            host origin.test { bearer $secret_token; }
        }
        sandbox_class two {
            secret token env:TWO;
            allowed_hosts *.test;
            host origin.test { bearer $secret_token; }
        }
        sandbox box { class one; address 127.0.0.1; }
        sandbox two { class two; address 127.0.0.2; }
        """,
        env={"ONE": one, "TWO": two},
    )
    got = []
    for source, name in (("127.0.0.1", "box"), ("127.0.0.2", "two")):
        with w.client(source=source) as c:
            assert c.connect(host(origin)).status == 200
            c.tls("origin.test", w.ca(name))
            got += c.get("/", host(origin)).all("x-echo")
    stars = "*" * len(one)
    assert got == [f"{stars} {two}", f"{one} {stars}"]


def test_a_changed_secret(weir, origin):
    first, second = "first-0123456789", "second-0123456789"
    origin.on("/", lambda _, r: answer(("X-Echo", r.get("authorization"))))
    w = weir(
        egress="secret token file:{{dir}}/token;\n"
        "host origin.test { bearer $secret_token; }",
        files={"token": first},
    )
    with w.tunnel("origin.test", origin.port) as c:
        r = c.get("/", host(origin))
        assert r.all("x-echo") == ["Bearer " + "*" * len(first)]
        w.write("token", second)
        w.wait_log('secret "token" has changed')
        r = c.get("/", host(origin))
        assert r.all("x-echo") == ["Bearer " + "*" * len(second)]


WEAK = "fifteen-bytes-1"


def test_a_weak_secret(weir, origin):
    """It is used, and not looked for; -t and the log name it, at warn."""
    text = "secret token env:TOKEN;\nhost origin.test { bearer $secret_token; %s }"
    warning = 'secret "token" is used but not looked for'
    origin.on("/", answer(("X-Echo", WEAK)))
    w = weir(egress=text % "", env={"TOKEN": WEAK}, start=False)
    done = w.run("-t")
    assert done.returncode == 0
    assert "[warn]" in done.stderr and warning in done.stderr
    assert WEAK not in done.stderr
    w.start()
    with w.tunnel("origin.test", origin.port) as c:
        assert c.get("/", host(origin)).all("x-echo") == [WEAK]
    assert origin.requests[0].get("authorization") == f"Bearer {WEAK}"
    w = weir(egress=text % "redact off;", env={"TOKEN": WEAK}, start=False)
    assert warning not in w.run("-t").stderr


def test_a_secret_that_becomes_weak(weir, origin):
    """A rotation does not fail."""
    origin.on("/", lambda _, r: answer(("X-Echo", r.get("authorization"))))
    w = weir(
        egress="secret token file:{{dir}}/token;\n"
        "host origin.test { bearer $secret_token; }",
        files={"token": SECRET},
    )
    w.write("token", WEAK)
    w.wait_log('secret "token" is used but not looked for')
    with w.tunnel("origin.test", origin.port) as c:
        until(lambda: c.get("/", host(origin)).all("x-echo") == [f"Bearer {WEAK}"], "it")


def test_one_that_is_weak_again(weir, origin):
    """While a response comes in which it was looked for, and was not when the
    request left: there is nothing to look for then, in a run of any length."""
    goes_on = [threading.Event(), threading.Event()]

    def stream(conn, request):
        goes_on[0].wait()
        conn.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        goes_on[1].wait()
        conn.send(b"x" * 100000)

    def becomes(w, value, echo):
        w.write("token", value)
        with w.tunnel("origin.test", origin.port) as c:
            until(lambda: c.get("/", host(origin)).all("x-echo") == [f"Bearer {echo}"], "it")

    origin.on("/", lambda _, r: answer(("X-Echo", r.get("authorization"))))
    origin.on("/stream", stream)
    w = weir(
        egress="secret token file:{{dir}}/token;\n"
        "host origin.test { bearer $secret_token; }",
        files={"token": WEAK},
    )
    with w.tunnel("origin.test", origin.port) as c:
        c.send(f"GET /stream HTTP/1.1\r\nHost: {host(origin)}\r\n\r\n")
        try:
            origin.wait_requests(1)
            becomes(w, SECRET, STARS)
            goes_on[0].set()
            assert c.reader.head(Response).status == 200
            becomes(w, WEAK, WEAK)
        finally:
            for event in goes_on:
                event.set()
        assert c.reader.exactly(100000) == b"x" * 100000


def test_what_repeats(weir, origin):
    """A secret of one letter, and text in which it begins at every byte."""
    secret = "a" * 100 + "b"
    stars = "*" * len(secret)
    echo = ("X-Echo", "a" * 50 + f"{secret}{secret} c")
    origin.on("/", answer(echo, ("X-Short", "a" * 600)))
    w = weir(egress=BEARER, env={"TOKEN": secret})
    with w.tunnel("origin.test", origin.port) as c:
        r = c.get("/", host(origin))
    assert r.all("x-echo") == ["a" * 50 + f"{stars}{stars} c"]
    assert r.all("x-short") == ["a" * 600]


def test_a_guess_is_said(weir, origin):
    """The end of the secret, and not the whole: it stays, and the log tells."""
    secret = "s3cret-0123456789-abcdef"
    guess = "S" + secret[1:]
    origin.on("/", reply(f"{guess} {guess}", headers=[("X-Echo", guess)]))
    w = weir(egress=BEARER, env={"TOKEN": secret})
    with w.tunnel("origin.test", origin.port) as c:
        r = c.get("/", host(origin))
    assert r.all("x-echo") == [guess] and r.body == f"{guess} {guess}".encode()
    line = w.wait_log("secret_probed")
    assert "[warn]" in line and 'secret "token"' in line
    w.stop()
    assert w.error_log().count("secret_probed") == 1
    assert "secret_echoed" not in w.error_log()


def test_a_plain_response(weir, plain_origin):
    """On its connection no secret may go: it is not looked through."""
    plain_origin.on("/", reply(SECRET, headers=[("X-Echo", SECRET)]))
    name, port = plain_origin.names[0], plain_origin.port
    w = weir(
        egress="secret token env:TOKEN;\n"
        f"host {name} {{ location /in {{ bearer $secret_token; }} }}",
        env={"TOKEN": SECRET},
    )
    with w.client() as c:
        ask = [("Accept-Encoding", "br")]
        r = c.request("GET", f"http://{name}:{port}/", f"{name}:{port}", ask)
    assert (r.body.decode(), r.get("x-echo")) == (SECRET, SECRET)
    assert plain_origin.requests[0].get("accept-encoding") == "br"
