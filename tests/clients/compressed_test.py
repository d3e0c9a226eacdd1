"""Real clients read what weir inflated, looked through and deflated again."""

import os
import zlib

import pytest

from chromium_test import browse  # noqa: F401 (a fixture)
from lib.clients import EGRESS, PYTHON, TOKEN, environment, need, run, url
from lib.git import GitBackend, git, make_repository
from lib.http import reply
from lib.wait import DEADLINE, until

pytestmark = pytest.mark.egress("redact on;")

LINES = "".join(f"line {i} {'of many' if i % 7 else TOKEN}\n" for i in range(5000))
CLEAN = LINES.replace(TOKEN, "*" * len(TOKEN))

REQUESTS = """
import sys, requests
with requests.Session() as s:
    for path in sys.argv[2:]:
        sys.stdout.write(s.get(sys.argv[1] + path).text)
    r = s.get(sys.argv[1] + "gzip", stream=True)
    for line in r.iter_lines(): print(line.decode())
    try:
        print(s.get(sys.argv[1] + "cut").text)
    except requests.exceptions.RequestException as e:
        print(type(e).__name__)
"""

HTTPX = """
import sys, httpx
with httpx.Client() as client:
    for path in sys.argv[2:]:
        sys.stdout.write(client.get(sys.argv[1] + path).text)
    try:
        print(client.get(sys.argv[1] + "cut").text)
    except httpx.HTTPError as e:
        print(type(e).__name__)
"""

# As clients_test.py's: fetch() of node 18 and 20 has no proxy of its own.
NODE = """
const tls = require('tls'), http = require('http');
const proxy = new URL(process.env.https_proxy);
function connect(o, done) {
    http.request({ host: proxy.hostname, port: proxy.port, method: 'CONNECT',
        path: `${o.hostname}:${o.port}` }).on('connect', (res, socket) => {
        const s = tls.connect({ socket, servername: o.hostname },
            () => done(null, s));
        s.on('error', done);
    }).on('error', done).end();
}
(async () => {
    await fetch('data:,');
    const dispatcher = globalThis[Symbol.for('undici.globalDispatcher.1')];
    const agent = new dispatcher.constructor({ connect });
    for (const path of process.argv.slice(2)) {
        const r = await fetch(process.argv[1] + path, { dispatcher: agent });
        process.stdout.write(await r.text());
    }
    try {
        const r = await fetch(process.argv[1] + 'cut', { dispatcher: agent });
        console.log(await r.text());
    } catch (e) {
        console.log('broken off');
    }
    await agent.close();
})();
"""

PAGE = """<!DOCTYPE html><title>%s</title><script>
(async () => {
    const text = await (await fetch('/gzip')).text();
    let cut = 'whole';
    try { await (await fetch('/cut')).text(); } catch (e) { cut = 'cut'; }
    await fetch('/done', { method: 'POST',
        body: [document.title, cut, text].join('\\n') });
})();
</script>
""" % TOKEN


def pack(text, wbits=31):
    z = zlib.compressobj(6, zlib.DEFLATED, wbits)
    return z.compress(text.encode()) + z.flush()


ANSWERS = {
    "/gzip": (pack(LINES), "gzip"),
    "/members": (pack(LINES[:700]) + pack(LINES[700:]), "gzip"),
    "/deflate": (pack(LINES, 15), "deflate"),
    "/raw": (pack(LINES, -15), "deflate"),
    "/cut": (pack(LINES)[:-9], "gzip"),
    "/": (pack(PAGE), "gzip"),
}
PATHS = ["gzip", "members", "deflate", "raw"]


def answer(conn, request):
    """Compressed for those who can read it."""
    if request.target not in ANSWERS:
        return reply("ok\n")
    body, coding = ANSWERS[request.target]
    if coding not in ",".join(request.all("accept-encoding")):
        return reply(LINES)
    kind = "text/html" if request.target == "/" else "text/plain"
    return reply(
        body, headers=[("Content-Encoding", coding), ("Content-Type", kind)]
    )


@pytest.fixture
def packed(weir, guarded):
    guarded(answer)
    return weir(egress=EGRESS, env={"TOKEN": TOKEN})


def test_curl_compressed(packed, origin):
    for option in (["--compressed"], []):
        out = run(
            packed, "curl", "-sS", *option, *[url(origin, "/" + p) for p in PATHS]
        )
        assert out == CLEAN * len(PATHS)
    code = run(
        packed, "sh", "-c", f"curl -sS --compressed {url(origin, '/cut')} "
        ">/dev/null 2>&1; echo $?",
    )  # fmt: skip
    assert code == "18\n"  # CURLE_PARTIAL_FILE


def test_python_requests(packed, origin):
    out = run(packed, PYTHON, "-c", REQUESTS, url(origin), *PATHS)
    assert out == CLEAN * (len(PATHS) + 1) + "ChunkedEncodingError\n"


def test_httpx(packed, origin):
    need(module="httpx")
    out = run(packed, PYTHON, "-c", HTTPX, url(origin), *PATHS)
    assert out == CLEAN * len(PATHS) + "RemoteProtocolError\n"


def test_node_fetch(packed, origin):
    out = run(packed, "node", "-e", NODE, url(origin), *PATHS)
    assert out == CLEAN * len(PATHS) + "broken off\n"


@pytest.mark.heavy
def test_chromium(packed, origin, browse):  # noqa: F811
    browse(packed, url(origin))
    posts = lambda: [r for r in origin.requests if r.target == "/done"]
    until(posts, "the page's word", DEADLINE * 3)
    stars = "*" * len(TOKEN)
    assert posts()[0].body.decode() == f"{stars}\ncut\n{CLEAN}"


def test_git(weir, origin, tmp_path):
    """Advertisements and packs in gzip, byte for byte: git checks them."""
    make_repository(str(tmp_path))
    packed = []

    class Backend(GitBackend):
        def __call__(self, conn, request):
            out = super().__call__(conn, request)
            head, _, body = out.partition(b"\r\n\r\n")
            if "gzip" not in request.get("accept-encoding", ""):
                return out
            packed.append(request.target)
            z = zlib.compressobj(6, zlib.DEFLATED, 31)
            body = z.compress(body) + z.flush()
            lines = [
                line
                for line in head.split(b"\r\n")
                if not line.lower().startswith(b"content-length")
            ]
            lines.append(b"Content-Encoding: gzip")
            lines.append(b"Content-Length: %d" % len(body))
            return b"\r\n".join(lines) + b"\r\n\r\n" + body

    origin.default = Backend(str(tmp_path), f"Bearer {TOKEN}")
    w = weir(egress=EGRESS, env={"TOKEN": TOKEN})
    env, directory = environment(w), str(tmp_path / "clone")
    git("clone", "-q", url(origin, "/project.git"), directory, env=env)
    with open(os.path.join(directory, "big"), "wb") as f:
        f.write(os.urandom(1 << 20))
    git("add", "big", cwd=directory, env=env)
    git("commit", "-q", "-m", "second", cwd=directory, env=env)
    git("push", "-q", "origin", "main", cwd=directory, env=env)
    again = str(tmp_path / "again")
    git("clone", "-q", url(origin, "/project.git"), again, env=env)
    with open(os.path.join(directory, "big"), "rb") as a:
        with open(os.path.join(again, "big"), "rb") as b:
            assert a.read() == b.read()
    assert len(packed) >= 6
