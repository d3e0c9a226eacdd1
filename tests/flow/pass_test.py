"""proxy_pass: a host that exists only here, served by one of yours."""

import pytest

from lib.http import reply
from lib.origin import Origin, UnixOrigin

WEBSOCKET = (
    "GET /chat HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\n"
    "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


@pytest.fixture
def service(pki, origins):
    """A plain service; weir's config does not know its address."""
    made = Origin(pki, ["service.test"], tls=False)
    yield made
    made.close()


@pytest.fixture
def tls_service(pki, origins):
    made = Origin(pki, ["service.test"])
    yield made
    made.close()


def egress(url, more="", block=""):
    """my.kv at `url`; nothing of the address guard's is opened."""
    return (
        f"allow_address 192.0.2.1/32; proxy_ssl_trusted_certificate {{{{pki}}}}"
        f"/ca.pem; {more} host my.kv {{ proxy_pass {url}; {block} }}"
    )


CLS = "allowed_hosts my.kv *.test;"


def get(w, path="/", headers=()):
    with w.client() as c:
        return c.get(f"http://my.kv{path}", "my.kv", headers)


def test_plain_and_in_a_tunnel(weir, service):
    """The path as it is, the service's own Host, and its address in the log;
    the private address needs no allow_address."""
    w = weir(
        egress=egress(f"http://127.0.0.1:{service.port}",
                      block="proxy_set_header x-sandbox $sandbox_id;"),
        cls=CLS,
    )  # fmt: skip
    assert get(w, "/a/../b?c=%2f").body == b"hello from the origin\n"
    with w.tunnel("my.kv", 443) as c:
        assert c.get("/two", "my.kv").status == 200
        r = c.get("/three", "my.kv", [("X-Sandbox", "mine")])
        assert r.status == 200
    first, second, third = service.requests
    assert first.target == "/a/../b?c=%2f" and second.target == "/two"
    assert {r.get("Host") for r in service.requests} == {
        f"127.0.0.1:{service.port}"
    }
    assert third.all("X-Sandbox") == ["box"]
    entry = w.access_log(3)[0]
    assert entry["upstream_addr"] == f"127.0.0.1:{service.port}"
    assert entry["host"] == "my.kv" and entry["port"] == 80


def test_https_is_verified_by_the_urls_name(weir, tls_service):
    url = f"https://service.test:{tls_service.port}"
    resolve = "resolve service.test 127.0.0.1;"
    w = weir(egress=egress(url, resolve), cls=CLS)
    assert get(w).status == 200
    assert get(w).status == 200
    (conn,) = tls_service.conns
    assert conn.sni == "service.test"
    assert tls_service.requests[0].get("Host") == url[8:]
    # by another name, and by its address
    for url in (f"https://other.test:{tls_service.port}",
                f"https://127.0.0.1:{tls_service.port}"):  # fmt: skip
        more = "resolve other.test 127.0.0.1;"
        w = weir(egress=egress(url, more), cls=CLS)
        r = get(w)
        assert r.status == 502
        assert "tls_certificate_error" in r.get("Proxy-Status")
    assert len(tls_service.requests) == 2


def test_unix_socket(weir, pki):
    w = weir(
        egress=egress("http://unix:kv.sock:/v1/"), cls=CLS, start=False
    )
    service = UnixOrigin(pki, w.path("kv.sock"))
    w.start()
    for _ in range(2):
        assert get(w, "/get?k=1").body == b"hello from the origin\n"
    assert len(service.conns) == 1, "the connection is kept"
    request = service.requests[0]
    assert request.target == "/v1/get?k=1"
    assert request.get("Host") == "localhost"
    entry = w.access_log(2)[0]
    assert entry["upstream_addr"] == f"unix:{w.path('kv.sock')}"
    service.close()
    assert get(w).status == 502
    assert f"connect to unix:{w.path('kv.sock')} failed (" in w.error_log()


@pytest.mark.parametrize(
    "block, path, target",
    [
        ("proxy_pass {url}/base/;", "/x?y=/../z", "/base/x?y=/../z"),
        ("proxy_pass {url}/base/;", "/a/../x%2e%41", "/base/x.A"),
        ("proxy_pass {url}/;", "//x", "/x"),
        ("location /api/ { proxy_pass {url}/v1/; }", "/api/x", "/v1/x"),
        ("location /api/ { proxy_pass {url}; }", "/api/x", "/api/x"),
        ("location /api { proxy_pass {url}/v1; }", "/api/x", "/v1/x"),
        ("location /api { proxy_pass {url}/v1; }", "/api../x", "/v1../x"),
        ("location = /one { proxy_pass {url}/two/; }", "/one?q", "/two/?q"),
        # inherited, with the prefix of the block that it stands in
        ("proxy_pass {url}/b/; location /api/ { via on; }", "/api/x",
         "/b/api/x"),
        ("proxy_pass {url}/b/; proxy_set_query k v;", "/x?k=mine",
         "/b/x?k=v"),
    ],
)  # fmt: skip
def test_the_path_that_is_sent(weir, service, block, path, target):
    url = f"http://127.0.0.1:{service.port}"
    w = weir(
        egress="host my.kv { allow all; " + block.replace("{url}", url) + " }",
        cls=CLS,
    )
    assert get(w, path, [("X-Original-URL", "/else")]).status == 200
    assert service.requests[0].target == target
    if url + "/" in block.replace("{url}", url):
        assert service.requests[0].get("X-Original-URL") is None


@pytest.mark.parametrize(
    "path",
    ["/../x", "/%2e%2e/x", "/..%2fx", "/a/..%2f..%2fx", "/a\\..\\x",
     "/a;/..;/x", "/%00"],
)  # fmt: skip
def test_a_path_cannot_climb_out_of_its_prefix(weir, service, path):
    url = f"http://127.0.0.1:{service.port}/base/"
    w = weir(egress=egress(url), cls=CLS)
    assert get(w, path).status == 400
    assert service.raw == b""


def test_websocket(weir, service):
    def script(conn):
        conn.read_head()
        conn.send(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n"
        )
        conn.send(conn.reader.exactly(4).upper())

    service.script = script
    w = weir(egress=egress(f"http://127.0.0.1:{service.port}"), cls=CLS)
    with w.tunnel("my.kv", 443) as c:
        c.send(WEBSOCKET.format(host="my.kv") + "ping")
        assert c.read_response(interim=True).status == 101
        assert c.reader.exactly(4) == b"PING"


# Who comes there


def test_internet_on_alone_does_not_reach_it(weir, service):
    w = weir(
        egress=egress(f"http://127.0.0.1:{service.port}") + """
        sandbox_class open { internet on; }
        sandbox box { class open; address 127.0.0.1; }"""
    )
    assert get(w).status == 403
    assert service.conns == []


def test_an_outbound_handler_sends_everything_there(weir, service):
    w = weir(egress=f"""
        sandbox_class k {{
            outbound all;
            handler all {{ proxy_pass http://127.0.0.1:{service.port}; }}
        }}
        sandbox box {{ class k; address 127.0.0.1; }}""")
    with w.client() as c:
        assert c.get("http://any.example/x", "any.example").status == 200
    assert service.requests[0].get("Host") == f"127.0.0.1:{service.port}"


def test_weirs_own_listener_and_denied_ranges(weir, service):
    """No loop, and denied_hosts always holds."""
    w = weir(egress=egress("http://127.0.0.1:{{port}}"), cls=CLS)
    assert get(w).status == 403
    w.wait_log("weir's own listener")
    w = weir(
        egress=egress(f"http://127.0.0.1:{service.port}"),
        cls=CLS + "denied_hosts 127.0.0.0/8;",
    )
    assert get(w).status == 403
    assert service.conns == []


def test_the_guard_holds_for_all_other_hosts(weir, service, plain_origin):
    """What proxy_pass opens is not open to the same address by name."""
    more = "resolve other.test 127.0.0.1;"
    w = weir(
        egress=egress(f"http://127.0.0.1:{service.port}",
                      f"ports 80 {service.port}; {more}"),
        cls=CLS,
    )  # fmt: skip
    assert get(w).status == 200
    with w.client() as c:
        name = f"other.test:{service.port}"
        assert c.get(f"http://{name}/", name).status == 403
        name = f"127.0.0.1:{service.port}"
        assert c.get(f"http://{name}/", name).status == 403
    assert len(service.requests) == 1


# Secrets

SECRET = "s3cr3t-for-the-service"


def with_secret(url, more=""):
    return egress(
        url,
        more + "secret t env:T hosts=my.kv;",
        "bearer $secret_t;",
    )


def test_secret_to_loopback_tls_and_unix(weir, pki, service, tls_service):
    more = "resolve service.test 127.0.0.1;"
    urls = [f"http://127.0.0.1:{service.port}",
            f"http://service.test:{service.port}",
            f"https://service.test:{tls_service.port}"]  # fmt: skip
    for url in urls:
        w = weir(egress=with_secret(url, more), cls=CLS, env={"T": SECRET})
        assert get(w).status == 200
    for request in service.requests + tls_service.requests:
        assert request.get("Authorization") == f"Bearer {SECRET}"
    assert len(service.requests) == 2 and len(tls_service.requests) == 1
    w = weir(egress=with_secret("http://unix:kv.sock"), cls=CLS,
             env={"T": SECRET}, start=False)  # fmt: skip
    unix = UnixOrigin(pki, w.path("kv.sock"))
    w.start()
    assert get(w).status == 200
    assert unix.requests[0].get("Authorization") == f"Bearer {SECRET}"
    unix.close()


def test_secret_to_a_name_that_is_not_loopback(weir):
    w = weir(
        egress=with_secret("http://service.test:81",
                           "resolve service.test 10.0.0.1;"),
        cls=CLS, env={"T": SECRET},
    )  # fmt: skip
    assert get(w).status == 403
    w.wait_log("a secret would leave this host without TLS")


# Configuration


@pytest.mark.parametrize(
    "directives, why",
    [
        ("proxy_pass ftp://a;", "it must begin with"),
        ("proxy_pass http://$host;", "a variable has no place in it"),
        ("proxy_pass http://a/$uri;", "a variable has no place in it"),
        ("proxy_pass http://a/x?y;", "a query or a fragment"),
        ("proxy_pass http://a/x#y;", "a query or a fragment"),
        ("proxy_pass http://u@a/;", "invalid URL"),
        ("proxy_pass http://0x7f.1/;", "invalid URL"),
        ("proxy_pass http://a:0/;", "invalid URL"),
        ("proxy_pass http:///x;", "invalid URL"),
        ("proxy_pass http://a/b/../c/;", "not in canonical form"),
        ("proxy_pass http://a/../;", "invalid URL"),
        ("proxy_pass http://a/b;", "or neither"),
        ("location /api { proxy_pass http://a/b/; }", "or neither"),
        ("location ~ /api { proxy_pass http://a/b/; }", "regular expression"),
        ("proxy_pass https://unix:/x;", "no name to verify"),
        ("proxy_pass http://unix:;", "names no socket"),
        ("proxy_pass http://unix:/x:;", "no path follows"),
        ("proxy_pass http://unix:/x:y;", "begin with a slash"),
        ("proxy_pass http://unix:/x:*;", "canonical"),
        ("proxy_pass http://unix:/" + "x" * 108 + ";", "too long"),
        ("proxy_pass http://unix:own.sock;", "listener of weir's own"),
        ("intercept off; proxy_pass http://a;", "intercept off"),
        ("bearer $secret_t; proxy_pass http://127.0.0.1;", "\"hosts=\""),
        ("bearer $secret_u; proxy_pass http://10.0.0.1;", "without TLS"),
        ("bearer $secret_u; location /x { proxy_pass http://[fd00::1]; }",
         "without TLS"),
        ("proxy_pass http://a; proxy_pass http://b;", "duplicate"),
        ("proxy_pass;", "arguments"),
    ],
)  # fmt: skip
def test_what_is_refused(weir, directives, why):
    w = weir(
        egress="listen unix:own.sock proxy;"
        "secret t env:T; secret u env:T hosts=my.kv;"
        f"host my.kv {{ {directives} }}",
        env={"T": SECRET},
        start=False,
    )
    done = w.run("-t")
    assert done.returncode == 1 and why in done.stderr, done.stderr
    assert "weir.conf:" in done.stderr


def test_shared_block_says_classes(weir):
    conf = """
        sandbox_class a { } sandbox_class b { }
        sandbox box { class a; }
        host my.kv { proxy_pass http://127.0.0.1:1; CLASSES }"""
    w = weir(egress=conf.replace("CLASSES", ""), start=False)
    assert "must say \"classes\"" in w.run("-t").stderr
    w = weir(egress=conf.replace("CLASSES", "classes a;"), start=False)
    assert w.run("-t").returncode == 0
