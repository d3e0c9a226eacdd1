"""curl authenticates by NTLM to an origin that knows its clients by their
connections: through a tunnel that weir opens, and over plain HTTP."""

import subprocess

import pytest

from lib.clients import need, run
from lib.ntlm import Ntlm

CURL = ["curl", "-sS", "--ntlm"]


def url(origin, path):
    scheme = "https" if origin.is_tls else "http"
    return f"{scheme}://{origin.names[0]}:{origin.port}{path}"


@pytest.fixture(params=[True, False], ids=["https", "http"])
def guarded(request, origins):
    need("curl")
    version = subprocess.run(
        ["curl", "--version"], capture_output=True, text=True, check=True
    )
    if "NTLM" not in version.stdout.split():
        pytest.skip("this curl has no NTLM")
    origin = origins("o.test", tls=request.param)
    origin.default = Ntlm()
    return origin


def test_curl_keeps_its_connection(weir, guarded):
    """The handshake is once; what follows it is asked without credentials."""
    urls = [url(guarded, f"/{i}") for i in range(3)]
    assert run(weir(), *CURL, "-u", "alice:x", *urls) == "hello alice" * 3
    [conn] = guarded.conns
    given = [r.get("Authorization") is not None for r in conn.requests]
    assert given == [True, True, False, False]


def test_curl_chooses_it(weir, guarded):
    """From a challenge of two schemes in one line."""
    both = [("WWW-Authenticate", 'Basic realm="a", NTLM')]
    guarded.default = Ntlm(both)
    out = run(weir(), "curl", "-sS", "--anyauth", "-u", "alice:x",
              url(guarded, "/"))  # fmt: skip
    assert out == "hello alice"
    assert len(guarded.conns) == 1


def test_curl_in_parallel(weir, guarded):
    """Each transfer as another user, over connections of its own."""
    options = []
    for i in range(6):
        options += ["--next"] if i else []
        options += ["-sS", "--ntlm", "-u", f"user{i}:x", url(guarded, f"/{i}")]
    out = run(weir(), "curl", "-Z", "--parallel-immediate", *options)
    assert sorted(out.split("hello ")[1:]) == [f"user{i}" for i in range(6)]
    for conn in guarded.conns:
        assert len({r.target for r in conn.requests}) == 1
