"""Node's clients from npm: axios, and undici with its ProxyAgent; and
node-proxy.cjs, for those that know no proxy."""

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
