"""A weir without one of its modules: what must still hold."""

import os
import subprocess

import pytest

from lib.weir import BINARY, ROOT

OBJS = os.path.dirname(BINARY)


def build(path, *options):
    """The list of modules is compiled, the rest is the build under test."""
    subprocess.run(
        ["./configure", f"--builddir={path}", "--with-werror", *options],
        cwd=ROOT, check=True, capture_output=True,
    )  # fmt: skip
    new = f"{path}/modules.o"
    subprocess.run(["make", "-s", "-f", f"{path}/Makefile", new], check=True)
    with open(os.path.join(OBJS, "flags")) as f:
        cc, cflags, _, ldflags, libs = [line.split() for line in f]
    own = [f"{OBJS}/core/weir.o", f"{OBJS}/libweir.a"]
    command = [*cc, *cflags, *ldflags, "-o", f"{path}/weir", new, *own, *libs]
    subprocess.run(command, check=True)
    return f"{path}/weir"


@pytest.mark.parametrize("is_open", [False, True])
def test_nobody_judges_requests(weir, origin, tmp_path, monkeypatch, is_open):
    """What is allowed, too: nobody has said so."""
    program = build(tmp_path, "--without-policy_module")
    monkeypatch.setattr("lib.weir.BINARY", program)
    intercept = "on" if is_open else "off"
    w = weir(egress=f"host origin.test {{ intercept {intercept}; }}",
             cls="allowed_hosts origin.test;")  # fmt: skip
    name = f"origin.test:{origin.port}"
    with w.tunnel("origin.test", origin.port) as c:
        c.send(f"GET / HTTP/1.1\r\nHost: {name}\r\n\r\n")
        assert c.is_closed()
    with w.client() as c:
        c.send(f"GET http://{name}/ HTTP/1.1\r\nHost: {name}\r\n\r\n")
        assert c.is_closed()
    w.wait_log("no module has judged the request")
    assert origin.conns == []
