"""deny_message: the operator's own sentence in what policy refuses, and
nowhere else."""

import html
import json

import pytest

from lib.http import reply

ASK = "Ask <#net> & say \"why\"."
SAYS = "deny_message 'Ask <#net> & say \"why\".';"


def ask(w, url, headers=()):
    name = url.split("/")[2]
    with w.client() as c:
        return c.get(url, name, headers)


def problem(w, url):
    r = ask(w, url, [("Accept", "application/json")])
    return json.loads(r.body)


def test_in_each_type_and_not_in_the_head(weir):
    w = weir(
        egress=SAYS,
        files={"html/403.html": "<p title='{{message}}'>{{message}}</p>"},
    )
    url = "http://elsewhere.example/"
    text = ask(w, url)
    lines = text.body.decode().splitlines()
    assert lines[0].startswith("elsewhere.example is blocked by egress policy")
    assert lines[1] == ASK
    said = problem(w, url)
    assert said["message"] == ASK and ASK not in said["detail"]
    page = ask(w, url, [("Accept", "text/html")])
    escaped = html.escape(ASK)
    assert page.body.decode() == f"<p title='{escaped}'>{escaped}</p>"
    for r in (text, page):
        assert "Ask" not in r.raw_head.decode()
    with w.client() as c:
        r = c.connect("elsewhere.example:443")
    assert ASK in r.body.decode() and "Ask" not in r.raw_head.decode()


NESTED = """
deny_message egress;
sandbox_class a {
    allowed_hosts *.test;
    denied_hosts denied.test;
    deny_message class;
    outbound h;
    host in.test { location /own { deny all; deny_message own; } deny all; }
    handler h { deny_message handler; deny all; }
}
sandbox_class b { allowed_hosts *.test; denied_hosts denied.test; }
sandbox one { class a; address 127.0.0.1; deny_message sandbox; }
sandbox two { class a; address 127.0.0.2; }
sandbox three { class b; address 127.0.0.3; }
host block.test {
    deny_message block;
    deny all;
    location /own { deny_message location; deny all; }
    location /none { deny_message ''; deny all; }
    location /return { return 403; }
    location /text { return 403 text; }
}
host bare.test { deny all; }
"""


@pytest.mark.parametrize(
    "address, url, message",
    [
        ("127.0.0.1", "denied.test/", "sandbox"),
        ("127.0.0.2", "denied.test/", "class"),
        ("127.0.0.3", "denied.test/", "egress"),
        ("127.0.0.1", "in.test/", "sandbox"),
        ("127.0.0.2", "in.test/", "class"),
        ("127.0.0.2", "in.test/own", "own"),
        ("127.0.0.1", "x.test/", "handler"),
        ("127.0.0.1", "bare.test/", "sandbox"),
        ("127.0.0.3", "bare.test/", "egress"),
        ("127.0.0.1", "block.test/", "block"),
        ("127.0.0.1", "block.test/own", "location"),
        ("127.0.0.1", "block.test/none", None),
        ("127.0.0.1", "block.test/return", "block"),
    ],
)
def test_the_nearest_holds(weir, address, url, message):
    w = weir(egress=NESTED)
    with w.client(source=address) as c:
        accept = [("Accept", "application/json")]
        r = c.get(f"http://{url}", url.split("/")[0], accept)
    assert r.status == 403
    assert json.loads(r.body).get("message") == message


def test_the_block_of_a_refused_connect(weir):
    w = weir(egress=NESTED + "host shut.test { deny all; deny_message it; }")
    for name, want in (("shut", b"\nit\n"), ("bare", b"\nsandbox\n")):
        with w.client() as c:
            r = c.connect(f"{name}.test:443")
        assert r.status == 403 and want in r.body


VARIABLES = (
    "deny_message '$sandbox_id of $sandbox_class: $request_method "
    "$scheme://$host:$port$uri?$args, rule $rule';"
)


def test_variables(weir):
    """What a sandbox says of itself is text, and is cut."""
    w = weir(egress=VARIABLES, files={"html/403.html": "{{message}}"})
    url = "http://no.example/p?<script>&'"
    assert problem(w, url)["message"] == (
        "box of test: GET http://no.example:80/p?<script>&', rule 3"
    )
    page = ask(w, url, [("Accept", "text/html")]).body
    assert b"/p?&lt;script&gt;&amp;&#39;, rule" in page
    message = problem(w, "http://no.example/?" + "x" * 9000)["message"]
    assert len(message) == 512 and message.endswith("xx")


def test_of_what_an_address_or_a_plain_port_stops(weir, canary, plain_origin):
    """Behind everything, where a credential is in the request already."""
    w = weir(
        egress=f"""
        {SAYS}
        secret t env:T hosts=plain.test;
        ports {canary.port} {plain_origin.port};
        allow_address 203.0.113.7/32; resolve a.test 10.0.0.1;
        host plain.test {{ bearer $secret_t; }}
        """,
        env={"T": "t0ken-0123456789"},
    )
    assert problem(w, f"http://a.test:{canary.port}/")["message"] == ASK
    said = problem(w, f"http://plain.test:{plain_origin.port}/")
    assert (said["rule"], said["message"]) == ("secret", ASK)
    assert plain_origin.conns == []


def test_not_where_policy_does_not_refuse(weir, plain_origin, origins):
    """Limits, failures, malformed requests, the operator's own texts."""
    plain_origin.on("/ok", lambda conn, request: reply("ok"))
    gone = origins("gone.test", tls=False)
    gone.close()
    w = weir(egress=SAYS + "host text.test { return 403 text; }"
             "host big.test { client_max_body_size 1; }",
             cls="allowed_hosts *.test; rate 1r/s burst=4;")  # fmt: skip
    plain = f"http://plain.test:{plain_origin.port}"
    bodies = [
        ask(w, f"http://gone.test:{gone.port}/"),
        ask(w, "http://text.test/"),
        ask(w, f"{plain}/ok"),
    ]
    bodies += [ask(w, f"{plain}/ok") for _ in range(5)]
    with w.client() as c:
        bodies.append(c.get("/", "plain.test"))
    statuses = {r.status for r in bodies}
    assert {200, 400, 403, 502, 503} <= statuses
    for r in bodies:
        assert b"Ask" not in r.body, r


@pytest.mark.parametrize(
    "text, why",
    [
        ("$secret_t", "a secret may not stand in"),
        ("'see $http_authorization'", '"$http_authorization" may not stand'),
        ("$cause", '"$cause" may not stand in "deny_message"'),
        ("$upstream_addr", '"$upstream_addr" may not stand'),
        ("$status", '"$status" may not stand'),
        ("$nothing", 'unknown "nothing" variable'),
        ('"two\\nlines"', "must be one line of 512 bytes at most"),
        ('"\x7f"', "must be one line"),
        ('"\x9b"', "must be one line"),
        ("x" * 513, "must be one line"),
        ("a b", "invalid number of arguments"),
    ],
)
def test_what_it_may_not_be(weir, text, why):
    w = weir(
        egress="secret t env:T hosts=a.test;\n"
        f"host a.test {{ deny all; deny_message {text}; }}",
        env={"T": "t0ken-0123456789"}, start=False,
    )  # fmt: skip
    done = w.run("-t")
    assert done.returncode == 1 and why in done.stderr, done.stderr
