"""upstream_proxy: origins are reached by CONNECT through a proxy of the
operator's, and never otherwise."""

import re

import pytest

from lib.client import basic
from lib.http import reply
from lib.upstream import ESTABLISHED, UpstreamProxy

USER = "weir:corporate-password-of-weir"
VALUE = basic("weir", "corporate-password-of-weir")


@pytest.fixture
def proxy(origins):
    made = origins("proxy.test", tls=False)
    made.script = UpstreamProxy()
    return made


@pytest.fixture
def tls_proxy(origins):
    made = origins("proxy.test")
    made.script = UpstreamProxy()
    return made


def via(proxy, more="", scheme="http"):
    return f"upstream_proxy {scheme}://proxy.test:{proxy.port} {more};"


def get(w, origin, name=None):
    name = name or origin.names[0]
    with w.tunnel(name, origin.port) as c:
        return c.get("/", f"{name}:{origin.port}")


def targets(proxy):
    return [head.target for head in proxy.script.asked]


def test_to_the_address_that_passed(weir, origin, proxy):
    """The name is weir's to resolve; TLS is with the origin, and its
    connection is kept."""
    w = weir(egress=via(proxy))
    with w.tunnel("origin.test", origin.port) as c:
        for _ in range(2):
            assert c.get("/", f"origin.test:{origin.port}").status == 200
    assert targets(proxy) == [f"127.0.0.1:{origin.port}"]
    (head,) = proxy.script.asked
    assert head.all("Host") == [head.target]
    assert [name for name, _ in head.headers] == ["Host"]
    (conn,) = origin.conns
    assert conn.sni == "origin.test"
    assert w.access_log(3)[1]["upstream_addr"] == f"127.0.0.1:{origin.port}"


def test_to_the_name(weir, origin, proxy):
    """Nothing is resolved: what the name means there, the proxy knows."""
    proxy.script.names["inside.test"] = origin.port
    w = weir(
        egress=via(proxy, "by=name") + f"ports 443 {origin.port};",
        cls="allowed_hosts *.test;",
    )
    with w.client() as c:
        assert c.connect("inside.test:443").status == 200
        c.tls("inside.test", w.ca())
        r = c.get("/", "inside.test")
    assert r.status == 502, "the origin has no certificate of that name"
    assert targets(proxy) == ["inside.test:443"]
    assert "tls_certificate_error" in r.get("Proxy-Status")


def test_plain_and_blind(weir, origin, plain_origin, proxy):
    w = weir(
        egress=via(proxy) + "host origin.test { intercept off; }",
        cls="allowed_hosts *.test;",
    )
    with w.client() as c:
        host = f"plain.test:{plain_origin.port}"
        assert c.get(f"http://{host}/", host).status == 200
    with w.client() as c:
        assert c.connect(f"origin.test:{origin.port}").status == 200
        c.tls("origin.test", origin.pki.ca)
        assert c.get("/", "origin.test").status == 200
    assert targets(proxy) == [
        f"127.0.0.1:{plain_origin.port}", f"127.0.0.1:{origin.port}"
    ]  # fmt: skip


def test_https_proxy(weir, origin, tls_proxy):
    """TLS within TLS; the proxy's certificate is verified by its name."""
    origin.default = reply(b"x" * 300000)
    w = weir(egress=via(tls_proxy, scheme="https"))
    assert len(get(w, origin).body) == 300000
    assert tls_proxy.conns[0].sni == "proxy.test"
    other = f"upstream_proxy https://127.0.0.1:{tls_proxy.port};"
    w = weir(egress=other)
    r = get(w, origin)
    assert r.status == 502 and "tls_certificate" in r.get("Proxy-Status")
    assert len(tls_proxy.script.asked) == 1


@pytest.mark.parametrize("how", ["address", "name"])
def test_auth(weir, origin, proxy, how):
    """The proxy's own credential: no origin and no sandbox sees it."""
    proxy.script.user = VALUE
    proxy.script.names["origin.test"] = origin.port
    w = weir(
        egress=f"secret corp env:CORP; {via(proxy, f'auth=corp by={how}')}",
        env={"CORP": USER},
    )
    with w.tunnel("origin.test", origin.port) as c:
        r = c.get("/", f"origin.test:{origin.port}",
                  [("Proxy-Authorization", "Basic bWluZTptaW5l")])  # fmt: skip
    assert r.status == 200
    assert b"roxy-" not in origin.raw and VALUE.encode() not in origin.raw
    assert USER.split(":")[1].encode() not in w.all_output()


@pytest.mark.parametrize(
    "value, say",
    [
        ("weir:wrong", "it answered CONNECT with 407, see "),
        ("no-colon", 'secret "corp", for the upstream proxy, is no user:'),
        (None, 'secret "corp", for the upstream proxy, is missing'),
    ],
)
def test_auth_that_is_refused(weir, origin, proxy, value, say):
    proxy.script.user = VALUE
    w = weir(
        egress=f"secret corp file:corp; {via(proxy, 'auth=corp')}",
        files={"corp": value} if value else {},
    )
    r = get(w, origin)
    assert r.status == 502
    assert "proxy_configuration_error" in r.get("Proxy-Status")
    assert not re.search(rb"\b407\b|corp", r.body)
    w.wait_log(say)
    assert origin.conns == []
    if value is None:
        w.expect('secret "corp"')


def test_a_proxy_that_tells_its_credential(weir, origin, proxy):
    """It may have it in its reason, as it is or in base64: no log has."""
    said = f"{USER} {VALUE}".encode()
    proxy.script.answer = b"HTTP/1.1 403 not " + said + b"\r\n\r\n"
    w = weir(
        egress=f"secret corp env:CORP; {via(proxy, 'auth=corp')}",
        env={"CORP": USER},
    )
    assert get(w, origin).status == 502
    w.wait_log("it answered CONNECT with 403")
    for part in USER.split(":")[1], VALUE.split()[1]:
        assert part.encode() not in w.all_output()


@pytest.mark.parametrize(
    "answer, error",
    [
        (b"HTTP/1.1 403 No\r\n\r\n", "destination_unavailable"),
        (b"HTTP/1.1 503 No\r\n\r\n", "destination_unavailable"),
        (b"HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n", "destination"),
        (b"HTTP/1.1 101 Switching\r\nUpgrade: tls\r\n\r\n", "http_upgrade"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "http_protocol_error"),
        (ESTABLISHED + b"HTTP/1.1 200 OK\r\n\r\n", "http_protocol_error"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 20000, "http_protocol_error"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 1000, "http_protocol_error"),
        (b"HTTP/1.1 20", "connection_terminated"),
        (b"", "connection_terminated"),
    ],
    ids=["403", "503", "302", "101", "ssh", "more", "large", "interim", "cut",
         "empty"],
)  # fmt: skip
def test_answers_that_open_nothing(
    weir, plain_origin, proxy, answer, error
):
    """In plain HTTP bytes of the proxy's could be taken for the origin's."""
    proxy.script.answer = answer
    proxy.script.splice = lambda conn, target: conn.reader.to_eof()
    w = weir(egress=via(proxy), cls="allowed_hosts *.test;")
    host = f"plain.test:{plain_origin.port}"
    with w.client() as c:
        r = c.get(f"http://{host}/", host)
    assert r.status == 502 and error in r.get("Proxy-Status")
    assert plain_origin.conns == []
    assert len(proxy.script.asked) == 1
    w.wait_log(f"upstream proxy proxy.test:{proxy.port}: its? ")


def test_interim_and_old_answers(weir, origin, proxy):
    """A 1xx is no answer; a length of a 200 to CONNECT means nothing (RFC 9110
    9.3.6)."""
    for answer in (b"HTTP/1.1 103 Early\r\n\r\n" + ESTABLISHED,
                   b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n",
                   b"HTTP/1.0 200 OK\nProxy-Agent: old\n\n",
                   b"HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n",
                   b"HTTP/1.1 299 Fine\r\nConnection: close\r\n\r\n"):  # fmt: skip
        def serve(conn, answer=answer):
            conn.reader.until(b"\r\n\r\n")
            conn.send(answer)
            UpstreamProxy().splice(conn, f"127.0.0.1:{origin.port}")

        proxy.script = serve
        w = weir(egress=via(proxy))
        assert get(w, origin).status == 200, answer


def test_another_address(weir, origin, proxy):
    """One that the proxy cannot reach is no reason to give up the others."""
    def answer(head):
        return ESTABLISHED if head.target.startswith("127.0.0.2") else (
            b"HTTP/1.1 504 No\r\n\r\n")

    proxy.script.answer = answer
    proxy.script.splice = lambda conn, target: UpstreamProxy().splice(
        conn, f"127.0.0.1:{origin.port}")
    w = weir(
        egress="resolve two.test 127.0.0.1 127.0.0.2;"
        "resolve proxy.test 127.0.0.1;"
        "allow_address 127.0.0.1/32 127.0.0.2/32;" + via(proxy),
        cls="allowed_hosts *.test;",
    )
    r = get(w, origin, "two.test")
    assert "tls_certificate_error" in r.get("Proxy-Status")
    assert targets(proxy) == [f"127.0.0.{i}:{origin.port}" for i in (1, 2)]


def test_never_directly(weir, origin, proxy):
    """Where the proxy is not there, the origin is, and is not asked."""
    w = weir(egress=via(proxy))
    proxy.close()
    r = get(w, origin)
    assert r.status == 502 and "connection_refused" in r.get("Proxy-Status")
    assert origin.conns == []
    w.wait_log("upstream proxy proxy.test:.*Connection refused")


def test_not_through_itself(weir, origin):
    """A request would come back for ever."""
    w = weir(egress="upstream_proxy http://127.0.0.1:{{port}};")
    r = get(w, origin)
    assert r.status == 502
    w.wait_log("upstream proxy 127.0.0.1:.* is not allowed")
    assert origin.conns == []


def test_the_guard_holds(weir, origins, proxy, canary):
    """By address the guard judges what a name leads to; by name it judges what
    a client wrote as an address."""
    for how in ("address", "name"):
        w = weir(
            egress=f"resolve proxy.test 127.0.0.1; ports {canary.port};"
            + via(proxy, f"by={how}"),
            cls="internet on;",
        )
        for host in ("169.254.169.254", "10.0.0.1", "127.0.0.9", "[::1]"):
            with w.client() as c:
                host = f"{host}:{canary.port}"
                assert c.get(f"http://{host}/", host).status == 403
    w = weir(
        egress="resolve evil.test 10.0.0.1; resolve proxy.test 127.0.0.1;"
        f"ports {canary.port};" + via(proxy),
        cls="internet on;",
    )
    with w.client() as c:
        host = f"evil.test:{canary.port}"
        assert c.get(f"http://{host}/", host).status == 403
    assert proxy.script.asked == []


def test_bypass_and_off(weir, origins, proxy):
    """Directly: what bypass names, a block with "off", and proxy_pass."""
    made = origins("a.test", "b.near.test", "c.test", "d.test")
    w = weir(
        egress=via(proxy, "bypass=*.near.test,127.0.0.1")
        + "host c.test { upstream_proxy off; }"
        f"host d.test {{ proxy_pass https://d.test:{made.port}; }}",
        cls="allowed_hosts *.test;",
    )
    for name in ("a.test", "b.near.test", "c.test", "d.test"):
        assert get(w, made, name).status == 200
    assert targets(proxy) == [f"127.0.0.1:{made.port}"]


def test_pools_are_its_own(weir, origin, proxy):
    """A connection that was made directly does not serve what goes through the
    proxy, in another location of the same host."""
    w = weir(
        egress="host origin.test { location /far {" + via(proxy) + "} }"
    )
    with w.tunnel("origin.test", origin.port) as c:
        for path in ("/near", "/far", "/near", "/far"):
            host = f"origin.test:{origin.port}"
            assert c.get(path, host).status == 200
    assert len(proxy.script.asked) == 1 and len(origin.conns) == 2


@pytest.mark.parametrize(
    "args, say",
    [
        ("proxy.test:3128", "it must begin with http:// or https://"),
        ("http://proxy.test", "it has no port"),
        ("http://u:p@proxy.test:3128", "a credential stands in the URL"),
        ("http://proxy.test:3128/x", "invalid"),
        ("http://proxy.test:3128 by=magic", '"by" must be name or address'),
        ("http://proxy.test:3128 by=name by=name", "it stands twice"),
        ("http://proxy.test:3128 bypass=", "an empty host pattern"),
        ("http://proxy.test:3128 bypass=a..b", "invalid"),
        ("http://proxy.test:3128 auth=", "no secret is named"),
        ("http://proxy.test:3128 auth=gone", 'unknown secret "gone"'),
        ("http://proxy.test:3128 auth=bound", "is not bound to the host"),
        ("http://proxy.test:3128 user=x", "auth=, by= and bypass= may follow"),
        ("off by=name", 'nothing may follow "off"'),
    ],
)
def test_refused(weir, args, say):
    w = weir(
        egress=f"secret bound env:B hosts=other.test; upstream_proxy {args};",
        start=False,
    )
    r = w.run("-t")
    assert r.returncode == 1
    assert say in r.stderr and "weir.conf:" in r.stderr
