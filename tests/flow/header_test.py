"""proxy_set_header and its kin: variables, captures, what is replaced."""

import pytest


def host(origin):
    return f"{origin.names[0]}:{origin.port}"


def sent(w, origin, headers=(), path="/"):
    """The request as the origin got it."""
    before = len(origin.requests)
    with w.client() as c:
        r = c.get(f"http://{host(origin)}{path}", host(origin), headers)
    assert r.status == 200, r
    return origin.wait_requests(before + 1)[-1]


def test_variables(weir, plain_origin):
    w = weir(egress="""
        host plain.test {
            proxy_set_header X-All "$sandbox_id $sandbox_class $host $port
                $scheme $request_method $uri $args $query_string
                ${http_x_mine}! $remote_addr";
        }
    """.replace("\n                ", " "))
    got = sent(w, plain_origin, [("X-Mine", "m")], "/p%41?q=1")
    assert got.get("X-All") == (
        f"box test plain.test {plain_origin.port} http GET /p%41 q=1 q=1 m! "
        "127.0.0.1"
    )


def test_captures(weir, origins):
    tenant = origins("acme-1.vcs.test", tls=False)
    w = weir(egress="""
        host ~ ^(?<tenant>[a-z]+)-(\\d)\\.vcs\\.test$ {
            proxy_set_header X-Tenant $tenant;
            proxy_set_header X-Number "n$2";
        }
    """)
    got = sent(w, tenant)
    assert (got.get("X-Tenant"), got.get("X-Number")) == ("acme", "n1")


def test_the_clients_own_is_replaced(weir, plain_origin):
    w = weir(egress="""
        host plain.test {
            proxy_set_header X-One 1;
            proxy_set_header X-Gone "";
            proxy_set_header X-Args $args;
        }
    """)
    got = sent(w, plain_origin, [
        ("X-One", "a"), ("x-one", "b"), ("X_ONE", "c"), ("x-GONE", "d"),
        ("X-Args", "e"), ("X-Kept", "f"),
    ])  # fmt: skip
    own = [(n, v) for n, v in got.headers if n.lower().startswith("x")]
    assert sorted(own) == [("X-Kept", "f"), ("X-One", "1")]


def test_the_nearest_list_holds(weir, plain_origin):
    w = weir(egress="""
        proxy_set_header X-Outer outer;
        proxy_set_header X-Both outer;
        host plain.test {
            location / { }
            location /in/ { proxy_set_header X-Both inner; }
        }
    """)
    got = sent(w, plain_origin)
    assert (got.get("X-Outer"), got.get("X-Both")) == ("outer", "outer")
    got = sent(w, plain_origin, path="/in/")
    assert (got.get("X-Outer"), got.get("X-Both")) == (None, "inner")


@pytest.mark.parametrize("name", ["Host", "Connection", "content-length",
                                  "Transfer_Encoding", "a b", "Proxy-X", "$x"])  # fmt: skip
def test_names_that_are_refused(weir, name):
    w = weir(egress=f'proxy_set_header "{name}" v;', start=False)
    done = w.run("-t")
    assert done.returncode == 1 and "cannot be set here" in done.stderr


def test_via(weir, plain_origin):
    assert sent(weir(), plain_origin).get("Via") is None
    w = weir(egress="host plain.test { via on; }")
    assert sent(w, plain_origin).all("Via") == ["1.1 weir"]
    got = sent(w, plain_origin, [("Via", "1.0 before")])
    assert got.all("Via") == ["1.0 before", "1.1 weir"]


@pytest.mark.parametrize("head, status", [
    ("X-Long: " + "a" * 1024, 431),
    ("X-Short: " + "a" * 600, 200),
    ("\r\n".join(f"X-{i}: {i}" for i in range(100)), 431),
])  # fmt: skip
def test_client_header_buffer_size(weir, plain_origin, head, status):
    w = weir(egress="client_header_buffer_size 1k;")
    with w.client() as c:
        name = host(plain_origin)
        c.send(f"GET http://{name}/ HTTP/1.1\r\nHost: {name}\r\n{head}\r\n\r\n")
        assert c.read_response().status == status
    assert len(plain_origin.requests) == (status == 200)


def test_target_beyond_client_header_buffer_size(weir, plain_origin):
    w = weir(egress="client_header_buffer_size 1k;")
    with w.client() as c:
        name = host(plain_origin)
        c.send(f"GET http://{name}/{'a' * 1024} HTTP/1.1\r\n\r\n")
        assert c.read_response().status == 414
