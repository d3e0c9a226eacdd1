"""Credentials: they reach their origin and nothing else (SPEC 7)."""

import base64
import os

import pytest

from lib.weir import WRAP

SECRET = "s3cret-0123456789-value"
BEARER = """
secret token env:TOKEN;
host origin.test { bearer $secret_token; }
"""


def host(origin):
    return f"{origin.names[0]}:{origin.port}"


def test_bearer_replaces_what_the_sandbox_sent(weir, origin):
    w = weir(egress=BEARER, env={"TOKEN": SECRET})
    with w.tunnel("origin.test", origin.port) as c:
        r = c.get(
            "/",
            host(origin),
            [("authorization", "mine"), ("AUTHORIZATION", "mine too")],
        )
    assert r.status == 200
    assert origin.requests[0].all("authorization") == [f"Bearer {SECRET}"]
    assert b"mine" not in origin.raw
    assert SECRET.encode() not in w.all_output()


@pytest.mark.parametrize(
    "directive, name, value",
    [
        ("proxy_set_header X-Auth-Token $secret_token;", "X-Auth-Token",
         SECRET),
        ('proxy_set_header X-K "k $secret_token;";', "X-K", f"k {SECRET};"),
        ("basic_auth user $secret_token;", "Authorization", "Basic "
         + base64.b64encode(f"user:{SECRET}".encode()).decode()),
    ],
)  # fmt: skip
def test_where_a_secret_goes(weir, origin, directive, name, value):
    w = weir(
        egress=f"secret token env:TOKEN; host origin.test {{ {directive} }}",
        env={"TOKEN": SECRET},
    )
    with w.tunnel("origin.test", origin.port) as c:
        assert c.get("/", host(origin)).status == 200
    assert origin.requests[0].all(name) == [value]


def test_query_parameter(weir, origin):
    w = weir(
        egress="secret token env:TOKEN;\n"
        "host origin.test { proxy_set_query key $secret_token; }",
        env={"TOKEN": "a b&c=d/0123456789"},
    )
    with w.tunnel("origin.test", origin.port) as c:
        for path in ("/p", "/p?x=1", "/p?key=mine&x=1"):
            assert c.get(path, host(origin)).status == 200
    for request in origin.requests:
        path, _, query = request.target.partition("?")
        pairs = query.split("&")
        keys = [p for p in pairs if p.startswith("key=")]
        assert path == "/p" and len(keys) == 1, request.target
        assert keys[0].lower() == "key=a%20b%26c%3dd%2f0123456789"
    assert "x=1" in origin.requests[1].target
    assert "mine" not in str(origin.requests)
    assert "0123456789" not in w.error_log() + str(w.access_log(3))


def test_underscore_is_read_as_a_dash(weir, origin):
    w = weir(
        egress="secret token env:TOKEN;\n"
        "host origin.test { proxy_set_header X-Auth-Token $secret_token; }",
        env={"TOKEN": SECRET},
    )
    with w.tunnel("origin.test", origin.port) as c:
        c.get(
            "/",
            host(origin),
            [("x_auth_token", "mine"), ("X-Auth_Token", "mine")],
        )
    assert b"mine" not in origin.raw
    assert origin.requests[0].all("X-Auth-Token") == [SECRET]


def test_connection_cannot_strip_it(weir, origin):
    w = weir(egress=BEARER, env={"TOKEN": SECRET})
    with w.tunnel("origin.test", origin.port) as c:
        c.get("/", host(origin), [("Connection", "authorization")])
    assert origin.requests[0].all("authorization") == [f"Bearer {SECRET}"]


def test_trailer_of_that_name_is_removed(weir, origin):
    w = weir(egress=BEARER, env={"TOKEN": SECRET})
    with w.tunnel("origin.test", origin.port) as c:
        c.send(
            f"POST / HTTP/1.1\r\nHost: {host(origin)}\r\n"
            "Transfer-Encoding: chunked\r\nTrailer: Authorization\r\n\r\n"
            "1\r\na\r\n0\r\nAuthorization: mine\r\n\r\n"
        )
        assert c.read_response().status == 200
    assert b"mine" not in origin.raw


def test_only_hosts_that_it_is_bound_to(weir, origins):
    a, b = origins("a.bound.test"), origins("b.test")
    w = weir(
        egress="""
        secret token env:TOKEN hosts=*.bound.test;
        host *.test { proxy_set_header X-T $secret_token; }
        """,
        env={"TOKEN": SECRET},
    )
    with w.tunnel("a.bound.test", a.port) as c:
        assert c.get("/", host(a)).status == 200
    assert a.requests[0].all("X-T") == [SECRET]
    with w.tunnel("b.test", b.port) as c:
        c.get("/", host(b))
    assert SECRET.encode() not in b.raw


def test_wildcard_block_needs_hosts(weir):
    w = weir(
        egress="secret token env:TOKEN;\n"
        "host *.test { bearer $secret_token; }",
        env={"TOKEN": SECRET},
        start=False,
    )
    done = w.run("-t")
    assert done.returncode != 0 and "hosts=" in done.stderr
    assert SECRET not in done.stderr


@pytest.mark.parametrize(
    "directive",
    [
        'return 200 "$secret_token";',
        "proxy_set_header $secret_token x;",
    ],
)
def test_where_a_secret_may_not_stand(weir, directive):
    w = weir(
        egress=f"secret token env:TOKEN; host a.test {{ {directive} }}",
        env={"TOKEN": SECRET},
        start=False,
    )
    done = w.run("-t")
    assert done.returncode != 0 and "weir.conf:" in done.stderr


def test_log_format_takes_no_secret(weir):
    w = weir(
        egress="secret token env:TOKEN;\n"
        'log_format x "$secret_token"; access_log logs/a.log x;',
        env={"TOKEN": SECRET},
        start=False,
    )
    assert w.run("-t").returncode != 0


def test_plain_port_is_refused(weir, plain_origin):
    w = weir(
        egress="secret token env:TOKEN;\n"
        "host plain.test { bearer $secret_token; }",
        env={"TOKEN": SECRET},
    )
    with w.client() as c:
        r = c.get(f"http://{host(plain_origin)}/", host(plain_origin))
    assert r.status == 403
    assert plain_origin.conns == []


def test_port_80_needs_443_to_be_open(weir):
    w = weir(
        egress="secret token env:TOKEN; ports 80; resolve plain.test 127.0.0.1;"
        "host plain.test { bearer $secret_token; }",
        env={"TOKEN": SECRET},
    )
    with w.client() as c:
        assert c.get("http://plain.test/", "plain.test").status == 403


def test_unverified_origin_never_gets_it(weir, origins, rogue_pki):
    rogue = origins("rogue.test", pki=rogue_pki)
    w = weir(
        egress="secret token env:TOKEN;\n"
        "host rogue.test { bearer $secret_token; }",
        env={"TOKEN": SECRET},
    )
    with w.tunnel("rogue.test", rogue.port) as c:
        assert c.get("/", host(rogue)).status == 502
    assert rogue.raw == b""


def test_missing_secret_fails_the_request(weir, origin):
    w = weir(
        egress="secret token dir:{{dir}}/secrets per_sandbox;\n"
        "host origin.test { bearer $secret_token; }",
        files={"secrets/neighbour": SECRET},
    )
    with w.tunnel("origin.test", origin.port) as c:
        assert c.get("/", host(origin)).status == 502
    assert origin.requests == []
    w.wait_log("token")


def test_each_sandbox_its_own_file(weir, origin):
    w = weir(
        egress="""
        secret token dir:{{dir}}/secrets per_sandbox;
        host origin.test { bearer $secret_token; }
        sandbox_class test { allowed_hosts *.test; }
        sandbox box { class test; address 127.0.0.1; }
        sandbox two { class test; address 127.0.0.2; }
        """,
        files={"secrets/box": "box-0123456789", "secrets/two": "two-0123456789"},
    )
    for source, name in (("127.0.0.1", "box"), ("127.0.0.2", "two")):
        with w.client(source=source) as c:
            assert c.connect(host(origin)).status == 200
            c.tls("origin.test", w.ca(name))
            assert c.get("/", host(origin)).status == 200
    values = [r.get("authorization") for r in origin.requests]
    assert values == ["Bearer box-0123456789", "Bearer two-0123456789"]


@pytest.mark.parametrize("how", ["write", "rename"])
def test_changed_file_is_used_soon(weir, origin, how):
    w = weir(
        egress="secret token file:{{dir}}/secrets/token;\n"
        "host origin.test { bearer $secret_token; }",
        files={"secrets/token": "first-0123456789\n"},
    )
    with w.tunnel("origin.test", origin.port) as c:
        c.get("/", host(origin))
        assert origin.requests[0].get("authorization") == (
            "Bearer first-0123456789"
        )
        if how == "write":
            w.write("secrets/token", "second-0123456789\n")
        else:
            path = w.write("secrets/new", "second-0123456789\n")
            os.rename(path, w.path("secrets/token"))
        from lib.wait import until

        def is_new():
            c.get("/", host(origin))
            value = origin.requests[-1].get("authorization")
            return value == "Bearer second-0123456789"

        until(is_new, "the new secret")


@pytest.mark.parametrize("value", ["a\rb-0123456789", "a\nb-0123456789"])
def test_secret_with_control_bytes_is_refused(weir, value):
    w = weir(
        egress="secret token file:{{dir}}/token;\n"
        "host origin.test { bearer $secret_token; }",
        files={"token": value},
        start=False,
    )
    done = w.run("-t")
    assert done.returncode != 0
    assert "0123456789" not in done.stderr


@pytest.mark.skipif("valgrind" in WRAP, reason="that is Valgrind's")
def test_environment_is_erased(weir, origin):
    w = weir(egress=BEARER, env={"TOKEN": SECRET})
    for pid in [w.process.pid, *w.children()]:
        try:
            with open(f"/proc/{pid}/environ", "rb") as f:
                assert SECRET.encode() not in f.read()
        except PermissionError:
            pass
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            assert SECRET.encode() not in f.read()
