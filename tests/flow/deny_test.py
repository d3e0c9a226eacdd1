"""What policy denies: the answer, and that nothing leaves before it."""

import html
import json

import pytest

from lib.client import client_hello

BLOCKED = "is blocked by egress policy"


def test_denied_connect(weir, canary, dns):
    w = weir(egress=f"resolver 127.0.0.1:{dns.port}; ports {canary.port};")
    with w.client() as c:
        r = c.connect(f"elsewhere.example:{canary.port}")
    assert r.status == 403
    assert r.get("Server") == "weir"
    assert r.get("Proxy-Status").startswith("weir; error=http_request_denied")
    assert r.reason == "elsewhere.example " + BLOCKED
    assert r.body.startswith(r.reason.encode() + b": ")
    assert dns.questions == []
    canary.assert_untouched()


def test_denied_plain_request_as_a_problem_document(weir):
    w = weir()
    with w.client() as c:
        r = c.get(
            "http://elsewhere.example/",
            "elsewhere.example",
            [("Accept", "application/json")],
        )
        assert r.status == 403
        assert r.get("Content-Type") == "application/problem+json"
        problem = json.loads(r.body)
        assert problem["status"] == 403
        assert problem["host"] == "elsewhere.example"
        assert problem["rule"]
        assert problem["error"] == "elsewhere.example " + BLOCKED
        assert problem["detail"].startswith(problem["error"] + ": ")
        assert problem["retryable"] is False
        assert list(problem)[0] == "error"
        # The connection is of use still.
        assert c.get("http://b.example/", "b.example").status == 403


SECRET = "s3cret-of-the-page-0123456789"
EVIL = "/<b>&'x/"
PAGE = "<title>{{status}}</title><p title='{{detail}}'>{{advice}}{{x}}\n"


@pytest.fixture
def refusing(weir, plain_origin):
    """A GET of a path, by what a client asks for; the rule's name holds all
    that has a meaning in HTML."""
    w = weir(
        egress=f"""
        secret t env:T hosts=plain.test;
        host plain.test {{
            bearer $secret_t;
            location "{EVIL}" {{ deny all; }}
        }}""",
        env={"T": SECRET},
        files={"html/403.html": PAGE},
    )
    host = f"plain.test:{plain_origin.port}"

    def get(path, accept):
        headers = [("Accept", accept), ("Cookie", SECRET)]
        with w.client() as c:
            r = c.get(f"http://{host}{path}", host, headers)
            assert c.get("http://b.example/", "b.example").status == 403
        assert r.status == 403 and plain_origin.conns == []
        assert SECRET.encode() not in r.raw_head + r.body
        return r

    return get


def test_denied_page_in_html(refusing):
    """What it says of the rule is text, and nothing there is the client's."""
    for accept in ("text/html,*/*;q=0.8", "TEXT/html;q=0.1, text/plain"):
        r = refusing(EVIL + "?<script>", accept)
        assert r.get("Content-Type") == "text/html; charset=utf-8"
        text = html.unescape(r.body.decode())
        assert text.startswith("<title>403</title><p title='plain.test ")
        assert text.endswith("decides what may leave.{{x}}\n")
        assert r.body.count(b"<") == 3 and r.body.count(b"'") == 2
        assert f'location "{EVIL}"' in text and "script" not in text
        assert b'location &quot;/&lt;b&gt;&amp;&#39;x/&quot;' in r.body


def test_denied_page_where_html_is_not_asked_for(refusing):
    for accept in ("*/*", "text/*", "text/plain, text/html", "image/png", ""):
        r = refusing(EVIL, accept)
        assert r.get("Content-Type") == "text/plain; charset=utf-8"
        assert r.body.startswith(b"plain.test is blocked by egress policy: ")
        assert r.body.endswith(b"\n(403 Forbidden, by weir)\n")
        assert EVIL.encode() in r.body
    for accept in ("application/json;q=1", "application/problem+json, text/html",
                   "application/vnd.github+JSON"):  # fmt: skip
        r = refusing(EVIL, accept)
        assert r.get("Content-Type") == "application/problem+json"
        problem = json.loads(r.body)
        assert (problem["status"], problem["host"]) == (403, "plain.test")
        assert EVIL in problem["detail"]


def test_page_of_a_secret_that_would_leave_unprotected(refusing):
    for accept in ("text/html", "application/json", "text/plain"):
        assert b"over TLS only" in refusing("/", accept).body


def test_denied_hosts_hold_over_allowed(weir, origin, plain_origin):
    w = weir(cls="allowed_hosts *; denied_hosts *.test;")
    with w.client() as c:
        r = c.connect(f"origin.test:{origin.port}")
        assert r.status == 403 and "denied_hosts" in str(r.headers)
    assert origin.conns == []


@pytest.mark.parametrize(
    "name, status",
    [
        ("a.allowed.test", 200),
        ("b.a.allowed.test", 200),
        ("allowed.test", 403),
        ("exact.test", 200),
        ("EXACT.test.", 200),
        ("not-exact.test", 403),
        ("tail.co.test", 200),
        ("my.tail.co.test", 403),
    ],
)
def test_patterns_of_lists(weir, origins, name, status):
    origin = origins(name.lower().rstrip("."), tls=False)
    w = weir(cls="allowed_hosts *.allowed.test exact.test tail.*;")
    host = f"{name}:{origin.port}"
    with w.client() as c:
        assert c.get(f"http://{host}/", host).status == status
    assert len(origin.conns) == (status == 200)


def test_sandbox_list_replaces_its_classs(weir, origins):
    a, b = origins("a.test", tls=False), origins("b.test", tls=False)
    w = weir(sandbox="allowed_hosts b.test;")
    with w.client() as c:
        host = f"a.test:{a.port}"
        assert c.get(f"http://{host}/", host).status == 403
        host = f"b.test:{b.port}"
        assert c.get(f"http://{host}/", host).status == 200
    assert a.conns == []


def test_internet_on_forwards_what_nothing_names(weir, plain_origin):
    w = weir(
        egress="sandbox_class test { internet on; }"
        "\nsandbox box { class test; address 127.0.0.1; }"
    )
    host = f"plain.test:{plain_origin.port}"
    with w.client() as c:
        assert c.get(f"http://{host}/", host).status == 200


def test_port_that_is_not_open(weir, plain_origin):
    w = weir(egress="ports 80 443;")
    host = f"plain.test:{plain_origin.port}"
    with w.client() as c:
        assert c.get(f"http://{host}/", host).status == 403
        assert c.connect(host).status == 403
    assert plain_origin.conns == []


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "127.0.0.9", "10.1.2.3", "169.254.169.254", "192.168.0.1",
     "100.64.0.1", "0.0.0.0", "224.0.0.1", "::1", "fe80::1",
     "::ffff:127.0.0.1", "64:ff9b::7f00:1", "fd00::1"],
)  # fmt: skip
def test_address_guard(weir, canary, canaries, address):
    """More of them, and with a listener at each, in guard_test.py."""
    for other in ("127.0.0.9", "::1"):
        canaries(other, canary.port)
    w = weir(
        egress=f"""
        allow_address 203.0.113.7/32;
        resolve canary.test {address};
        ports {canary.port};
        """
    )
    host = f"canary.test:{canary.port}"
    with w.client() as c:
        r = c.get(f"http://{host}/", host)
    assert r.status == 403, r
    canary.assert_untouched()


def test_deny_of_a_range_judges_what_a_name_is_resolved_to(
    weir, plain_origin, canaries
):
    """As denied_hosts does; the first rule that matches holds, and rules of a
    location replace those of its block."""
    for last in (2, 3):
        canaries(f"127.0.0.{last}", plain_origin.port)
    w = weir(
        egress="""
        allow_address 127.0.0.1/32 127.0.0.2/32 127.0.0.3/32;
        resolve one.test 127.0.0.1; resolve two.test 127.0.0.2;
        resolve three.test 127.0.0.3; resolve both.test 127.0.0.2 127.0.0.1;
        host one.test two.test three.test both.test {
            deny  127.0.0.2/31;
            allow all;
            location /open/ { allow 127.0.0.1/32; deny 127.0.0.0/8; }
            location /closed/ { deny 127.0.0.1; }
        }
        host named.test { allow named.test; deny 127.0.0.0/8; }
        resolve named.test 127.0.0.1;
        """
    )

    def status(name, path="/"):
        host = f"{name}.test:{plain_origin.port}"
        with w.client() as c:
            return c.get(f"http://{host}{path}", host).status

    for name in ("two", "three"):
        assert status(name) == 403
        assert status(name, "/open/") == 403
    w.wait_log("address 127.0.0.2 is not allowed: deny")
    for name in ("one", "both", "named"):
        assert status(name) == 200
    assert status("one", "/open/") == 200
    assert status("one", "/closed/") == 403
    assert {e["upstream_addr"] for e in w.access_log(9) if e["status"] == 200} == {
        f"127.0.0.1:{plain_origin.port}"
    }


def test_deny_of_a_range_in_a_blind_tunnel(weir, canary):
    """Where the connection is all that weir sees."""
    w = weir(
        egress=f"""
        allow_address 127.0.0.1/32; ports {canary.port};
        resolve a.test 127.0.0.1;
        host a.test {{ intercept off; deny 127.0.0.0/8; allow all; }}
        """
    )
    with w.client() as c:
        assert c.connect(f"a.test:{canary.port}").status == 200
        c.send(client_hello("a.test"))
        c.read_eof()
    w.wait_log("address 127.0.0.1 is not allowed: deny")
    canary.assert_untouched()


LITERALS = {  # and how a certificate for it names it
    "127.0.0.1": "127.0.0.1", "127.0.0.9": "127.0.0.9", "0.0.0.0": "0.0.0.0",
    "[::1]": "::1", "[::]": "::", "[0:0:0:0:0:0:0:1]": "::1",
    "[::ffff:127.0.0.9]": "127.0.0.9", "[::ffff:7f00:9]": "127.0.0.9",
    "[::ffff:0:0]": "0.0.0.0",
}  # fmt: skip


@pytest.mark.parametrize("how", ["plain", "intercepted"])
def test_literal_address_is_guarded_too(weir, canary, canaries, how):
    """One that allowed_hosts has, of a request or of a tunnel: 403, and the
    listeners behind the addresses get no connection."""
    for other in ("127.0.0.9", "::1"):
        canaries(other, canary.port)
    w = weir(
        egress=f"allow_address 127.0.0.7/32; ports {canary.port};",
        cls="allowed_hosts 0.0.0.0/0 ::/0;",
    )
    for literal, name in LITERALS.items():
        host = f"{literal}:{canary.port}"
        with w.client() as c:
            if how == "plain":
                assert c.get(f"http://{host}/", host).status == 403, literal
                continue
            assert c.connect(host).status == 200, literal
            c.tls(name, w.ca())
            assert c.get("/", host).status == 403, literal


def test_own_listener_is_never_dialled(weir):
    w = weir(
        egress="ports 80 443 {{port}}; resolve me.test 127.0.0.1;"
    )
    host = f"me.test:{w.port}"
    with w.client() as c:
        assert c.get(f"http://{host}/", host).status == 403


def test_return_in_a_host_block(weir, origin):
    w = weir(egress="host origin.test { return 451 \"not here\"; }")
    with w.tunnel("origin.test", origin.port) as c:
        r = c.get("/", f"origin.test:{origin.port}")
    assert (r.status, r.body) == (451, b"not here")
    assert origin.conns == []


def told(r, name):
    """All that a sandbox sees, but for the date and the name's own bytes."""
    assert int(r.get("Content-Length")) == len(r.body)
    fields = [
        (k, v) for k, v in r.headers if k not in ("Date", "Content-Length")
    ]
    return r.status, *[
        text.replace(name, "N")
        for text in (r.reason, str(fields), r.body.decode())
    ]


@pytest.mark.parametrize("how", ["plain", "intercepted"])
@pytest.mark.parametrize(
    "cls", ["internet on; denied_hosts 127.0.0.8/31;", "allowed_hosts *.test;"]
)
def test_whether_an_internal_name_exists(weir, dns, canary, how, cls):
    """One that is refused and one that is not there, where no entry of the
    policy is that name: the same answer, and the same work each time. weir's
    own log tells them apart."""
    port = canary.port
    dns.records = {
        "there.test": ["10.0.0.5"], "six.test": ["fd00::5"], "bare.test": [],
        "listed.test": ["127.0.0.9"], "static.test": ["192.0.2.1"],
    }  # fmt: skip
    w = weir(
        egress=f"resolver 127.0.0.1:{dns.port}; ports {port};"
        "resolve static.test 10.0.0.6;",
        cls=cls,
    )

    def ask(name):
        host = f"{name}:{port}"
        if how == "plain":
            with w.client() as c:
                return told(c.get(f"http://{host}/", host), name)
        with w.tunnel(name, port) as c:
            return told(c.get("/", host), name)

    names = ["there.test", "six.test", "listed.test", "bare.test", "gone.test"]
    answers = {ask(name) for name in [*names, "static.test"]}
    assert len(answers) == 1 and next(iter(answers))[0] == 403
    for n in (1, 2, 3):  # both questions each time, of what is kept too
        assert min(len(dns.asked(x)) for x in names) >= 2 * n
        assert {ask(name) for name in names} == answers
    assert dns.asked("static.test") == []
    log = w.error_log()
    assert "address 10.0.0.5 is not allowed: private" in log
    assert "the name does not exist" in log


def test_a_name_that_is_allowed_by_name_is_told_of(weir, dns, canary):
    """Whoever wrote it down wants to know which it is; so of an address."""
    dns.records = {
        "there.test": ["10.0.0.5"], "block.test": ["10.0.0.6"],
        "listed.test": ["10.0.0.7"],
    }  # fmt: skip
    w = weir(
        egress=f"resolver 127.0.0.1:{dns.port}; ports {canary.port};"
        "allow_address 10.0.0.6/32; host block.test { deny 10.0.0.0/8; }",
        cls="allowed_hosts there.test gone.test listed.test block.test"
        " 10.0.0.5;"
        "denied_hosts 10.0.0.7;",
    )

    def ask(name):
        host = f"{name}:{canary.port}"
        with w.client() as c:
            r = c.get(f"http://{host}/", host, [("Accept", "application/json")])
            return r.status, json.loads(r.body)["rule"]

    assert ask("there.test") == ask("10.0.0.5") == (403, "allow_address")
    assert ask("gone.test") == (502, "upstream")
    assert ask("block.test") == (403, "host")
    assert ask("listed.test") == (403, "denied_hosts")
