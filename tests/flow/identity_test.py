"""Which sandbox a connection belongs to, and what happens if none."""

import json

import pytest

from lib.client import basic

TOKEN = "box-token-0123456789"
FILES = {"token": TOKEN, "other": "other-token-0123456789"}
SANDBOXES = """
sandbox_class test { allowed_hosts *.test; }
sandbox box { class test; token file:{{dir}}/token; }
sandbox other { class test; token file:{{dir}}/other; }
"""


def url(origin):
    return f"http://plain.test:{origin.port}/"


def test_no_credential_is_asked_for_one(weir, origin):
    w = weir(egress=SANDBOXES, files=FILES)
    host = f"origin.test:{origin.port}"
    with w.client() as c:
        r = c.connect(host)
        assert r.status == 407
        assert r.get("Proxy-Authenticate").lower().startswith("basic")
        # The same connection takes the second try; git needs that.
        auth = [("Proxy-Authorization", basic("box", TOKEN))]
        assert c.connect(host, auth).status == 200
        c.tls("origin.test", w.ca("box"))
        assert c.get("/", host).status == 200
    assert "Proxy-Authorization" not in str(origin.requests[0].headers)


@pytest.mark.parametrize(
    "value",
    [
        basic("box", "wrong"),
        basic("box", ""),
        basic("box", TOKEN + "x"),
        basic("nobody", TOKEN),
        basic("other", TOKEN),
        "Bearer wrong",
        "Basic !!!",
        "Basic",
        "Digest x",
    ],
)
def test_wrong_credentials(weir, plain_origin, value):
    w = weir(egress=SANDBOXES, files=FILES)
    host = f"plain.test:{plain_origin.port}"
    with w.client() as c:
        auth = [("Proxy-Authorization", value)]
        assert c.get(url(plain_origin), host, auth).status == 407
        assert c.connect(host, auth).status == 407
    assert plain_origin.conns == []
    assert TOKEN not in w.error_log()


def test_bearer_token(weir, plain_origin):
    w = weir(egress=SANDBOXES, files=FILES)
    host = f"plain.test:{plain_origin.port}"
    with w.client() as c:
        auth = [("Proxy-Authorization", f"Bearer {TOKEN}")]
        assert c.get(url(plain_origin), host, auth).status == 200
    assert w.access_log()[0]["sandbox"] == "box"
    assert TOKEN.encode() not in plain_origin.raw


def test_token_of_another_sandbox_ends_the_connection(weir, plain_origin):
    w = weir(
        egress=SANDBOXES.replace("token file:{{dir}}/other;",
            "token file:{{dir}}/other; address 127.0.0.1;"),
        files=FILES,
    )  # fmt: skip
    host = f"plain.test:{plain_origin.port}"
    with w.client() as c:
        auth = [("Proxy-Authorization", basic("box", TOKEN))]
        assert c.get(url(plain_origin), host, auth).status == 407
        assert c.is_closed()
    assert plain_origin.conns == []


def test_unknown_address_without_tokens_is_closed(weir, plain_origin):
    w = weir(sandbox="address 127.0.0.77;")
    with w.client() as c:
        c.send(
            f"GET {url(plain_origin)} HTTP/1.1\r\nHost: plain.test:"
            f"{plain_origin.port}\r\n\r\n"
        )
        assert c.is_closed()
    assert plain_origin.conns == []


def test_address_tells_sandboxes_apart(weir, plain_origin):
    w = weir(
        egress="""
        sandbox_class test { allowed_hosts *.test; }
        sandbox box { class test; address 127.0.0.1; }
        sandbox net { class test; address 127.0.1.0/24; }
        """
    )
    host = f"plain.test:{plain_origin.port}"
    for source, name in (("127.0.0.1", "box"), ("127.0.1.9", "net")):
        with w.client(source=source) as c:
            assert c.get(url(plain_origin), host).status == 200
    names = [e["sandbox"] for e in w.access_log(2)]
    assert names == ["box", "net"]


NEVER = "NEVER-KNOWN-0123456789"


def lines_of(w, text):
    return [k for k in w.error_log().splitlines() if text in k]


def test_first_request_without_a_token_is_no_warning(weir, origin):
    """git begins each connection like that, and is asked."""
    w = weir(egress=SANDBOXES, files=FILES)
    host = f"origin.test:{origin.port}"
    with w.client() as c:
        assert c.connect(host).status == 407
        auth = [("Proxy-Authorization", basic("box", TOKEN))]
        assert c.connect(host, auth).status == 200
    (line,) = lines_of(w, "this proxy needs a sandbox's credentials")
    assert "[info]" in line
    assert "[warn]" not in w.error_log()


@pytest.mark.parametrize(
    "value, why",
    [
        (basic("box", NEVER), "the proxy credentials are no sandbox's"),
        (basic(NEVER, "x"), "the proxy credentials are no sandbox's"),
        (f"Bearer {NEVER}", "the proxy credentials are no sandbox's"),
        (f"Basic {NEVER}!", "the proxy credentials cannot be read"),
        (NEVER, "the proxy credentials cannot be read"),
    ],
)
def test_wrong_token_is_told_from_none(weir, origin, value, why):
    w = weir(egress=SANDBOXES, files=FILES)
    host = f"origin.test:{origin.port}"
    with w.client() as c:
        r = c.connect(host, [("Proxy-Authorization", value)])
    assert r.status == 407 and why in r.body.decode()
    (line,) = lines_of(w, why)
    assert "[warn]" in line
    seen = w.error_log() + json.dumps(w.access_log(1)) + str(r.raw_head)
    assert NEVER not in seen + r.body.decode()
    assert value.split()[-1] not in seen
