"""What the user of each client named in docs/trust.md sees when weir says
no: the reason, where the client shows anything. Two refusals each: of a
CONNECT, and inside a tunnel, as `deny_inside` gives it for whole hosts. Here
are the clients that cost little; go_test, java_test, chromium_test, apt_test,
registry_test (npm inside) and node_test have their own."""

import pytest

from lib.clients import (DENYING, NODE_MODULES, PYTHON, TOKEN, attempt, need,
                         run, url)  # fmt: skip

CONNECT = "https://elsewhere.example/no/"
WHY_CONNECT = "elsewhere.example is blocked by egress policy"
WHY_INSIDE = "origin.test is blocked by egress policy"
STATUS = "response 403"  # all that some say of a refused CONNECT

PYTHONS = """
import asyncio, sys, urllib.request
import requests, httpx, aiohttp, grpc

proxy, *urls = sys.argv[1:]

def by_urllib(url):
    urllib.request.urlopen(url)

def by_requests(url):
    requests.get(url).raise_for_status()

def by_httpx(url):
    httpx.get(url).raise_for_status()

def by_aiohttp(url):
    async def get():
        async with aiohttp.ClientSession(raise_for_status=True) as session:
            await session.get(url, proxy=proxy)
    asyncio.run(get())

def by_grpc(url):
    trust = grpc.ssl_channel_credentials()
    with grpc.secure_channel(url.split("/")[2], trust) as channel:
        channel.unary_unary("/weir.Test/Call")(b"a word")

for name in [k for k in globals() if k.startswith("by_")]:
    for url in urls:
        try:
            globals()[name](url)
        except Exception as e:
            print(name[3:], type(e).__name__, " ".join(str(e).split()))
"""

PIP = """
import sys
from pip._internal.cli.main import main
for url in sys.argv[1:]:
    main(["download", "--no-deps", "--retries", "0",
          f"{url}a-1-py3-none-any.whl"])
"""

NODES = """
const https = require('https');
const { ProxyAgent, fetch, request } = require('undici');
const { HttpsProxyAgent } = require('https-proxy-agent');
const axios = require('axios'), WebSocket = require('ws');
const { OpenAI } = require('openai');
const dispatcher = new ProxyAgent(process.env.https_proxy);
const agent = new HttpsProxyAgent(process.env.https_proxy);
const show = (r, text) => { throw Error(`${r.statusText} ${text}`); };
const how = {
    async fetch(url) {
        const r = await fetch(url, { dispatcher });
        show(r, await r.text());
    },
    request: (url) => request(url, { dispatcher, throwOnError: true }),
    axios: (url) => axios.get(url).catch(
        (e) => show(e.response, JSON.stringify(e.response.data))),
    https: (url) => new Promise((_, fail) => https.get(url, { agent },
        (r) => fail(Error(r.statusMessage))).on('error', fail)),
    ws: (url) => new Promise((_, fail) => new WebSocket(
        url.replace('https:', 'wss:'), { agent }).on('error', fail)),
    openai: (url) => new OpenAI({ apiKey: 'none', baseURL: url, maxRetries: 0,
        fetchOptions: { dispatcher } }).models.list(),
};
(async () => {
    for (const name in how) for (const url of process.argv.slice(1)) {
        try {
            await how[name](url);
        } catch (e) {
            const all = [];
            for (; e; e = e.cause) all.push(e.message);
            console.log(name, all.join(' | ').replaceAll('\\n', ' '));
        }
    }
    process.exit();
})();
"""


@pytest.fixture
def w(weir, origin):
    return weir(egress=DENYING, env={"TOKEN": TOKEN})


@pytest.fixture
def inside(origin):
    yield url(origin, "/no/")
    assert origin.requests == []


def shown(w, *command):
    """All that it printed, of an attempt that failed."""
    done = attempt(w, *command)
    assert done.returncode != 0
    return done.stdout + done.stderr


def test_curl(w, inside):
    """The status, and the head with -v or -i; inside, the body."""
    done = attempt(w, "curl", "-sS", CONNECT)
    assert done.returncode != 0 and STATUS in done.stderr
    assert f"403 {WHY_CONNECT}" in attempt(w, "curl", "-sSv", CONNECT).stderr
    assert run(w, "curl", "-sS", inside).startswith(WHY_INSIDE + ": ")


def test_wget(w, inside):
    ca = f"--ca-certificate={w.ca()}"
    assert WHY_CONNECT in shown(w, "wget", "-nv", "-O-", ca, CONNECT)
    assert f"403: {WHY_INSIDE}" in shown(w, "wget", "-nv", "-O-", ca, inside)


def test_git(w, inside):
    """The status; inside, the body, which is plain text, as the server's."""
    assert STATUS in shown(w, "git", "ls-remote", CONNECT)
    assert f"remote: {WHY_INSIDE}: " in shown(w, "git", "ls-remote", inside)


def test_openssl_s_client(w):
    """Of a refused CONNECT alone; inside it shows what comes."""
    out = shown(
        w, "openssl", "s_client", "-proxy", f"127.0.0.1:{w.port}",
        "-connect", "elsewhere.example:443",
    )  # fmt: skip
    assert f"403 {WHY_CONNECT}" in out


def test_pip(w, inside):
    need(module="pip")
    done = attempt(w, PYTHON, "-c", PIP, CONNECT, inside)
    assert f"403 {WHY_CONNECT}" in done.stderr
    assert f"403 Client Error: {WHY_INSIDE}" in done.stderr


def test_npm(w):
    need("npm")
    done = attempt(
        w, "npm", "view", "it", f"--registry={CONNECT}",
        env={"npm_config_update_notifier": "false"},
    )  # fmt: skip
    assert f"403 {WHY_CONNECT}" in done.stderr


def by_client(out):
    """The two lines of each client."""
    found = {}
    for line in out.splitlines():
        found.setdefault(line.split()[0], []).append(line)
    assert all(len(lines) == 2 for lines in found.values()), out
    return found


def test_python(w, inside):
    """gRPC alone shows no more than the status."""
    for module in ("requests", "httpx", "aiohttp", "grpc"):
        need(module=module)
    out = run(w, PYTHON, "-c", PYTHONS, w.proxy, CONNECT, inside)
    found = by_client(out)
    first, second = found.pop("grpc")
    assert "response code 403" in first
    assert "no application protocol" in second, "HTTP/2 alone"
    assert list(found) == ["urllib", "requests", "httpx", "aiohttp"]
    for first, second in found.values():
        assert WHY_CONNECT in first and WHY_INSIDE in second


def test_node(w, inside):
    """undici shows the status of a refused CONNECT alone, so what stands on
    it does (openai, fetch); ws shows the status of any."""
    for package in ("undici", "https-proxy-agent", "axios", "ws", "openai"):
        need("node", node=package)
    env = {"NODE_PATH": NODE_MODULES}
    out = run(w, "node", "-e", NODES, CONNECT, inside, env=env)
    found = by_client(out)
    for line in found.pop("ws"):
        assert "403" in line
    for name in ("fetch", "request", "openai"):
        first, second = found.pop(name)
        assert "Proxy response (403)" in first and WHY_INSIDE in second
    assert list(found) == ["axios", "https"]
    for first, second in found.values():
        assert WHY_CONNECT in first and WHY_INSIDE in second


def test_deny_inside(weir):
    """What showed the status alone shows the reason."""
    w = weir(egress="deny_inside on;")
    assert WHY_CONNECT in run(w, "curl", "-sS", CONNECT)
    assert f"remote: {WHY_CONNECT}" in shown(w, "git", "ls-remote", CONNECT)


def test_git_and_its_token(weir, origin):
    """It begins without the credentials that it was given, and is asked; a
    wrong token is a warning with a message of its own."""
    w = weir(
        sandbox="address 127.0.0.9; token file:{{dir}}/token;",
        files={"token": TOKEN},
    )
    for word, is_right in ((TOKEN, True), ("wrong-0123456789", False)):
        env = {"https_proxy": w.proxy.replace("//", f"//box:{word}@")}
        done = attempt(w, "git", "ls-remote", url(origin), env=env)
        assert done.returncode != 0  # the origin is no repository
        assert ("response 407" in done.stderr) is not is_right
    log = w.error_log()
    warned = [k for k in log.splitlines() if "[warn]" in k]
    assert warned and all("no sandbox's" in k for k in warned)
    assert "[info]" in log and "needs a sandbox's credentials" in log
    assert TOKEN not in log and "wrong-0123456789" not in log
