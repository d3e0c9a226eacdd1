"""Attacks by a hostile sandbox or origin: each found something once, or might
have."""

import pytest

from lib.http import reply


def host(origin):
    return f"{origin.names[0]}:{origin.port}"


@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_own_answer_to_head_has_no_body(weir, method):
    """A body behind it would be read as the next response."""
    w = weir()
    with w.client() as c:
        for _ in range(2):
            r = c.request(method, "http://no.example/", "no.example")
            assert r.status == 403 and int(r.get("Content-Length")) > 0
            assert c.reader.buffer == b""
        assert c.get("http://no.example/", "no.example").status == 403
