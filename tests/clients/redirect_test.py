"""curl follows an origin that has a credential to one that has none, to one
with another, to plain HTTP: what each gets, byte for byte. curl is told to
trust them all and so sends its headers on; the secret is not among them."""

import pytest

from lib.clients import TOKEN, run
from lib.http import reply

OTHER = "other-0123456789-abcdef"
PLACEHOLDER = "WEIR-PLACEHOLDER-0"
SECRETS = f"""
secret token env:TOKEN placeholder={PLACEHOLDER};
secret other env:OTHER;
host c.test {{ bearer $secret_other; }}
"""
HOW = {
    "bearer": "bearer $secret_token; proxy_set_header X-Key $secret_token;"
    "proxy_set_query key $secret_token;",
    "substitute": "substitute token in header authorization x-key;"
    "substitute token in query key;",
}
CURL = ["curl", "-sS", "-L", "--location-trusted", "-w", "%{http_code}",
        "-A", "test", "-H", "Accept:", "-H", f"X-Key: {PLACEHOLDER}",
        "-H", f"Authorization: Bearer {PLACEHOLDER}"]  # fmt: skip


def url(origin, path, name=None):
    scheme = "https" if origin.is_tls else "http"
    return f"{scheme}://{name or origin.names[0]}:{origin.port}{path}"


def asked(origin, target, authorization):
    """The bytes of what curl asks for here, with that in one of its fields."""
    return (
        f"GET {target} HTTP/1.1\r\nHost: {origin.names[0]}:{origin.port}\r\n"
        "User-Agent: test\r\n"
        f"X-Key: {PLACEHOLDER}\r\nAuthorization: {authorization}\r\n\r\n"
    ).encode()


@pytest.fixture
def follow(weir, origins):
    """curl's output where a.test, which gets its credential by HOW[how],
    redirects to a location: follow(how, location)."""

    def make(how, location):
        a = origins.made[0]
        a.default = reply(status="302 Found", headers=[("Location", location)])
        w = weir(
            egress=SECRETS + f"host a.test {{ {HOW[how]} }}",
            env={"TOKEN": TOKEN, "OTHER": OTHER},
        )
        out = run(w, *CURL, url(a, f"/?key={PLACEHOLDER}"))
        [request] = a.requests
        assert request.target == f"/?key={TOKEN}"
        assert request.all("authorization") == [f"Bearer {TOKEN}"]
        assert request.all("x-key") == [TOKEN]
        return out

    origins("a.test")
    return make


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("tls", [True, False], ids=["https", "http"])
def test_to_a_host_without_one(follow, origins, how, tls):
    """It gets the placeholder, as anyone may."""
    b = origins("b.test", tls=tls)
    target = f"/there?key={PLACEHOLDER}"
    assert follow(how, url(b, target)) == "hello from the origin\n200"
    assert b.raw == asked(b, target, f"Bearer {PLACEHOLDER}")


@pytest.mark.parametrize("how", HOW)
def test_to_a_host_with_another(follow, origins, how):
    """It gets its own."""
    c = origins("c.test")
    target = f"/there?key={PLACEHOLDER}"
    assert follow(how, url(c, target)) == "hello from the origin\n200"
    assert c.raw == asked(c, target, f"Bearer {OTHER}")


@pytest.mark.parametrize("how", HOW)
def test_to_plain_http(follow, origins, how):
    """Of the host itself, on a port that is open: a 403, and no connection."""
    plain = origins("b.test", tls=False)
    out = follow(how, url(plain, "/", "a.test"))
    assert "sent over TLS only" in out and out.endswith("403")
    assert plain.conns == []


@pytest.mark.egress("redact on;")
@pytest.mark.parametrize("how", HOW)
def test_with_the_secret_in_it(follow, origins, how):
    """An origin that hands it on in the location hands on asterisks."""
    b = origins("b.test")
    assert follow(how, url(b, f"/?key={TOKEN}")).endswith("200")
    hidden = "*" * len(TOKEN)
    assert b.raw == asked(b, f"/?key={hidden}", f"Bearer {PLACEHOLDER}")
