"""A weir without one of its modules: what must still hold."""

import pytest

from lib.program import configure, link

pytestmark = pytest.mark.builds


@pytest.fixture(scope="module")
def without_policy(tmp_path_factory):
    objs = tmp_path_factory.mktemp("without")
    configure(objs, "--without-host_match_module")
    return link(objs)


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
