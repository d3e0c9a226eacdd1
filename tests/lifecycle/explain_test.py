"""weir -E: what is decided of a request, and why, without sending it."""

import re

import pytest

FORWARDED, REFUSED, USAGE = 0, 1, 2

# One class for each way to rule 10 and past it; `box` is what is asked for.
CONF = """
error_log  logs/error.log  info;
pid        logs/weir.pid;
events {}
egress {
    listen   127.0.0.1:{{port}}  proxy;
    resolve  fixed.test    93.184.215.14;
    resolve  private.test  10.0.0.1;
    resolve  mixed.test    10.0.0.1 93.184.215.14;
    resolve  box.test      10.9.0.1;
    resolve  cloud.test    169.254.170.23 64:ff9b:1:0:a9:fea9:fe00::;
    resolve  range.test    93.184.215.14;
    allow_address  10.9.0.0/16 169.254.0.0/16 64:ff9b:1::/48;
    secret   token   env:NOT_SET  hosts=*.key.test;
    secret   second  env:NOT_SET_EITHER  hosts=a.key.test,x.open.test;
    secret   pass    env:NOR_THIS  hosts=pass.test;

    sandbox_class listed {
        allowed_hosts  *.test 10.1.0.0/16;
        denied_hosts   bad.test *.bad.test;
    }
    sandbox_class open {
        internet      on;
        denied_hosts  198.51.100.0/24;
    }
    sandbox_class closed { }
    sandbox_class sent {
        outbound  readers;
        handler readers { allow *.test; methods GET; }
    }
    sandbox box    { class listed; address 10.9.0.1; }
    sandbox narrow { class listed; allowed_hosts one.test; denied_hosts two.test; }
    sandbox open   { class open; }
    sandbox closed { class closed; }
    sandbox sent   { class sent; }

    host block.test {
        ports     443 8443;
        methods   GET HEAD;
        location  /admin/ { return 451 no; }
        location  = /put  { methods PUT; }
        location  ~ \\.php$ { deny all; }
    }
    host ~^(?<who>[a-z]+)\\.re\\.test$ { proxy_set_header X-Who $who; }
    host range.test { deny 93.184.215.0/24; }
    host away.test { return 302 https://else.test/; }
    host a.key.test b.key.test {
        classes           any;
        bearer            $secret_token;
        proxy_set_header  X-Second  "id $secret_second";
        proxy_set_header  X-Plain   a-literal-value;
        proxy_set_header  Cookie    "";
        proxy_set_query   key       $secret_token;
    }
    host c.key.test { classes any; basic_auth a-key-alone $secret_token; }
    host x.open.test { classes open; allow all; }
    secret   held   env:NOT_SET_NOR_THIS  hosts=p.key.test placeholder=PLACEHOLDER;
    host p.key.test q.key.test {
        classes any;
        substitute held in header x-key;
        substitute held in body /auth/key token;
    }
    host pass.test {
        classes     any;
        proxy_pass  http://127.0.0.1:7001/v1/;
        location /sock/ { proxy_pass http://unix:/run/kv.sock; }
        location /key/  { proxy_pass http://private.test; bearer $secret_pass; }
    }
}
"""


@pytest.fixture
def ask(weir):
    w = weir(conf=CONF, start=False)

    def ask(sandbox, method, url):
        done = w.run("-E", sandbox, method, url)
        answer = {"code": done.returncode, "stderr": done.stderr}
        for line in done.stdout.splitlines():
            word, text = line.split(None, 1)
            answer.setdefault(word, []).append(text)
        return answer

    return ask


# rule: (sandbox, method, url), code, what the lines say
CASES = {
    "1, the host": (
        ("box", "GET", "http://0x7f.1/"),
        REFUSED, {"rule": "1 request", "outcome": "400"},
    ),
    "1, user information": (
        ("box", "GET", "https://me@one.test/"),
        REFUSED, {"rule": "1 request", "outcome": "400"},
    ),
    "1, a byte of the path": (
        ("box", "GET", "http://one.test/a b"),
        REFUSED, {"rule": "1 request", "outcome": "400"},
    ),
    "1, a line too many": (
        ("box", "GET", "http://one.test/ HTTP/1.1\r\nX: y\r\n\r\n"),
        REFUSED, {"rule": "1 request", "outcome": "400"},
    ),
    "1, a long target": (
        ("box", "GET", "http://one.test/" + "x" * 17000),
        REFUSED, {"rule": "1 request", "outcome": "414"},
    ),
    "1, a method": (
        ("box", "G ET", "http://one.test/"),
        REFUSED, {"rule": "1 request", "outcome": "400"},
    ),
    "2": (
        ("box", "GET", "https://x.bad.test/"),
        REFUSED, {"rule": "2 denied_hosts",
                  "pattern": r"\*.bad.test in \S+/weir.conf:20$",
                  "judged": "the CONNECT", "outcome": "403"},
    ),
    "2, plain": (
        ("box", "GET", "http://bad.test/"),
        REFUSED, {"rule": "2 denied_hosts", "judged": "the request"},
    ),
    "2, of the sandbox": (
        ("narrow", "GET", "http://two.test/"),
        REFUSED, {"rule": "2 denied_hosts", "pattern": r"two.test in \S+:32$"},
    ),
    "3": (
        ("box", "GET", "https://elsewhere.example/"),
        REFUSED, {"rule": "3 allowed_hosts", "outcome": "403",
                  "list": r"allowed_hosts in \S+/weir.conf:19$",
                  "because": ".*not in allowed_hosts"},
    ),
    "3, of the sandbox": (
        ("narrow", "GET", "https://block.test/"),
        REFUSED, {"rule": "3 allowed_hosts",
                  "list": r"allowed_hosts in \S+/weir.conf:32$"},
    ),
    "5": (
        ("box", "GET", "https://block.test/x?y#z"),
        FORWARDED, {"rule": "5 host", "pattern": "block.test",
                    "block": r'"block.test" in \S+/weir.conf:\d+',
                    "port": "443, in ports", "judged": "the request",
                    "upstream": "https://block.test:443",
                    "address": "of a resolver", "outcome": "forwarded"},
    ),
    "5, proxy_pass": (
        ("box", "GET", "https://pass.test/a/../b?c"),
        FORWARDED, {"rule": "5 host", "upstream": r"http://127\.0\.0\.1:7001",
                    "path": "/v1/b", "address": r"127\.0\.0\.1:7001, allowed"},
    ),
    "5, proxy_pass to a socket": (
        ("box", "GET", "http://pass.test/sock/x"),
        FORWARDED, {"upstream": "http://unix:/run/kv.sock", "path": "/sock/x",
                    "address": "unix:/run/kv.sock, allowed"},
    ),
    "5, proxy_pass with a secret": (
        ("box", "GET", "http://pass.test/key/x"),
        REFUSED, {"upstream": "http://private.test:80",
                  "address": "10.0.0.1:80, refused: a secret would leave",
                  "outcome": "403"},
    ),
    "10, proxy_pass and internet": (
        ("open", "GET", "http://pass.test/"),
        REFUSED, {"rule": "10 default", "outcome": "403"},
    ),
    "5, a regex": (
        ("box", "GET", "http://who.re.test"),
        FORWARDED, {"rule": "5 host", "attaches": "proxy_set_header X-Who"},
    ),
    "5, a location that answers": (
        ("box", "GET", "https://block.test/a/../admin/x"),
        REFUSED, {"rule": "5 location", "location": r'"/admin/" in \S+:\d+',
                  "outcome": "451"},
    ),
    "5, a location's method": (
        ("box", "GET", "https://block.test/put"),
        REFUSED, {"rule": "5 methods", "outcome": "405",
                  "because": ".*takes only PUT"},
    ),
    "5, a location that denies": (
        ("box", "GET", "https://block.test/x.php"),
        REFUSED, {"rule": "5 location", "outcome": "403",
                  "location": r'"\\.php\$" in \S+:42',
                  "pattern": r"all in \S+/weir.conf:42$"},
    ),
    "5, a path that climbs out": (
        ("box", "GET", "https://block.test/../x"),
        REFUSED, {"rule": "5 location", "outcome": "400"},
    ),
    "5, a redirection": (
        ("box", "GET", "https://away.test/"),
        REFUSED, {"rule": "5 host", "outcome": "302"},
    ),
    "5, a port": (
        ("box", "GET", "https://block.test:444/"),
        REFUSED, {"rule": "5 ports", "port": "444, not in ports",
                  "judged": "the CONNECT", "outcome": "403"},
    ),
    "5, another port": (
        ("box", "GET", "https://block.test:8443/"),
        FORWARDED, {"upstream": "https://block.test:8443"},
    ),
    "5, an allow": (
        ("open", "GET", "https://x.open.test/"),
        FORWARDED, {"rule": "5 host"},
    ),
    "7": (
        ("sent", "GET", "https://one.test/"),
        FORWARDED, {"rule": "7 outbound", "block": 'handler "readers" in'},
    ),
    "7, its methods": (
        ("sent", "POST", "https://one.test/"),
        REFUSED, {"rule": "7 methods", "outcome": "405"},
    ),
    "8": (
        ("box", "GET", "https://One.TEST./"),
        FORWARDED, {"rule": "8 allowed_hosts",
                    "pattern": r"\*.test in \S+/weir.conf:19$",
                    "upstream": "https://one.test:443"},
    ),
    "8, an address": (
        ("box", "GET", "http://10.1.2.3/"),
        REFUSED, {"rule": "8 allowed_hosts", "outcome": "403",
                  "address": "10.1.2.3:80, refused: private"},
    ),
    "9": (
        ("open", "GET", "https://any.example/"),
        FORWARDED, {"rule": "9 internet", "outcome": "forwarded"},
    ),
    "9, IPv6": (
        ("open", "GET", "http://[2606:4700::1111]:80/"),
        FORWARDED, {"upstream": r"http://\[2606:4700::1111\]:80",
                    "address": r"\[2606:4700::1111\]:80, allowed"},
    ),
    "9, a denied range": (
        ("open", "GET", "http://198.51.100.7/"),
        REFUSED, {"rule": "2 denied_hosts"},
    ),
    "10": (
        ("closed", "GET", "https://one.test/"),
        REFUSED, {"rule": "10 default", "outcome": "403"},
    ),
    "10, a block that does not let it leave": (
        ("closed", "GET", "https://block.test/"),
        REFUSED, {"rule": "10 default", "block": '"block.test"'},
    ),
    "a fixed address": (
        ("box", "GET", "https://fixed.test/"),
        FORWARDED, {"address": "93.184.215.14:443, allowed"},
    ),
    "a fixed address that is refused": (
        ("box", "GET", "https://private.test/"),
        REFUSED, {"address": "10.0.0.1:443, refused: private",
                  "outcome": "403"},
    ),
    "an address of a sandbox": (
        ("open", "GET", "https://box.test/"),
        REFUSED, {"address": "10.9.0.1:443, refused: a sandbox's",
                  "outcome": "403", "because": ".*there is no address of it"},
    ),
    "a service of a cloud, in two forms": (
        ("box", "GET", "https://cloud.test/"),
        REFUSED, {"address": "169.254.170.23:443, refused: metadata service",
                  "because": ".*there is no address of it"},
    ),
    "a range that the block denies": (
        ("box", "GET", "https://range.test/"),
        REFUSED, {"address": "93.184.215.14:443, refused: deny",
                  "outcome": "403", "because": ".*its address is denied by"},
    ),
    "a name that is allowed by name": (
        ("narrow", "GET", "https://one.test/"),
        FORWARDED, {"address": "of a resolver, if the address guard allows "
                    "it; else 403, and 502 if there is none"},
    ),
    "a name that is not": (
        ("open", "GET", "https://one.test/"),
        FORWARDED, {"address": "of a resolver, if the address guard allows "
                    "it; else 403, as if there is none"},
    ),
    "one of two addresses": (
        ("box", "GET", "https://mixed.test/"),
        FORWARDED, {"outcome": "forwarded"},
    ),
    "CONNECT alone": (
        ("box", "CONNECT", "https://block.test"),
        FORWARDED, {"judged": "the CONNECT", "outcome": "200, each request"},
    ),
    "TRACE": (
        ("box", "TRACE", "https://one.test/"), REFUSED, {"outcome": "405"},
    ),
    "a method of nobody's": (
        ("box", "PURGE", "https://one.test/"),
        FORWARDED, {"rule": "8 allowed_hosts"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_rule(ask, name):
    question, code, want = CASES[name]
    answer = ask(*question)
    assert answer["code"] == code, answer
    for word, pattern in want.items():
        assert re.match(pattern, answer[word][0]), (word, answer)
    assert len(answer["outcome"]) == len(answer["because"]) == 1


def test_credentials_by_name(ask):
    answer = ask("box", "GET", "https://a.key.test/")
    assert answer["code"] == FORWARDED
    assert answer["attaches"] == [
        'proxy_set_header X-Second, secret "second"',
        "proxy_set_header X-Plain, no secret",
        "proxy_set_header Cookie, which only removes the client's",
        'bearer, secret "token"',
        'proxy_set_query key, secret "token"',
    ]
    assert "a-literal-value" not in str(answer)


def test_a_secret_that_is_not_bound_there(ask):
    answer = ask("box", "GET", "https://b.key.test/")
    assert answer["code"] == REFUSED
    assert answer["outcome"] == ["502"]
    assert 'secret "second", not bound to this host' in answer["attaches"][0]


def test_placeholders(ask):
    """Whether one will be there nobody knows."""
    answer = ask("box", "POST", "https://p.key.test/")
    assert answer["code"] == FORWARDED
    assert answer["attaches"] == [
        f'substitute in {place}, secret "held" for its placeholder'
        for place in ("header x-key", "body /auth/key", "body token")
    ]
    answer = ask("box", "POST", "https://q.key.test/")
    assert answer["code"] == FORWARDED
    assert answer["attaches"][0] == (
        'substitute in header x-key, secret "held", not bound to this host'
    )


def test_a_secret_goes_over_tls(ask):
    answer = ask("box", "GET", "http://c.key.test/")
    assert answer["code"] == FORWARDED
    assert answer["attaches"] == ['basic_auth, secret "token"']
    assert answer["upstream"] == ["https://c.key.test:443"]
    assert "a-key-alone" not in str(answer)


def test_no_secret_is_read(weir):
    w = weir(start=False, egress="secret s file:key; host a.test { bearer "
             "$secret_s; }", files={"key": "sk-1234567890\n"})  # fmt: skip
    w.write("key", "sk-12345\n67890\n")
    assert w.run("-t").returncode == 1  # it would be refused
    done = w.run("-E", "box", "GET", "https://a.test/")
    assert done.returncode == FORWARDED, done.stderr
    assert "sk-" not in done.stdout + done.stderr


def test_it_needs_no_rights(weir):
    """Nor what else is there where weir runs: users, secrets, CAs."""
    w = weir(
        start=False, main="user no-user-of-that-name;",
        sandbox="token file:none; address 127.0.0.1;",
        egress="""
            secret s file:none hosts=a.test;
            secret e env:NOT_SET hosts=a.test;
            proxy_ssl_trusted_certificate /nonexistent/ca.pem;
            host a.test { bearer $secret_s; }
            listen 127.0.0.1:{{other_port}} proxy ssl;
            ssl_certificate none; ssl_certificate_key none;
            sandbox other { class test; token env:NOT_SET_EITHER; }""",
        files={"html/403.html/x": ""},
    )  # fmt: skip
    assert w.run("-t").returncode == 1
    for args in (["GET", "https://a.test/"], []):
        done = w.run("-E", "other", *args)
        assert (done.returncode, done.stderr) == (FORWARDED, "")


def test_two_sandboxes_of_one_token(weir):
    """Without a look at it."""
    w = weir(start=False, sandbox="token file:none;",
             egress="sandbox other { class test; token file:none; }"
             "sandbox box { class test; token file:none; }")  # fmt: skip
    done = w.run("-E", "box")
    assert done.returncode == USAGE
    assert "has the token of sandbox" in done.stderr


# Lines of `weir -E ID`, the places without the file's name.
LISTED = {
    "box": """
        sandbox       box in :31
        class         listed in :18
        allowed       *.test in :19
        allowed       10.1.0.0/16 in :19
        denied        bad.test in :20
        denied        *.bad.test in :20
        internet      off
        ports         80 443
        host          block.test in :37
          leaves      what allowed_hosts has
          ports       443 8443 in :38
          methods     GET HEAD in :39
          location    /admin/ in :40
            return    451 in :40
          location    = /put in :41
            methods   PUT in :41
          location    ~ \\.php$ in :42
            deny      all in :42
        host          away.test in :46
          leaves      answered here
        host          a.key.test b.key.test in :47
          secret      token to a.key.test b.key.test in :14
          secret      second to a.key.test in :15
        host          pass.test in :63
          proxy_pass  http://127.0.0.1:7001/v1/ in :65
          secret      pass to pass.test in :16
    """,
    "narrow": """
        allowed       one.test in :32
        denied        *.bad.test in :20
        denied        two.test in :32
    """,
    "open": """
        allowed       not set: what internet or a block lets leave
        internet      on
        host          x.open.test in :56
          leaves      all of it
        host          pass.test in :63
          leaves      nothing
    """,
    "closed": """
        internet      off
        host          block.test in :37
          leaves      nothing
    """,
    "sent": """
        outbound      readers in :29
          leaves      all of it
          allow       *.test in :29
          methods     GET in :29
    """,
}


@pytest.mark.parametrize("sandbox", LISTED)
def test_all_that_it_may_reach(weir, sandbox):
    w = weir(conf=CONF, start=False)
    done = w.run("-E", sandbox)
    assert (done.returncode, done.stderr) == (FORWARDED, "")
    path = w.path("weir.conf")
    rest = iter(line.replace(path, "") for line in done.stdout.splitlines())
    for line in LISTED[sandbox].strip("\n ").splitlines():
        want = line[8:] if line.startswith(" " * 8) else line
        assert want in rest, done.stdout
    assert "x.open.test" not in done.stdout or sandbox == "open"


@pytest.mark.parametrize("args, what", [
    (["-E"], "requires a parameter"),
    (["-E", "box", "GET"], "requires a sandbox alone, or a sandbox, a method"),
    (["-E", "box", "GET", "http://a.test/", "more"], 'option: "more"'),
    (["-E", "box", "GET", "ftp://a.test/"], "no URL"),
    (["-E", "box", "GET", "a.test"], "no URL"),
    (["-E", "nobody", "GET", "http://a.test/"], 'unknown sandbox "nobody"'),
    (["-E", "nobody"], 'unknown sandbox "nobody"'),
])  # fmt: skip
def test_usage(weir, args, what):
    done = weir(start=False).run(*args)
    assert done.returncode == USAGE
    assert what in done.stderr and done.stdout == ""


def test_a_configuration_with_an_error(weir):
    w = weir(conf="\nfrobnicate on;", start=False)
    done = w.run("-E", "box", "GET", "http://a.test/")
    assert done.returncode == USAGE
    assert "weir.conf:2" in done.stderr


def test_a_prefix_that_is_not_there(weir):
    w = weir(start=False)
    done = w.run("-p", w.path("no"), "-E", "box", "GET", "http://a.test/")
    assert done.returncode == USAGE


def test_it_leaves_nothing(weir):
    w = weir(start=False)
    assert w.run("-E", "box", "GET", "http://a.test/").returncode == 0
    assert not w.error_log() and w.pid() is None
    assert not w.read("logs", "access.log")


def test_what_it_says_is_what_happens(weir, origins):
    """The rule and the status are those of the log of a weir at work."""
    plain = origins("plain.test", tls=False)
    w = weir(
        egress="host plain.test { methods GET; location /no/ { return 410; } }"
        "host gone.test { deny all; }",
        cls="denied_hosts bad.test;",
    )
    at = f"plain.test:{plain.port}"
    questions = [
        ("GET", at, "/"), ("GET", at, "/no/x"), ("POST", at, "/"),
        ("GET", "bad.test", "/"), ("GET", "gone.test", "/"),
        ("GET", "else.example", "/"), ("GET", "plain.test:1", "/"),
    ]  # fmt: skip
    for n, (method, host, path) in enumerate(questions, 1):
        with w.client() as c:
            c.send(f"{method} http://{host}{path} HTTP/1.1\r\nHost: {host}\r\n"
                   "Content-Length: 0\r\n\r\n")  # fmt: skip
            status = c.read_response().status
        logged = w.access_log(n)[-1]
        done = w.run("-E", "box", method, f"http://{host}{path}")
        rule = re.search(r"^rule +(\d+) ", done.stdout, re.M)[1]
        outcome = re.search(r"^outcome +(\S+)", done.stdout, re.M)[1]
        assert rule == logged["rule"], (host, path)
        assert outcome == ("forwarded" if status == 200 else str(status))


def test_limits(weir):
    w = weir(cls="header_slots 3; header_slots_timeout 2s;", start=False)
    out = w.run("-E", "box", "GET", "http://a.test/").stdout
    assert (
        "limits     header_slots 3, header_slots_queue 1000,"
        " header_slots_timeout 2s\n" in out
    )


def test_an_upstream_proxy(weir):
    """Which proxy leads there, and whether weir sees the address."""
    w = weir(
        egress="resolve one.test 10.0.0.1; resolve two.test 10.0.0.1;"
        "upstream_proxy http://proxy.test:3128 bypass=two.test;"
        "host three.test { upstream_proxy https://proxy.test:443 by=name; }",
        cls="allowed_hosts *.test;", start=False,
    )  # fmt: skip
    first = w.run("-E", "box", "GET", "https://one.test/").stdout
    assert re.search(r"^proxy +http://proxy.test:3128, by address$", first, re.M)
    assert "10.0.0.1:443, refused" in first
    second = w.run("-E", "box", "GET", "https://two.test/").stdout
    assert not re.search("^proxy", second, re.M)
    third = w.run("-E", "box", "GET", "https://three.test/")
    assert third.returncode == FORWARDED
    assert re.search(r"^proxy +https://proxy.test:443, by name$", third.stdout,
                     re.M)  # fmt: skip
    assert not re.search("^address", third.stdout, re.M)
