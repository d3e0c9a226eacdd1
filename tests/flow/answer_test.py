"""What weir answers when it says no (SPEC 10): the reason where people look,
what to do about it, and no byte of a sandbox's that could be read as more."""

import html
import json

import pytest

BLOCKED = "is blocked by egress policy"
JSON = [("Accept", "application/json")]
LONGEST = ".".join(["x" * 61] * 4) + ".abcd"  # 252 bytes


def host(origin):
    return f"{origin.names[0]}:{origin.port}"


def inside(w, origin, headers=()):
    with w.tunnel(origin.names[0], origin.port) as c:
        return c.get("/", host(origin), headers)


@pytest.mark.parametrize(
    "target, reason",
    [
        ("gist.github.com:443", f"gist.github.com {BLOCKED}"),
        ("GIST.github.com.:443", f"gist.github.com {BLOCKED}"),
        ("[2001:DB8::]:443", f"2001:db8:: {BLOCKED}"),
        ("a.test:22", f"port 22 of a.test {BLOCKED}"),
        (f"{LONGEST}:443", f"{LONGEST} {BLOCKED}"),
        ("a%0d%0aX:443", "host"),
    ],
)
def test_status_line_of_a_refused_connect(weir, target, reason):
    w = weir(cls="allowed_hosts a.test;")
    with w.client() as c:
        r = c.connect(target)
    assert r.status == (400 if "%" in target else 403)
    assert reason in r.reason and len(r.reason) <= 320
    assert "%" in target or r.reason == reason
    assert r.body.startswith(r.reason.encode())
    status = r.get("Proxy-Status")
    assert status.startswith("weir; error=http_request_")
    assert f'details="{r.reason}' in status
    assert r.get("Server") == "weir" and r.get("Retry-After") is None


TYPES = {
    "text/plain": "text/plain; charset=utf-8",
    "application/json": "application/problem+json",
    "text/html": "text/html; charset=utf-8",
}


@pytest.mark.parametrize("accept", TYPES)
@pytest.mark.parametrize("code", [403, 404, 451, 503, 599])
def test_return_without_a_text(weir, plain_origin, accept, code):
    """As any other refusal; where there is a text, that is all."""
    page = "{{error}}|{{detail}}|{{message}}|{{advice}}"
    w = weir(
        egress=f"""host plain.test {{
            return {code} text;
        }}
        host other.test {{ location /no/ {{ return {code}; }} }}
        resolve other.test 127.0.0.1;""",
        files={"html/error.html": page},
    )
    with w.client() as c:
        r = c.get(
            f"http://other.test:{plain_origin.port}/no/x",
            f"other.test:{plain_origin.port}", [("Accept", accept)],
        )  # fmt: skip
        own = c.get(f"http://{host(plain_origin)}/", host(plain_origin))
    assert (own.status, own.body) == (code, b"text")
    assert own.get("Server") == "weir"
    assert r.status == code and r.get("Content-Type") == TYPES[accept]
    assert r.get("Server") == "weir"
    assert 'location \\"/no/\\" returns' in r.get("Proxy-Status")
    is_for_now = code >= 500
    verb = "is answered by" if is_for_now else "is blocked by"
    assert r.reason == f"other.test {verb} egress policy"
    text = html.unescape(r.body.decode())
    if accept == "application/json":
        problem = json.loads(text)
        assert problem["rule"] == "location"
        assert problem["error"] == r.reason
        assert problem["retryable"] is is_for_now
        text = problem["detail"]
    assert text.startswith(r.reason)
    assert ("retrying will not help" in text) is not is_for_now
    (cause,) = {e["cause"] for e in w.access_log(2)} - {"-"}
    assert cause.startswith(f"{r.reason}: location")
    assert plain_origin.conns == []


def test_untrusted_certificate(weir, origins, rogue_pki):
    """Trying again would not help, and the answer says what would."""
    origin = origins("origin.test", pki=rogue_pki)
    w = weir()
    for headers in (JSON, []):
        r = inside(w, origin, headers)
        assert r.status == 502 and r.get("Retry-After") is None
        assert "tls_certificate_error" in r.get("Proxy-Status")
        assert r.reason == "the origin's certificate is not trusted"
        assert b"proxy_ssl_trusted_certificate" in r.body
        assert b"Do not retry" in r.body and b"again" not in r.body
        if headers:
            assert json.loads(r.body)["retryable"] is False


def test_missing_credential(weir, origin):
    """Nor here; which it is stands in the log alone."""
    w = weir(
        egress="secret hush dir:{{dir}}/none hosts=origin.test per_sandbox;"
        "host origin.test { bearer $secret_hush; }"
    )
    r = inside(w, origin, JSON)
    assert r.status == 502 and json.loads(r.body)["retryable"] is False
    assert b"Do not retry" in r.body and b"hush" not in r.body
    assert "hush" not in r.raw_head.decode()
    w.wait_log('secret "hush" is missing')


@pytest.mark.parametrize("name", ["gone.test", "origin.test"])
def test_what_may_be_tried_again(weir, dns, origin, name):
    """A name that cannot be resolved; an origin that does not listen."""
    origin.close()
    w = weir(
        egress=f"resolver 127.0.0.1:{dns.port};", cls=f"allowed_hosts {name};"
    )
    with w.tunnel(name, origin.port) as c:
        r = c.get("/", f"{name}:{origin.port}", JSON)
    problem = json.loads(r.body)
    assert r.status == 502 and problem["retryable"] is True
    assert problem["error"] == problem["detail"] == r.reason
    assert "may be tried again" in problem["advice"]


RULES = """
sandbox_class test {
    allowed_hosts a.test in.test m.test p.test x.test s.test;
    denied_hosts denied.test;
    host in.test { location /no { deny all; } deny m.test; }
    host m.test { methods PUT; }
    host p.test { ports 81; }
    host x.test { deny x.test; }
}
sandbox box { class test; address 127.0.0.1; }
resolve a.test 10.0.0.1;
secret t env:T hosts=s.test;
host s.test { bearer $secret_t; ports 80; }
"""


@pytest.mark.parametrize(
    "url, rule, words",
    [
        ("denied.test/", "denied_hosts", 'denied_hosts has "denied.test"'),
        ("b.test/", "allowed_hosts", "it is not in allowed_hosts"),
        ("x.test/", "host", 'host "x.test" denies "x.test"'),
        ("in.test/no", "location", 'location "/no" denies "all"'),
        ("m.test/", "methods", 'host "m.test" of m.test takes only PUT'),
        ("p.test/", "ports", "it is not in ports"),
        ("a.test/", "allow_address", "its address is not allowed"),
        ("s.test/", "secret", "it is sent over TLS only"),
    ],
)
def test_proxy_status_names_the_rule(weir, url, rule, words):
    """In the words of the body, as a string of RFC 8941."""
    token = "t0ken-0123456789"
    w = weir(egress=RULES, env={"T": token})
    with w.client() as c:
        r = c.get(f"http://{url}", url.split("/")[0], JSON)
    problem = json.loads(r.body)
    assert problem["rule"] == rule and words in problem["detail"]
    quoted = problem["detail"].replace('"', '\\"')
    error = r.get("Proxy-Status").partition('; details="')
    assert error[2] == quoted + '"'
    assert error[0].startswith("weir; error=")
    assert token not in r.raw_head.decode() + r.body.decode()


def test_a_long_sentence_is_cut(weir):
    path = "/" + "x" * 3000
    w = weir(egress=f"host a.test {{ location {path} {{ deny all; }} }}")
    with w.client() as c:
        r = c.get(f"http://a.test{path}", "a.test", JSON)
    assert r.status == 403 and r.reason == f"a.test {BLOCKED}"
    detail = json.loads(r.body)["detail"]
    assert len(detail) == 1024 and detail.startswith(r.reason)
    assert r.get("Proxy-Status").endswith('xxx"')
