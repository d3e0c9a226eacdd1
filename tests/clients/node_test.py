"""Node's clients from npm: axios, and undici with its ProxyAgent and its
WebSocket."""

import base64
import hashlib

from lib.clients import EGRESS, NODE_MODULES, TOKEN, need, run, url

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

WEBSOCKET = """
const { ProxyAgent, WebSocket } = require('undici');
const url = process.argv[1].replace('https:', 'wss:');
const dispatcher = new ProxyAgent(process.env.https_proxy);
const ws = new WebSocket(url, { dispatcher });
let n = 0;
ws.onopen = () => ws.send('word0');
ws.onmessage = (e) => {
    console.log(e.data);
    n++ < 4 ? ws.send(`word${n}`) : ws.close(1000);
};
ws.onerror = (e) => console.log('error', e.message || e.error.message);
ws.onclose = (e) => {
    console.log('closed', e.code);
    dispatcher.destroy();
};
"""
WEBSOCKET_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

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


def echo_frames(conn, request):
    """Switches to RFC 6455 and echoes short frames; after the closing one
    the server hangs up first."""
    key = request.get("sec-websocket-key") + WEBSOCKET_GUID
    accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
    conn.send(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {accept}\r\n\r\n".encode()
    )
    kind = 0
    while kind != 0x88:
        kind, length = conn.reader.exactly(2)
        mask = conn.reader.exactly(4)
        data = conn.reader.exactly(length & 0x7F)
        data = bytes(b ^ mask[i % 4] for i, b in enumerate(data))
        conn.send(bytes([kind, len(data)]) + data)
    conn.close()


def test_websocket(weir, origin, guarded):
    """Its request brings the credential as any other does."""
    need(node="undici")
    guarded(echo_frames)
    w = weir(egress=EGRESS, env={"TOKEN": TOKEN})
    out = node(w, WEBSOCKET, url(origin)).splitlines()
    assert out == [f"word{i}" for i in range(5)] + ["closed 1000"]
