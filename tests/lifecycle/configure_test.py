"""configure, and what it makes: options, modules, what is missing, install."""

import os
import re
import stat
import subprocess

import pytest

from lib.http import Truncated, reply
from lib.weir import BINARY, ROOT

OBJS = os.path.dirname(BINARY)


def configure(objs, *options, **env):
    return subprocess.run(
        ["./configure", f"--builddir={objs}", *options],
        cwd=ROOT,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
    )


def modules_in(objs):
    """In their order."""
    text = (objs / "modules.c").read_text()
    return re.findall(r"^    &(\w+)_module,$", text, re.M)


def test_help():
    done = subprocess.run(
        ["./configure", "--help"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0
    with open(os.path.join(ROOT, "auto", "options")) as f:
        taken = re.findall(r"^        (--[a-z-]+)", f.read(), re.M)
    assert len(taken) > 8
    for option in taken:
        assert option in done.stdout, option
    for name in os.listdir(os.path.join(ROOT, "modules")):
        assert name.removesuffix(".c") in done.stdout


@pytest.mark.parametrize("option, what", [
    ("--frobnicate", 'invalid option "--frobnicate"'),
    ("--without-none_module", 'no module "none" to leave out'),
    ("--prefix=relative", "--prefix takes an absolute path"),
    ("--prefix=/a b", "blanks in paths are not taken"),
    ("--with-cc-opt='", "quotes and backslashes are not taken"),
    ("--add-module=nowhere", "no {root}/nowhere/config"),
    ("--with-cc=no-such-cc", 'no C compiler "no-such-cc" (Debian package: gcc'),
])  # fmt: skip
def test_refused(tmp_path, option, what):
    done = configure(tmp_path / "objs", option)
    assert done.returncode == 1
    assert what.format(root=ROOT) in done.stderr


def test_module_that_is_left_out(tmp_path):
    done = configure(tmp_path, "--without-access_log_module")
    assert done.returncode == 0, done.stderr
    found = modules_in(tmp_path)
    assert "access_log" not in (tmp_path / "modules.c").read_text()
    assert "modules/access_log" not in (tmp_path / "Makefile").read_text()
    assert "identify" in found and "credential" in found
    assert "--without-access_log_module" in (tmp_path / "config.h").read_text()


@pytest.mark.parametrize("header, package", [
    ("openssl/ssl.h", "libssl-dev"), ("ev.h", "libev-dev"),
    ("pcre2.h", "libpcre2-dev"), ("ares.h", "libc-ares-dev"),
    ("zlib.h", "zlib1g-dev"),
])  # fmt: skip
def test_missing_library_names_its_package(tmp_path, header, package):
    """By a compiler that does not find the header."""
    cc = tmp_path / "cc"
    cc.write_text(f"""#!/bin/sh
for file; do
    case "$file" in
        *.c) grep -q '<{header}>' "$file" && exit 1 ;;
    esac
done
exec cc "$@"
""")
    cc.chmod(0o755)
    done = configure(tmp_path / "objs", f"--with-cc={cc}")
    assert done.returncode == 1
    assert f"apt-get install {package}\n" in done.stderr
    assert "not found" in done.stdout
    assert header in (tmp_path / "objs" / "autoconf.err").read_text()


# A module of somebody's

TINY = r"""
#include "module.h"

extern const unsigned tiny_module_index;

struct tiny {
    bool shouts;
};

static const struct cmd cmds[] = {
    CMD_FLAG("tiny_shout", CONF_WHERE, struct tiny, shouts),
    { 0 },
};

static bool
wants(const struct tx *tx)
{
    const struct tiny *t = module_where(tx, tiny_module_index);
    return t->shouts;
}

/* Turns the case; cannot bear a '!'. */
static enum flow
run(void *state, struct bufq *in, struct bufq *out, enum need need)
{
    char ch;
    (void)state;
    while (!bufq_is_full(out) && bufq_copy(in, &ch, 1) == 1) {
        if (ch == '!') {
            return F_ERROR;
        }
        bufq_consume(in, 1);
        ch = ch >= 'a' && ch <= 'z' ? (char)(ch - 32) : ch;
        bufq_append(out, str_n(&ch, 1));
    }
    return !bufq_is_empty(in) ? F_FULL : need == END ? F_DONE : F_NEED;
}

static const char *
why(const void *state)
{
    (void)state;
    return "it will not shout that";
}

static const struct filter shout = { .name = "shout",
    .flags = FILTER_KEEPS_LENGTH,
    .want = wants,
    .run = run,
    .why = why };

const struct module tiny_module = {
    .conf = { .name = "tiny", .cmds = cmds, .size = sizeof(struct tiny) },
    .request_body = &shout,
    .response_body = &shout,
};
"""


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A weir with that module: what is new is compiled by configure's rules,
    the rest comes from the build under test."""
    path = tmp_path_factory.mktemp("tiny")
    (path / "mod").mkdir()
    (path / "mod" / "tiny.c").write_text(TINY)
    (path / "mod" / "config").write_text(
        "module_name=tiny\nmodule_srcs=tiny.c\nmodule_before=access_log\n"
    )
    objs = path / "objs"
    done = configure(objs, f"--add-module={path}/mod", "--with-werror")
    assert done.returncode == 0, done.stderr
    assert f"adding module tiny from {path}/mod" in done.stdout
    found = modules_in(objs)
    assert found.index("tiny") + 1 == found.index("access_log")
    new = [f"{objs}/modules.o", f"{objs}/addon{path}/mod/tiny.o"]
    subprocess.run(["make", "-s", "-f", f"{objs}/Makefile", *new], check=True)
    with open(os.path.join(OBJS, "flags")) as f:
        cc, cflags, ldflags, libs = [line.split() for line in f]
    own = [f"{OBJS}/core/weir.o", f"{OBJS}/libweir.a"]
    command = [*cc, *cflags, *ldflags, "-o", f"{objs}/weir", *new, *own, *libs]
    subprocess.run(command, check=True)
    return str(objs / "weir")


@pytest.fixture
def weir_with_tiny(weir, tiny, monkeypatch):
    monkeypatch.setattr("lib.weir.BINARY", tiny)
    return weir


def test_added_module_takes_its_directive(weir_with_tiny, plain_origin):
    block = "host plain.test { location / { tiny_shout on; } }"
    w = weir_with_tiny(egress=block)
    host = f"plain.test:{plain_origin.port}"
    with w.client() as c:
        r = c.request("PUT", f"http://{host}/", host, body=b"the body")
        assert r.body == b"HELLO FROM THE ORIGIN\n"
    assert plain_origin.requests[0].body == b"THE BODY"
    w = weir_with_tiny(egress="tiny_shout loudly;", start=False)
    assert "loudly" in w.run("-t").stderr


def test_filter_that_gives_up_on_a_response(weir_with_tiny, plain_origin):
    """The client is not left waiting, and does not take it for whole."""
    host = f"plain.test:{plain_origin.port}"
    w = weir_with_tiny(egress="tiny_shout on;")
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


def test_filter_that_gives_up_on_a_request(weir_with_tiny, plain_origin):
    host = f"plain.test:{plain_origin.port}"
    w = weir_with_tiny(egress="tiny_shout on;")
    with w.client() as c:
        r = c.request("PUT", f"http://{host}/", host, body=b"abc!def")
        assert r.status == 502
        assert "proxy_internal_error" in r.get("Proxy-Status")
    w.wait_log("shout gave up on the request's body: it will not shout that")
    assert plain_origin.requests == []


# make install


def install(destination):
    subprocess.run(
        ["make", "-s", "-f", f"{OBJS}/Makefile", "install",
         f"DESTDIR={destination}"],
        check=True, cwd=ROOT, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    with open(os.path.join(OBJS, "config.h")) as f:
        prefix = re.search(r'WEIR_PREFIX "/(.*)"', f.read())[1]
    return destination / prefix


def test_install(tmp_path, weir):
    prefix = install(tmp_path)
    program = prefix / "sbin" / "weir"
    assert stat.S_IMODE(program.stat().st_mode) & 0o111
    assert (prefix / "logs").is_dir()
    brought = {p.name for p in (prefix / "conf").iterdir()}
    for name in os.listdir(os.path.join(ROOT, "conf")):
        assert f"{name}.default" in brought
    assert "weir.conf" in brought
    for name in os.listdir(os.path.join(ROOT, "html")):
        assert (prefix / "html" / name).is_file()
    done = subprocess.run(
        [program, "-p", prefix, "-t"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    # What is there stays; the program before is kept beside it.
    (prefix / "conf" / "weir.conf").write_text("mine")
    install(tmp_path)
    assert (prefix / "conf" / "weir.conf").read_text() == "mine"
    assert (prefix / "conf" / "weir.conf.default").read_text() != "mine"
    assert (prefix / "sbin" / "weir.old").is_file()
