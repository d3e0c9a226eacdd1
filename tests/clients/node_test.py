"""Node's clients from npm: axios, and undici with its ProxyAgent; and
node-proxy.cjs, for those that know no proxy."""

import socket

import pytest

from lib.clients import EGRESS, NODE_MODULES, TOKEN, need, run, url
from lib.example import CONF
from lib.http import reply

AXIOS = """
const axios = require('axios'), https = require('https'), fs = require('fs');
(async () => {
    for (let i = 0; i < 3; i++) {
        const r = await axios.post(process.argv[1], `sent${i}`);
        process.stdout.write(r.data);
    }
    const many = await Promise.all([...Array(20).keys()].map(
        (i) => axios.get(process.argv[1])));
    process.stdout.write(many.map((r) => r.data).join(''));
    try {
        await axios.get('https://elsewhere.example/');
    } catch (e) {
        console.log(e.response.status, e.response.headers['proxy-status']);
    }
})();
"""

UNDICI = """
const { ProxyAgent, fetch, request } = require('undici');
const url = process.argv[1];
const dispatcher = new ProxyAgent(process.env.https_proxy);
(async () => {
    const many = await Promise.all([...Array(30).keys()].map((i) =>
        fetch(url, { method: 'POST', body: `sent${i}`, dispatcher })));
    for (const r of many) process.stdout.write(await r.text());
    const r = await request(url, { dispatcher });
    process.stdout.write(await r.body.text());
    try {
        await fetch('https://elsewhere.example/', { dispatcher });
    } catch (e) {
        console.log(e.cause.cause.message);
    }
    await dispatcher.close();
})();
"""

PRELOADED = """
import { get } from 'node:https';
const [url, direct] = process.argv.slice(2);
const ask = (...where) => new Promise((resolve) => get(...where, (r) => {
    r.on('data', (data) => resolve(`${r.statusCode} ${data}`));
}).on('error', (e) => resolve(e.message + '\\n')));
process.stdout.write(await ask(url));
process.stdout.write(await ask(url, { createConnection() {},
                                     headers: { Upgrade: 'websocket' } }));
process.stdout.write(await ask('https://elsewhere.example/'));
process.stdout.write(await ask(direct));
process.exit();
"""

FETCHED = """
const [url, plain, direct] = process.argv.slice(2);
const say = async (ask) => {
    try {
        const r = await ask();
        process.stdout.write(`${r.status} ${await r.text()}`);
    } catch (e) {
        console.log(e.name, e.cause ? e.cause.message : '');
    }
};
await say(() => fetch(url));
await say(() => fetch(new Request(url, { method: 'POST', body: 'sent' })));
await say(() => fetch(url, { method: 'PUT', duplex: 'half',
    body: new ReadableStream({ async start(to) {
        for (const part of ['in ', 'parts']) {
            to.enqueue(new TextEncoder().encode(part));
            await new Promise(setImmediate);
        }
        to.close();
    } }) }));
await say(() => fetch(url + 'redirect'));
await say(() => fetch(plain));
await say(() => fetch('https://elsewhere.example/'));
await say(() => fetch(direct));
await say(() => fetch(url, { signal: AbortSignal.abort() }));
const many = await Promise.all([...Array(20).keys()].map((i) =>
    fetch(url, { method: 'POST', body: `${i}` }).then((r) => r.text())));
console.log(many.join(',').replace(/\\n/g, ''));
const trickle = await fetch(url + 'trickle');
let n = 0;
for await (const part of trickle.body) n += part.length;
console.log(n);
const stop = new AbortController();
const endless = await fetch(url + 'endless', { signal: stop.signal });
await endless.body.getReader().read();
stop.abort();
console.log('end');
"""

BOX_TOKEN = "box-token-0123456789"

DENIED = 'weir; error=http_request_denied; details="'


def node(w, code, *args):
    need("node")
    return run(w, "node", "-e", code, *args, env={"NODE_PATH": NODE_MODULES})


def test_axios(served, origin):
    need(node="axios")
    out = node(served, AXIOS, url(origin)).splitlines()
    assert out[:3] == [f"hello POST sent{i}" for i in range(3)]
    assert out[3:23] == ["hello GET "] * 20
    assert out[23].startswith("403 " + DENIED), "it shows why"


def test_undici_proxy_agent(served, origin):
    need(node="undici")
    out = node(served, UNDICI, url(origin)).splitlines()
    assert out[:30] == [f"hello POST sent{i}" for i in range(30)]
    assert out[30] == "hello GET "
    assert "403" in out[31]


def test_preload(weir, origin, guarded, pki):
    """A token for the proxy, the reason of a refusal, and no_proxy: weir does
    not bring a credential there."""
    need("node")
    guarded(lambda conn, request: reply("in\n"))
    origin.context.load_cert_chain(*pki.leaf("origin.test", "127.0.0.1"))
    w = weir(
        egress=EGRESS, env={"TOKEN": TOKEN}, files={"token": BOX_TOKEN},
        sandbox="address 127.0.0.9; token file:{{dir}}/token;",
    )  # fmt: skip
    ca = open(w.ca()).read() + open(pki.ca).read()
    out = run(
        w, "node", w.write("preloaded.mjs", PRELOADED), url(origin),
        f"https://127.0.0.1:{origin.port}/",
        env={
            "NODE_OPTIONS": f"--require={CONF}/node-proxy.cjs",
            "NODE_EXTRA_CA_CERTS": w.write("both.pem", ca),
            "https_proxy": w.proxy.replace("//", f"//box:{BOX_TOKEN}@"),
            "no_proxy": "localhost, 127.0.0.1",
        },
    )  # fmt: skip
    lines = out.splitlines()
    assert lines[:2] == ["200 in"] * 2
    refused = "CONNECT elsewhere.example:443: 403 weir; error="
    assert lines[2].startswith(refused)
    assert lines[3:] == ["401 who?"]


@pytest.fixture
def in_box(weir, origin, pki, origins):
    """run(script, *args) with node-proxy.cjs in a sandbox that has a token;
    weir brings the credential to origin.test."""
    need("node")
    origins("plain.test", tls=False).default = lambda conn, request: reply(
        f"plain {request.target}\n"
    )
    w = weir(
        egress=EGRESS, env={"TOKEN": TOKEN}, files={"token": BOX_TOKEN},
        sandbox="address 127.0.0.9; token file:{{dir}}/token;",
    )  # fmt: skip
    ca = open(w.ca()).read() + open(pki.ca).read()
    proxy = w.proxy.replace("//", f"//box:{BOX_TOKEN}@")

    def run_script(script, *args, proxy=proxy):
        return run(
            w, "node", w.write("script.mjs", script), *args,
            env={
                "NODE_OPTIONS": f"--require={CONF}/node-proxy.cjs",
                "NODE_EXTRA_CA_CERTS": w.write("both.pem", ca),
                "http_proxy": proxy,
                "https_proxy": proxy,
                "no_proxy": "localhost, 127.0.0.1",
                "NODE_USE_ENV_PROXY": "",
            },
        ).splitlines()  # fmt: skip

    return run_script


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def greet(conn, request):
    if request.target == "/redirect":
        return reply(b"", "307 Temporary Redirect", [("Location", "/moved")])
    if request.target == "/trickle":
        return CHUNKED + (b"64\r\n" + b"x" * 100 + b"\r\n") * 50 + b"0\r\n\r\n"
    if request.target == "/endless":
        return CHUNKED + b"1\r\nx\r\n"
    body = request.body.decode()
    return reply(f"{request.method} {request.target} {body}\n")


def test_fetch(in_box, origin, origins, guarded, pki):
    """Node's own, with all that it does itself: bodies in streams, redirects,
    signals; an error has weir's reason."""
    guarded(greet)
    origin.context.load_cert_chain(*pki.leaf("origin.test", "127.0.0.1"))
    plain = origins.made[-1]
    lines = in_box(
        FETCHED, url(origin), f"http://plain.test:{plain.port}/p?q",
        f"https://127.0.0.1:{origin.port}/",
    )  # fmt: skip
    assert lines[:5] == [
        "200 GET / ", "200 POST / sent", "200 PUT / in parts",
        "200 GET /moved ", "200 plain /p?q",
    ]  # fmt: skip
    refused = "TypeError CONNECT elsewhere.example:443: 403 weir; error="
    assert lines[5].startswith(refused)
    assert lines[6:8] == ["401 who?", "AbortError "]
    assert lines[8] == ",".join(f"POST / {i}" for i in range(20))
    assert lines[9:] == ["5000", "end"]


SET = """
const { Agent, ProxyAgent, setGlobalDispatcher } = (await import(
    process.argv[2])).default;
setGlobalDispatcher(new ProxyAgent('http://127.0.0.1:1'));
try {
    await fetch('https://elsewhere.example/');
} catch (e) {
    console.log(e.cause.code);
}
"""


def test_a_dispatcher_of_the_programs_own(in_box):
    need(node="undici")
    assert in_box(SET, f"{NODE_MODULES}/undici/index.js") == ["ECONNREFUSED"]


SILENT = """
const later = setTimeout;
globalThis.setTimeout = (fn, ms, ...rest) =>
    later(fn, ms === 10000 ? 1 : ms, ...rest);
try {
    await fetch('https://origin.test/');
} catch (e) {
    console.log(e.cause.message);
}
"""


def test_a_proxy_that_does_not_answer(in_box):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        proxy = f"http://127.0.0.1:{silent.getsockname()[1]}"
        lines = in_box(SILENT, proxy=proxy)
    assert lines == ["no connection to origin.test:443 in time"]
