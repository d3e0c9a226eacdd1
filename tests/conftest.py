"""Fixtures for every test that runs weir. A test reads like this:

    def test_injects(weir, origin):
        w = weir(egress="host origin.test { bearer $secret_t; } …")
        with w.tunnel("origin.test", origin.port) as c:
            assert c.get("/", f"origin.test:{origin.port}").status == 200
"""

import contextlib
import itertools
import os
import shutil
import tempfile

import pytest

from lib.coded import Steps
from lib.dns import Dns
from lib.http import Response
from lib.netns import NetNs
from lib.origin import Canary, Origin
from lib.pki import Pki
from lib.weir import BINARY, Weir


def pytest_addoption(parser):
    parser.addoption("--long", action="store_true", help="long tests too")


def pytest_collection_modifyitems(config, items):
    if not config.getoption("--long"):
        skip = pytest.mark.skip(reason="only with --long")
        for item in items:
            if "long" in item.keywords:
                item.add_marker(skip)
    items.sort(key=lambda item: "slow" not in item.keywords)


def pytest_terminal_summary(terminalreporter):
    """How to run what failed, and nothing else."""
    stage = os.environ.get("WEIR_TEST_STAGE", "flow")
    stats = terminalreporter.stats
    for report in stats.get("failed", []) + stats.get("error", []):
        terminalreporter.write_line(
            f"again: auto/test {stage} 'tests/{report.nodeid}'"
        )


@pytest.fixture(scope="session", autouse=True)
def own_network():
    """As root: no port of another test's, nor of the machine's, is taken, and
    nothing leaves."""
    if os.geteuid() != 0:
        yield
        return
    net = NetNs(everywhere=False)
    yield
    net.leave()


@pytest.fixture(scope="session")
def session_dir():
    path = tempfile.mkdtemp(prefix="weir-test.")
    os.chmod(path, 0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def numbers():
    """For names without chance: a random one may hold what a test wants not
    to find in a log."""
    return itertools.count(1)


@pytest.fixture(scope="session")
def pki(session_dir):
    return Pki(os.path.join(session_dir, "pki"))


@pytest.fixture(scope="session")
def rogue_pki(session_dir):
    """A CA that nobody trusts."""
    return Pki(os.path.join(session_dir, "rogue"), "Rogue CA")


@pytest.fixture
def urgent():
    """For a test of how long weir takes: little else runs meanwhile. As root,
    and for the processes and threads that are started from here on."""
    before = os.getpriority(os.PRIO_PROCESS, 0)
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, -15)
    yield
    os.setpriority(os.PRIO_PROCESS, 0, before)


@pytest.fixture
def origins(pki):
    """Makes origins: origins("a.test", "b.test", tls=False)."""
    made = []

    def make(*names, **options):
        made.append(Origin(options.pop("pki", pki), names, **options))
        return made[-1]

    make.made = made
    yield make
    for origin in made:
        origin.close()


@pytest.fixture
def origin(origins):
    """The TLS origin of most tests: origin.test."""
    return origins("origin.test")


@pytest.fixture
def plain_origin(origins):
    """An origin without TLS: plain.test."""
    return origins("plain.test", tls=False)


@pytest.fixture
def open_steps(origin):
    """open_steps(w, *headers): a response of the origin's that comes in steps,
    its head read; and who reads it."""
    made = []

    def make(w, *headers):
        lines = ["HTTP/1.1 200 OK", "Transfer-Encoding: chunked", *headers]
        made.append(Steps(origin, "\r\n".join(lines).encode() + b"\r\n\r\n"))
        c = w.tunnel("origin.test", origin.port)
        host = f"{origin.names[0]}:{origin.port}"
        c.send(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")
        assert c.reader.head(Response).status == 200
        return made[-1], c

    yield make
    for steps in made:
        steps.queue.put(b"")


@pytest.fixture
def canaries():
    """Makes canaries: canaries("127.0.0.9", port)."""
    made = []

    def make(address="127.0.0.1", port=0):
        made.append(Canary(address, port))
        return made[-1]

    yield make
    for canary in made:
        canary.assert_untouched()
        canary.close()


@pytest.fixture
def canary(canaries):
    return canaries()


@pytest.fixture
def netns():
    if os.geteuid() != 0:
        pytest.skip("needs root")
    net = NetNs()
    yield net
    net.leave()


@pytest.fixture
def dns():
    server = Dns()
    yield server
    server.close()


@pytest.fixture
def weir(numbers, request, session_dir, pki, origins):
    """Makes and starts a weir: weir(egress=…, main=…, cls=…, sandbox=…,
    env={…}, files={name: text}, values={name: value}, start=True). All
    origins that the test made before are resolved and their ports open."""
    made = []
    mark = request.node.get_closest_marker("egress")
    if not os.path.exists(BINARY):
        pytest.fail(f"no program {BINARY}: build it or set WEIR_BIN")

    def make(start=True, env=None, files=None, values=None, **parts):
        path = os.path.join(session_dir, f"w{next(numbers)}")
        os.mkdir(path)
        os.chmod(path, 0o755)
        w = Weir(path, pki, origins.made)
        made.append(w)
        w.env.update(env or {})
        w.values.update(values or {})
        if mark is not None:
            parts["egress"] = f"{mark.args[0]}\n{parts.get('egress', '')}"
        for name, text in (files or {}).items():
            w.write(name, text)
        conf = parts.pop("conf", None)
        conf = w.config(**parts) if conf is None else conf
        w.configure(conf)
        return w.start() if start else w

    yield make
    errors = []
    for w in made:
        try:
            w.finish()
        except AssertionError as e:
            errors.append(e)
        if not errors:
            shutil.rmtree(w.dir, ignore_errors=True)
    if errors:
        raise errors[0]
