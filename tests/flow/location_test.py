"""Blocks that choose by path and method, and what they make of a request."""

import pytest

LOCATIONS = """
host plain.test {
    location / { return 200 prefix; }
    location /images/ { return 200 images; }
    location /images/big/ { return 200 big; }
    location ^~ /static/ { return 200 static; }
    location = /exact { return 200 exact; }
    location ~ \\.php$ { return 200 php; }
    location ~* \\.jpg$ { return 200 jpg; }
    location /pass/ { }
}
"""


def host(origin):
    return f"{origin.names[0]}:{origin.port}"


def get(w, origin, path, method="GET", headers=()):
    with w.client() as c:
        target = f"http://{host(origin)}{path}"
        return c.request(method, target, host(origin), headers)


def test_which_location(weir, plain_origin):
    w = weir(egress=LOCATIONS)
    expected = {
        "/": b"prefix",
        "/other": b"prefix",
        "/exact": b"exact",
        "/exact?q": b"exact",
        "/exactly": b"prefix",
        "/images/a": b"images",
        "/images/big/a": b"big",
        "/images/a.JPG": b"jpg",
        "/images/big/a.php": b"php",
        "/a.PHP": b"prefix",
        "/static/a.php": b"static",
        "/static": b"prefix",
        # What is chosen is chosen of the canonical form.
        "/x/../exact": b"exact",
        "/%65xact": b"exact",
        "/images//big/./a": b"big",
        "/images/a%2Ejpg": b"jpg",
    }
    got = {path: get(w, plain_origin, path).body for path in expected}
    assert got == expected
    assert plain_origin.requests == []


@pytest.mark.parametrize("path, target", [
    ("/pass/../pass/%7euser//x?a=%7e/../b", "/pass/~user/x?a=%7e/../b"),
    ("/pass/a%2Fb", "/pass/a%2Fb"),
    ("/pass/a%5cb", "/pass/a%5Cb"),
    ("/pass/%41%e2%82%ac", "/pass/A%E2%82%AC"),
])  # fmt: skip
def test_upstream_gets_the_form_that_was_judged(
    weir, plain_origin, path, target
):
    w = weir(egress=LOCATIONS)
    assert get(w, plain_origin, path).status == 200
    assert plain_origin.wait_requests(1)[0].target == target


@pytest.mark.parametrize("path", [
    "/a%00b", "/a\\b", "/..;/exact", "/a/..;a=b/c", "/../exact", "/a/../../b",
    "/%2e%2e/exact", "/pass/..%2Fexact", "/pass/..%2f..%2fstatic/x",
    "/pass/..%5Cexact", "/pass%2F..%2Fexact",
])  # fmt: skip
def test_path_that_could_be_read_in_two_ways(weir, plain_origin, path):
    w = weir(egress=LOCATIONS)
    assert get(w, plain_origin, path).status == 400
    assert plain_origin.requests == []


def test_path_passes_byte_for_byte_without_locations(weir, plain_origin):
    w = weir(egress="host plain.test { via on; }")
    for path in ("/a/../%7e//b%2f?x=/../", "/%2e%2e/", "/..;/"):
        assert get(w, plain_origin, path).status == 200
        assert plain_origin.requests[-1].target == path


REWRITES = ["X-Original-URL", "X-Rewrite-URL"]
OVERRIDES = ["X-HTTP-Method", "X-HTTP-Method-Override", "X-Method-Override"]


@pytest.mark.parametrize("block, removed", [
    ("location /pass/ { }", REWRITES),
    ("methods GET;", OVERRIDES),
    ("location /pass/ { methods GET; }", REWRITES + OVERRIDES),
    ("location /other/ { methods GET; }", REWRITES),
    ("via on;", []),
])  # fmt: skip
def test_what_would_choose_otherwise_behind_weir(
    weir, plain_origin, block, removed
):
    w = weir(egress=f"host plain.test {{ {block} }}")
    headers = [(n, "/admin/") for n in REWRITES + OVERRIDES]
    # as a server that reads '_' as '-' would find it
    headers += [("x_original_url", "/admin/"), ("X_HTTP_METHOD", "PUT")]
    assert get(w, plain_origin, "/pass/", headers=headers).status == 200
    request = plain_origin.wait_requests(1)[0]
    names = {n.lower().replace("_", "-") for n, _ in request.headers}
    kept = {n.lower() for n in REWRITES + OVERRIDES if n not in removed}
    assert {n for n in names if n.startswith("x-")} == kept


@pytest.mark.parametrize("block", [
    "host plain.test { methods GET HEAD; }",
    "host plain.test { location / { methods GET HEAD; } }",
    "handler h { methods GET HEAD; }",
])  # fmt: skip
def test_methods(weir, plain_origin, block):
    w = weir(egress=block, cls="outbound h;" if "handler" in block else "")
    r = get(w, plain_origin, "/", "DELETE")
    assert r.status == 405 and r.get("Allow") == "GET, HEAD"
    assert get(w, plain_origin, "/", "PATCH").status == 405
    assert plain_origin.requests == []
    assert get(w, plain_origin, "/").status == 200
    assert get(w, plain_origin, "/", "HEAD").status == 200


def test_a_location_narrows_its_blocks_methods(weir, plain_origin):
    w = weir(egress="""
        host plain.test { methods GET PUT; location /in/ { methods PUT; } }
    """)
    assert get(w, plain_origin, "/in/").status == 405
    assert get(w, plain_origin, "/in/", "PUT").status == 200
    assert get(w, plain_origin, "/out/").status == 200


def test_handler_of_a_class(weir, plain_origin, origins):
    other = origins("other.test", tls=False)
    w = weir(
        egress="""
        handler h { location /no/ { return 410 gone; } }
        host other.test { }
        """,
        cls="outbound h;",
    )
    assert get(w, plain_origin, "/no/").body == b"gone"
    assert get(w, plain_origin, "/yes/").status == 200
    # A block comes before it.
    assert get(w, other, "/no/").status == 200


def test_unknown_handler(weir):
    w = weir(cls="outbound nobody;", start=False)
    done = w.run("-t")
    assert done.returncode == 1 and "nobody" in done.stderr


@pytest.mark.parametrize("block, a, b", [
    ("allow a.test; deny all;", 200, 403),
    ("deny b.test;", 200, 403),
    ("deny all;", 403, 403),
    ("deny b.test; allow all;", 200, 403),
    ("allow all; deny all;", 200, 200),
])  # fmt: skip
def test_allow_and_deny(weir, origins, block, a, b):
    first = origins("a.test", tls=False)
    second = origins("b.test", tls=False)
    w = weir(egress=f"host *.test {{ {block} }}")
    assert get(w, first, "/").status == a
    assert get(w, second, "/").status == b
    assert len(first.conns) == (a == 200)
    assert len(second.conns) == (b == 200)


def test_allow_opens_what_no_list_names(weir, plain_origin):
    nothing = """
        sandbox_class test { }
        sandbox box { class test; address 127.0.0.1; }
    """
    w = weir(egress=nothing + "host plain.test { allow all; }")
    assert get(w, plain_origin, "/").status == 200
    w = weir(egress=nothing + "host plain.test { via on; }")
    assert get(w, plain_origin, "/").status == 403


def test_shared_block_for_some_classes(weir, plain_origin):
    w = weir(egress="""
        host plain.test { classes one; return 200 one; }
        sandbox_class one { }
        sandbox_class two { allowed_hosts plain.test; }
        sandbox a { class one; address 127.0.0.1; }
        sandbox b { class two; address 127.0.0.2; }
    """)
    assert get(w, plain_origin, "/").body == b"one"
    target = f"http://{host(plain_origin)}/"
    with w.client(source="127.0.0.2") as c:
        r = c.get(target, host(plain_origin))
    assert r.body == b"hello from the origin\n"


@pytest.mark.parametrize("given, status, location, body", [
    ("200 text", 200, None, b"text"),
    ("200 \"$host $uri?$args\"", 200, None, b"plain.test /p?q=1"),
    ("204", 204, None, b""),
    ("599 odd", 599, None, b"odd"),
    ("301 https://b.test/", 301, "https://b.test/", b""),
    ("302 \"https://b.test$uri?$args\"", 302, "https://b.test/p?q=1", b""),
    ("303 /x", 303, "/x", b""),
    ("307 /x", 307, "/x", b""),
    ("308 /x", 308, "/x", b""),
])  # fmt: skip
def test_return(weir, plain_origin, given, status, location, body):
    w = weir(egress=f"host plain.test {{ return {given}; }}")
    r = get(w, plain_origin, "/p?q=1")
    assert (r.status, r.get("Location"), r.body) == (status, location, body)
    assert r.get("Server") == "weir"
    assert plain_origin.conns == []


@pytest.mark.parametrize("given", [
    "301", "302", "199", "600", "444", "305", "abc", "204 text", "304 text",
])  # fmt: skip
def test_return_that_is_refused(weir, given):
    w = weir(egress=f"host a.test {{ return {given}; }}", start=False)
    done = w.run("-t")
    assert done.returncode == 1 and "weir.conf:" in done.stderr
