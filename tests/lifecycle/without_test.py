"""Weirs without one of their modules: each starts, serves what it still can,
and refuses what it cannot hold."""

import gzip
import os
import re
import subprocess

import pytest

import lib.weir
from lib.client import ACCESS_DENIED, UNRECOGNIZED_NAME, client_hello
from lib.http import reply
from lib.program import OBJS, link_without
from lib.weir import ROOT

pytestmark = pytest.mark.builds

with open(os.path.join(ROOT, "auto", "modules")) as f:
    MODULES = re.search(r'^MODULES="(.*)"$', f.read(), re.M)[1].split()

EXAMPLE = os.path.join(ROOT, "tests", "example")

# configure_test.py has identify: configure refuses that.
LEFT_OUT = [name for name in MODULES if name != "identify"]


@pytest.fixture(scope="module")
def builds(tmp_path_factory):
    """builds(NAME…): that program, built once, and its directory."""
    made = {}

    def get(*names, **options):
        if (names, *options.items()) not in made:
            directory = tmp_path_factory.mktemp("without")
            program = link_without(directory, names, **options)
            made[(names, *options.items())] = program, directory
        return made[(names, *options.items())]

    return get


@pytest.fixture
def weir_without(weir, builds, monkeypatch):
    """weir_without(NAME…)(…) is weir(…) of that program."""

    def get(*names, **options):
        program, _ = builds(*names, **options)
        monkeypatch.setattr("lib.weir.BINARY", program)
        if "access_log" in names:
            without_log = re.sub("access_log.*", "", lib.weir.EGRESS)
            monkeypatch.setattr("lib.weir.EGRESS", without_log)
        return weir

    return get


def directives_left_out(directory):
    text = (directory / "modules.c").read_text()
    return re.findall(r'^    \{ \.name = "(\w+)" \},$', text, re.M)


def says_whose(directive, name):
    return (
        f'the "{directive}" directive requires {name}_module, which this '
        "build is without in "
    )


@pytest.mark.parametrize("name", LEFT_OUT)
def test_each(weir_without, builds, plain_origin, name):
    """It starts, serves and refuses as ever, but that what nobody judges does
    not leave; and it says whose a directive is that it is without."""
    make = weir_without(name)
    w = make()
    host = f"plain.test:{plain_origin.port}"
    for url, status in (
        (f"http://{host}/", 200),
        ("http://gone.example/", 403),
    ):
        with w.client() as c:
            c.send(f"GET {url} HTTP/1.1\r\nHost: {url[7:-1]}\r\n\r\n")
            if name == "host_match":
                assert c.is_closed()
            else:
                assert c.read_response().status == status
    assert len(plain_origin.conns) == (name != "host_match")
    w.stop("QUIT")
    _, directory = builds(name)
    for directive in directives_left_out(directory):
        w = make(egress=f"{directive} x;", start=False)
        done = w.run("-t")
        assert done.returncode == 1
        assert says_whose(directive, name) in done.stderr


def test_no_directive_is_unknown(weir_without, builds):
    """Without all of them each of a whole build's is known by its name."""
    make = weir_without(*LEFT_OUT)
    units = os.path.join(OBJS, "tests", "unit", "units")
    table = subprocess.run(
        [units, "tests/unit/proc/tables_test.c", "print"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    names = set(re.findall(r"^directive\t(\w+)", table, re.M))
    left_out = set(directives_left_out(builds(*LEFT_OUT)[1]))
    assert {"host", "intercept", "substitute", "log_format"} <= left_out
    assert left_out < names
    w = make(start=False)
    for name in names:
        done = w.run("-t", "-g", f"{name} x;")
        assert done.returncode == 1
        assert "unknown directive" not in done.stderr, name
        assert (name in left_out) == ("_module" in done.stderr), name


def test_the_manual_says_whose_they_are(builds):
    """Each module, in its order, with the directives that go with it."""
    with open(os.path.join(ROOT, "man", "weir.conf.5")) as f:
        part = re.search(r"^\.Ss Modules\n(.*?)^\.El", f.read(), re.M | re.S)[1]
    told = re.findall(r"^\.It Li (\w+)\n(?:\.Ic (.*)\n)?", part, re.M)
    assert [name for name, _ in told] == MODULES
    text = (builds(*LEFT_OUT)[1] / "modules.c").read_text()
    tables = re.findall(r"struct cmd (\w+)_names\[\] = \{(.*?)\};", text, re.S)
    has = {name: set(re.findall(r'"(\w+)"', names)) for name, names in tables}
    for name, directives in told:
        assert set(directives.split(" , ")) - {""} == has.get(name, set()), name


# identify

NOBODY = """
#include "module.h"

static enum verdict
on_target(struct conn *c, const struct target *t)
{
    (void)c, (void)t;
    return V_NEXT;
}

const struct module nobody_module = {
    .conf = { .name = "nobody" },
    .identifies = true,
    .on_target = on_target,
};
"""


def test_no_module_identifies(weir_without):
    """One from elsewhere that does something else: it does not start."""
    w = weir_without("identify", add=EXAMPLE)(start=False)
    for args in (), ("-t",):
        done = w.run(*args)
        assert done.returncode == 1
        assert "no module of this build identifies sandboxes" in done.stderr


@pytest.mark.parametrize("without", [(), ("limit",), ("limit", "host_match")])
def test_the_module_that_identifies_says_nothing(
    weir_without, plain_origin, tmp_path, without
):
    """Each request is refused, and the worker goes on."""
    (tmp_path / "nobody.c").write_text(NOBODY)
    (tmp_path / "config").write_text(
        "module_name=nobody\nmodule_srcs=nobody.c\n"
        f"module_before={'tls_intercept' if without else 'limit'}\n"
    )
    w = weir_without("identify", *without, add=str(tmp_path))()
    (worker,) = w.children("worker")
    name = f"plain.test:{plain_origin.port}"
    for request in f"GET http://{name}/", f"CONNECT {name}":
        with w.client() as c:
            c.send(f"{request} HTTP/1.1\r\nHost: {name}\r\n\r\n")
            r = c.read_response()
            assert r.status == 500 and b"whose the request is" in r.body
            assert c.is_closed()
    w.wait_log(r"\[error\].*no module has said whose the request is")
    assert w.children("worker") == [worker] and plain_origin.conns == []


# host_match


@pytest.mark.parametrize("add", ["", EXAMPLE])
def test_nobody_judges_requests(weir_without, origin, add):
    """What is allowed does not leave, since nobody has said so."""
    w = weir_without("host_match", add=add)(cls="allowed_hosts origin.test;")
    name = f"origin.test:{origin.port}"
    for request in (f"CONNECT {name}", f"GET http://{name}/"):
        with w.client() as c:
            c.send(f"{request} HTTP/1.1\r\nHost: {name}\r\n\r\n")
            assert c.is_closed()
    w.wait_log("no module has judged the request")
    assert origin.conns == []


# tls_intercept


def test_tls_is_passed_through(weir_without, origin, pki):
    """As long as it is for the name that was judged; a module from elsewhere
    is asked of the tunnel."""
    w = weir_without("tls_intercept", add=EXAMPLE)()
    name = f"origin.test:{origin.port}"
    with w.client() as c:
        assert c.connect(name).status == 200
        c.tls("origin.test", pki.ca)
        assert c.get("/", name).status == 200
    assert w.access_log()[-1]["method"] == "CONNECT"
    w.wait_log('example: a tunnel to "origin.test"')
    n = len(origin.conns)
    with w.client() as c:
        assert c.connect(name).status == 200
        c.send(client_hello("other.test"))
        assert c.alert() == UNRECOGNIZED_NAME
    with w.client() as c:
        assert c.connect("gone.example:443").status == 403
    assert len(origin.conns) == n


RULES = [
    "bearer $secret_t;", "location /a { return 403; }", "methods GET;",
    "return 204;", "location /b { bearer $secret_t; }",
    "proxy_pass https://origin.test:{port};", "deny all; location /c { }",
]  # fmt: skip


@pytest.mark.parametrize("rule", RULES)
def test_what_needs_requests_is_not_passed(weir_without, origin, rule):
    """No secret, no rule is left out of what leaves; -E says so, too."""
    rule = rule.replace("{port}", str(origin.port))
    w = weir_without("tls_intercept")(
        egress="secret t env:T hosts=origin.test;\n"
        f"host origin.test {{ classes any; {rule} }}",
        env={"T": "s3cret"},
    )
    name = f"origin.test:{origin.port}"
    with w.client() as c:
        status = c.connect(name).status
        if status == 200:
            c.send(client_hello("origin.test"))
            assert c.alert() == ACCESS_DENIED
            w.wait_log("TLS is not opened here")
        else:
            assert status == 403 and "deny" in rule
    assert origin.conns == []
    done = w.run("-E", "box", "GET", f"https://{name}/")
    assert "forwarded" not in done.stdout and done.returncode == 1


def test_http_in_a_tunnel_is_served(weir_without, plain_origin):
    """By its rules: nothing must be opened for that."""
    w = weir_without("tls_intercept")(
        egress="host plain.test { location /no { return 404; } }"
    )
    name = f"plain.test:{plain_origin.port}"
    with w.client() as c:
        assert c.connect(name).status == 200
        assert c.get("/no", name).status == 404
        assert c.get("/yes", name).status == 200
    assert [r.target for r in plain_origin.requests] == ["/yes"]


SECRET = "s3cret-0123456789-value"
TEXT = f"x {SECRET} y"
MASKED = TEXT.replace(SECRET, "*" * len(SECRET)).encode()
PACKED = gzip.compress(TEXT.encode())


@pytest.fixture
def coded_origin(origin):
    fields = [("Content-Type", "text/plain")]
    origin.on("/plain", reply(TEXT, headers=fields))
    fields.append(("Content-Encoding", "gzip"))
    origin.on("/packed", reply(PACKED, headers=fields))
    return origin


def fetch_both(weir, origin, redact, sent):
    """The answers for a body as it is, and for a compressed one; the log."""
    w = weir(
        egress="secret token env:TOKEN; host origin.test "
        f"{{ bearer $secret_token; redact {redact}; }}",
        env={"TOKEN": SECRET},
    )
    name = f"origin.test:{origin.port}"
    with w.tunnel("origin.test", origin.port) as c:
        both = [
            c.request("GET", path, name, [("Accept-Encoding", sent)])
            for path in ("/plain", "/packed")
        ]
    w.stop()
    return *both, w.error_log()


def asked_for(origin):
    return [r.get("accept-encoding") for r in origin.requests]


def test_no_coding_is_read(weir_without, coded_origin):
    """A body that must be seen is asked for as it is; one that comes
    compressed all the same does not arrive."""
    weir = weir_without("gzip_stream")
    plain, packed, log = fetch_both(weir, coded_origin, "on", "gzip, deflate")
    assert asked_for(coded_origin) == ["identity", "identity"]
    assert (plain.status, plain.body) == (200, MASKED)
    assert packed.status == 502
    assert packed.get("proxy-status").startswith(
        "weir; error=http_response_content_coding; details="
    )
    assert PACKED not in packed.body and SECRET.encode() not in packed.body
    assert "content coding that cannot be read" in log


def test_a_coding_that_is_not_read_passes_as_it_comes(
    weir_without, coded_origin
):
    """Where bodies are looked through as far as they can be: and the log says
    that this one could not be."""
    weir = weir_without("gzip_stream")
    plain, packed, log = fetch_both(weir, coded_origin, "text", "x-gzip;q=0.5")
    assert asked_for(coded_origin) == ["identity", "identity"]
    assert (plain.status, plain.body) == (200, MASKED)
    assert (packed.status, packed.body) == (200, PACKED)
    assert "is looked through as it comes" in log


def test_it_is_the_module_that_reads_them(weir, coded_origin):
    """The same in the whole build."""
    plain, packed, _ = fetch_both(weir, coded_origin, "on", "gzip, deflate")
    assert asked_for(coded_origin) == ["gzip, deflate", "gzip, deflate"]
    assert (plain.status, packed.status) == (200, 200)
    assert gzip.decompress(packed.body) == MASKED
