"""A weir without one of its modules: what must still hold."""

import gzip

import pytest

from lib.http import reply
from lib.program import configure, link

pytestmark = pytest.mark.builds


def build_without(tmp_path_factory, name):
    objs = tmp_path_factory.mktemp("without")
    configure(objs, f"--without-{name}_module")
    return link(objs)


@pytest.fixture(scope="module")
def without_policy(tmp_path_factory):
    return build_without(tmp_path_factory, "policy")


@pytest.fixture(scope="module")
def without_gzip_stream(tmp_path_factory):
    return build_without(tmp_path_factory, "gzip_stream")


@pytest.mark.parametrize("intercept", ["on", "off"])
def test_nobody_judges_requests(
    weir, origin, without_policy, monkeypatch, intercept
):
    """What is allowed does not leave, since nobody has said so."""
    monkeypatch.setattr("lib.weir.BINARY", without_policy)
    w = weir(
        egress=f"host origin.test {{ intercept {intercept}; }}",
        cls="allowed_hosts origin.test;",
    )
    name = f"origin.test:{origin.port}"
    with w.tunnel("origin.test", origin.port) as c:
        c.send(f"GET / HTTP/1.1\r\nHost: {name}\r\n\r\n")
        assert c.is_closed()
    with w.client() as c:
        c.send(f"GET http://{name}/ HTTP/1.1\r\nHost: {name}\r\n\r\n")
        assert c.is_closed()
    w.wait_log("no module has judged the request")
    assert origin.conns == []


SECRET = "s3cret-0123456789-value"
TEXT = f"x {SECRET} y"
MASKED = TEXT.replace(SECRET, "*" * len(SECRET)).encode()
PACKED = gzip.compress(TEXT.encode())


@pytest.fixture
def coded_origin(origin):
    fields = [("Content-Type", "text/plain")]
    origin.on("/plain", reply(TEXT, headers=fields))
    fields.append(("Content-Encoding", "gzip"))
    origin.on("/packed", reply(PACKED, headers=fields))
    return origin


def fetch_both(weir, origin, redact, sent):
    """The answers for a body as it is, and for a compressed one; the log."""
    w = weir(
        egress="secret token env:TOKEN; host origin.test "
        f"{{ bearer $secret_token; redact {redact}; }}",
        env={"TOKEN": SECRET},
    )
    name = f"origin.test:{origin.port}"
    with w.tunnel("origin.test", origin.port) as c:
        both = [
            c.request("GET", path, name, [("Accept-Encoding", sent)])
            for path in ("/plain", "/packed")
        ]
    w.stop()
    return *both, w.error_log()


def asked_for(origin):
    return [r.get("accept-encoding") for r in origin.requests]


def test_no_coding_is_read(
    weir, coded_origin, without_gzip_stream, monkeypatch
):
    """A body that must be seen is asked for as it is; one that comes
    compressed all the same does not arrive."""
    monkeypatch.setattr("lib.weir.BINARY", without_gzip_stream)
    plain, packed, log = fetch_both(weir, coded_origin, "on", "gzip, deflate")
    assert asked_for(coded_origin) == ["identity", "identity"]
    assert (plain.status, plain.body) == (200, MASKED)
    assert packed.status == 502
    assert packed.get("proxy-status").startswith(
        "weir; error=http_response_content_coding; details="
    )
    assert PACKED not in packed.body and SECRET.encode() not in packed.body
    assert "content coding that cannot be read" in log


def test_a_coding_that_is_not_read_passes_as_it_comes(
    weir, coded_origin, without_gzip_stream, monkeypatch
):
    """Where bodies are looked through as far as they can be: and the log says
    that this one could not be."""
    monkeypatch.setattr("lib.weir.BINARY", without_gzip_stream)
    plain, packed, log = fetch_both(weir, coded_origin, "text", "x-gzip;q=0.5")
    assert asked_for(coded_origin) == ["identity", "identity"]
    assert (plain.status, plain.body) == (200, MASKED)
    assert (packed.status, packed.body) == (200, PACKED)
    assert "is looked through as it comes" in log


def test_its_directives_are_not_known(weir, without_gzip_stream, monkeypatch):
    monkeypatch.setattr("lib.weir.BINARY", without_gzip_stream)
    for directive in ("gunzip_ratio 100;", "gzip_comp_level 1;"):
        w = weir(egress=directive, start=False)
        done = w.run("-t")
        assert done.returncode != 0
        assert f'unknown directive "{directive.split()[0]}"' in done.stderr


def test_it_is_the_module_that_reads_them(weir, coded_origin):
    """The same in the whole build."""
    plain, packed, _ = fetch_both(weir, coded_origin, "on", "gzip, deflate")
    assert asked_for(coded_origin) == ["gzip, deflate", "gzip, deflate"]
    assert (plain.status, packed.status) == (200, 200)
    assert gzip.decompress(packed.body) == MASKED
