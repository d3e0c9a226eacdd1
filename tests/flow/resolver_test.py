"""The system's name servers, which change while weir runs: as root, with a
resolv.conf of the test's own in a mount namespace of weir's."""

import itertools
import os

import pytest

from lib.dns import Dns
from lib.wait import until

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

MOUNT = "mount --bind {}/resolv.conf /etc/resolv.conf && exec \"$@\""
NAMES = [f"n{i}.names.test" for i in range(500)]
RECORDS = {name: ["127.0.0.1"] for name in NAMES}


def serve(last):
    return Dns(RECORDS, address=(f"127.0.0.{last}", 53))


def system(last):
    return f"nameserver 127.0.0.{last}\n"


@pytest.fixture
def start(weir):
    def make(text):
        w = weir(start=False, files={"resolv.conf": text})
        command = w.command
        wrap = ["unshare", "-m", "--propagation", "private", "sh", "-c",
                MOUNT.format(w.dir), "sh"]  # fmt: skip
        w.command = lambda *args: [*wrap, *command(*args)]
        return w.start()

    return make


def ask(w, origin, name):
    url = f"{name}:{origin.port}"
    with w.client() as c:
        return c.get(f"http://{url}/", url).status


def test_servers_that_change(start, plain_origin):
    names = iter(NAMES)
    first = serve(88)
    w = start(system(88))
    assert ask(w, plain_origin, next(names)) == 200
    first.close()
    second = serve(89)
    with open(w.path("resolv.conf"), "w") as f:  # mounted: the same file
        f.write(system(89))
    until(lambda: ask(w, plain_origin, next(names)) == 200, "the new server")
    w.wait_log("resolv.conf has changed")
    assert w.error_log().count("has changed") == 1
    second.close()


def test_that_none_answers_is_told_once(start, plain_origin):
    names = iter(NAMES)
    w = start(system(88))
    for name in itertools.islice(names, 3):
        assert ask(w, plain_origin, name) == 502
    assert w.error_log().count("no name server answers") == 1
    server = serve(88)
    assert ask(w, plain_origin, next(names)) == 200
    server.close()
    assert ask(w, plain_origin, next(names)) == 502
    assert w.error_log().count("no name server answers") == 2
