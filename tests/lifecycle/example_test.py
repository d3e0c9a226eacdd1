"""A module from outside the tree: tests/example, which has every hook."""

import codecs
import gzip
import os
import re
import shutil
import threading
import time

import pytest

from lib.http import Truncated, reply
from lib.program import configure, link
from lib.weir import ROOT

# In one process, which builds it once.
pytestmark = pytest.mark.xdist_group("example")


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    """A weir with that module, which stands before access_log."""
    path = tmp_path_factory.mktemp("example")
    mod, objs = path / "mod", path / "objs"
    shutil.copytree(os.path.join(ROOT, "tests", "example"), mod)
    said = configure(objs, f"--add-module={mod}")
    assert f"adding module example from {mod}" in said
    text = (objs / "modules.c").read_text()
    found = re.findall(r"^    &(\w+)_module,$", text, re.M)
    assert found.index("example") + 1 == found.index("access_log")
    return link(objs, f"{objs}/addon{mod}/example.o")


@pytest.fixture
def weir_with_example(weir, example, monkeypatch):
    monkeypatch.setattr("lib.weir.BINARY", example)
    return weir


def test_hooks(weir_with_example, origin):
    origin.default = (
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
        b"Trailer: A, B\r\n\r\n2\r\nok\r\n0\r\nA: 1\r\nB: 2\r\n\r\n"
    )
    w = weir_with_example(
        main="error_log logs/error.log info;",
        egress="host origin.test { example_note \"of $sandbox_id\"; }",
    )
    with w.tunnel("origin.test", origin.port) as c:
        c.send(f"GET / HTTP/1.1\r\nHost: origin.test:{origin.port}\r\n"
               "TE: trailers\r\nX_Example: mine\r\n\r\n")
        early = c.read_response(interim=True)
        assert (early.status, early.get("X-Example")) == (103, "interim")
        r = c.read_response()
        assert r.get("X-Example-Interims") == "1"
        assert r.body == b"ok"
    assert origin.requests[0].get("X-Example") == "of box"
    assert origin.requests[0].get("X-Example-Try") == "1"
    w.wait_log("example: status 200, 2 trailers, upstream 1 to 1")
    assert "0 trailers, upstream 0 to 0" in w.error_log()  # CONNECT
    w.wait_log("example: closed connection 1, it had 2 exchanges, .*: box")
    w.stop("QUIT")
    assert "example: 1 connections, 1 closed, 2 exchanges" in w.error_log()


def test_close_of_a_connection_that_was_refused(weir_with_example):
    """By a module that comes first: it is the one hook that hears of it."""
    w = weir_with_example()
    with w.client(source="127.0.0.9") as c:
        assert c.is_closed()
    w.wait_log("example: closed connection 1")
    w.stop("QUIT")
    assert "example: 0 connections, 1 closed, 0 exchanges" in w.error_log()


def test_it_has_every_hook():
    """What may stand in a struct module does stand in the example's."""
    with open(os.path.join(ROOT, "core", "proxy", "hook.h")) as f:
        struct = re.search(r"\nstruct module \{\n(.*?)\n\};", f.read(), re.S)
    members = re.sub(r"/\*.*?\*/", "", struct[1], flags=re.S)
    names = re.findall(r"(\w+)\)?(?:\([^)]*\))?[,;]", members)
    assert len(names) == members.count(";") + 3, "sizes and bodies in a line"
    with open(os.path.join(ROOT, "tests", "example", "example.c")) as f:
        module = re.search(r"example_module = \{(.*?)\n\};", f.read(), re.S)
    given = re.findall(r"^    \.(\w+) = ", module[1], re.M)
    assert sorted(given) == sorted(names)


def test_who_chain_reaches_the_sandbox(weir_with_example, plain_origin):
    """What the class says holds for its sandboxes, unless they say else."""
    host = f"plain.test:{plain_origin.port}"
    for cls, sandbox, status in [
        ("example_closed on;", "", 403),
        ("example_closed on;", "example_closed off;", 200),
        ("", "", 200),
    ]:
        w = weir_with_example(cls=cls, sandbox=sandbox)
        with w.client() as c:
            r = c.get(f"http://{host}/", host)
        assert r.status == status
        assert (b"closed for today" in r.body) == (status == 403)


def test_directives_are_checked(weir_with_example):
    w = weir_with_example(egress="example_shout loudly;", start=False)
    assert "loudly" in w.run("-t").stderr
    block = "host a.test { example_shout on; example_note b; }"
    w = weir_with_example(egress=block, start=False)
    assert "exclude each other" in w.run("-t").stderr
    w = weir_with_example(egress="example_note $example_interim;", start=False)
    assert "unknown" in w.run("-t").stderr


def test_explain(weir_with_example):
    w = weir_with_example(egress="host a.test { example_note b; }")
    assert "a note in X-Example" in w.run("-E", "box", "GET",
                                          "http://a.test/").stdout


def test_filters(weir_with_example, plain_origin):
    block = "host plain.test { location / { example_shout on; } }"
    w = weir_with_example(egress=block)
    host = f"plain.test:{plain_origin.port}"
    with w.client() as c:
        r = c.request("PUT", f"http://{host}/", host, body=b"the body")
        assert r.body == b"HELLO FROM THE ORIGIN\n"
    assert plain_origin.requests[0].body == b"THE BODY"
    packed = [("Content-Encoding", "gzip")]
    plain_origin.default = reply(gzip.compress(b"in gzip"), headers=packed)
    with w.client() as c:
        r = c.get(f"http://{host}/", host, [("Accept-Encoding", "gzip, br")])
    assert gzip.decompress(r.body) == b"IN GZIP"
    assert plain_origin.requests[1].get("accept-encoding") == "gzip"


def test_content_coding(weir_with_example, plain_origin):
    """One that this module alone reads: it is asked for, undone for the
    filters, and done again."""
    packed = [("Content-Encoding", "ROT13")]
    text = codecs.encode("in rot13", "rot13")
    plain_origin.default = reply(text, headers=packed)
    w = weir_with_example(egress="host plain.test { example_shout on; }")
    host = f"plain.test:{plain_origin.port}"
    with w.client() as c:
        ask = [("Accept-Encoding", "br, rot13, gzip")]
        r = c.get(f"http://{host}/", host, ask)
    assert codecs.decode(r.body.decode(), "rot13") == "IN ROT13"
    assert r.get("content-encoding") == "ROT13"
    assert plain_origin.requests[0].get("accept-encoding") == "rot13, gzip"


def test_filter_that_waits(weir_with_example, plain_origin):
    """Its own time ends the wait: no byte comes meanwhile, either way."""
    w = weir_with_example(
        egress="host plain.test { example_shout on; example_pause 300ms; }"
    )
    host = f"plain.test:{plain_origin.port}"
    begin = time.monotonic()
    with w.client() as c:
        r = c.request("PUT", f"http://{host}/", host, body=b"the body")
    assert r.body == b"HELLO FROM THE ORIGIN\n"
    assert plain_origin.requests[0].body == b"THE BODY"
    assert time.monotonic() - begin >= 0.6


def test_each_try_is_asked_for(weir_with_example, origins):
    """A kept connection that dies under a request: it is sent once more, and
    its last word is another."""
    origin = origins("try.test")
    first = threading.Lock()

    def script(conn):
        if not first.acquire(blocking=False):
            origin.serve(conn)
            return
        conn.read_request()
        conn.send(reply(b"first"))
        conn.read_request()
        conn.close()

    origin.script = script
    w = weir_with_example()
    host = f"try.test:{origin.port}"
    with w.tunnel("try.test", origin.port) as c:
        assert c.get("/", host).body == b"first"
        assert c.get("/", host).status == 200
    tries = [r.get("X-Example-Try") for r in origin.requests]
    assert tries == ["1", "1", "2"]


def test_filter_beside_redaction(weir_with_example, origin):
    """What a filter rewrites is compressed anew, and the head says so, though
    redaction alone would leave it as it came."""
    secret = "s3cret-0123456789-abc"
    body = gzip.compress(f"in gzip: {secret}".encode())
    head = [("Content-Encoding", "gzip"), ("ETag", '"1"'), ("Digest", "x")]
    origin.default = reply(body, headers=head)
    w = weir_with_example(
        egress="secret t env:T; host origin.test {"
               " bearer $secret_t; redact on; example_shout on; }",
        env={"T": secret},
    )  # fmt: skip
    with w.tunnel("origin.test", origin.port) as c:
        r = c.get("/", f"origin.test:{origin.port}")
    stars = "*" * len(secret)
    assert gzip.decompress(r.body) == f"IN GZIP: {stars}".encode()
    assert r.get("ETag") == 'W/"1"' and r.all("Digest") == []
    assert r.all("Content-Length") == []


@pytest.mark.parametrize("status", [
    "200 OK\r\nContent-Length: 5", "204 No Content",
    "101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket",
])  # fmt: skip
def test_response_that_is_refused(weir_with_example, plain_origin, status):
    """What the client asked to have switched is not, and it gets an answer."""
    host = f"plain.test:{plain_origin.port}"
    plain_origin.default = (
        f"HTTP/1.1 {status}\r\nX-Example-Refuse: yes\r\n\r\nframe"
    ).encode()
    w = weir_with_example()
    with w.client() as c:
        c.send(f"GET http://{host}/ HTTP/1.1\r\nHost: {host}\r\n"
               "Connection: upgrade\r\nUpgrade: websocket\r\n\r\n")
        r = c.read_response()
        assert (r.status, r.get("Upgrade")) == (502, None)
        assert b"this response is not passed on" in r.body
        if status.startswith("101"):
            assert c.read_eof() == b""
        else:
            assert c.get(f"http://{host}/", host).status == 502
    assert {e["status"] for e in w.access_log()} == {502}


def test_filter_that_gives_up_on_a_response(weir_with_example, plain_origin):
    """The client is not left waiting, and does not take it for whole."""
    host = f"plain.test:{plain_origin.port}"
    w = weir_with_example(egress="example_shout on;")
    chunked = (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
               b"3\r\na!b\r\n0\r\n\r\n")  # fmt: skip
    for answer in (reply(b"abc!def"), reply(b"!"), chunked):
        plain_origin.default = answer
        with w.client() as c:
            with pytest.raises((Truncated, ConnectionResetError)):
                c.get(f"http://{host}/", host)
        w.wait_log("shout gave up on the body: it will not shout that")
    assert {e["cause"] for e in w.access_log(3)} == {
        "shout gave up on the body: it will not shout that"
    }


def test_filter_that_gives_up_on_a_request(weir_with_example, plain_origin):
    host = f"plain.test:{plain_origin.port}"
    w = weir_with_example(egress="example_shout on;")
    with w.client() as c:
        r = c.request("PUT", f"http://{host}/", host, body=b"abc!def")
        assert r.status == 502
        assert "proxy_internal_error" in r.get("Proxy-Status")
    w.wait_log("shout gave up on the request's body: it will not shout that")
    assert plain_origin.requests == []
