"""Node's WebSocket clients: undici's, and `ws` with an agent for the proxy.
Neither holds the credential that the origin asks of the request."""

import hashlib

import pytest

from lib.clients import EGRESS, NODE_MODULES, TOKEN, need, run, url
from lib.websocket import (AGREED, ASKED, BINARY, CLOSE, DEFLATED, OFFERED,
                           PING, PONG, TEXT, Echo)  # fmt: skip

UNDICI = """
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

WS = """
const WebSocket = require('ws');
const { HttpsProxyAgent } = require('https-proxy-agent');
const { createHash, randomBytes } = require('crypto');
const [url, authorization] = process.argv.slice(1);
const sum = (data) => createHash('sha256').update(data).digest('hex');
const big = randomBytes(100_000);
const ws = new WebSocket(url.replace('https:', 'wss:'), {
    agent: new HttpsProxyAgent(process.env.https_proxy),
    headers: authorization ? { authorization } : {},
    perMessageDeflate: { threshold: 0 },
});
ws.on('upgrade', (r) => console.log(r.headers['sec-websocket-extensions']));
ws.on('open', () => ws.ping('and you?'));
ws.on('pong', (data) => {
    console.log('pong', data.toString());
    ws.send('squeeze '.repeat(1000));
});
ws.on('ping', (data) => console.log('ping', data.toString()));
ws.on('message', (data, isBinary) => {
    console.log('message', isBinary, data.length, sum(data));
    isBinary ? ws.close(4001, sum(big)) : ws.send(big);
});
ws.on('error', (e) => console.log('error', e.message));
ws.on('close', (code, reason) => console.log('closed', code, `${reason}`));
"""
SQUEEZE = b"squeeze " * 1000
PLACEHOLDER = "WEIR-PLACEHOLDER-0"
SUBSTITUTE = f"""
secret token env:TOKEN placeholder={PLACEHOLDER};
host origin.test {{ substitute token in header authorization; }}
"""


def node(w, package, code, *args):
    need("node", node=package)
    return run(w, "node", "-e", code, *args, env={"NODE_PATH": NODE_MODULES})


def digest(data):
    return hashlib.sha256(data).hexdigest().encode()


def test_undici(weir, origin, guarded):
    """Its request brings the credential as any other does."""
    echo = Echo()
    guarded(echo)
    w = weir(egress=EGRESS, env={"TOKEN": TOKEN})
    out = node(w, "undici", UNDICI, url(origin)).splitlines()
    words = [f"word{i}" for i in range(5)]
    assert out == words + ["closed 1000"]
    assert echo.pong == ASKED
    assert echo.messages == [word.encode() for word in words]
    assert echo.frames[-1] == (CLOSE, (1000).to_bytes(2, "big"))


@pytest.mark.parametrize(
    "egress, held",
    [(EGRESS, []), (SUBSTITUTE, [f"Bearer {PLACEHOLDER}"])],
    ids=["bearer", "placeholder"],
)
def test_ws(weir, origin, guarded, egress, held):
    """What it offers and sends comes as it was: compressed, in one frame."""
    echo = Echo(compresses=True)
    guarded(echo)
    w = weir(egress=egress, env={"TOKEN": TOKEN})
    need(node="https-proxy-agent")
    out = node(w, "ws", WS, url(origin), *held).splitlines()
    [request] = origin.requests
    assert request.get("sec-websocket-extensions") == OFFERED
    assert request.all("authorization") == [f"Bearer {TOKEN}"]
    assert PLACEHOLDER.encode() not in origin.raw
    ping, pong, text, binary, close = echo.frames
    assert (ping, pong) == ((PING, b"and you?"), (PONG, ASKED))
    assert text[0] == TEXT | DEFLATED and len(text[1]) < 100
    assert binary[0] == BINARY | DEFLATED and len(binary[1]) > 65536
    squeezed, big = echo.messages
    assert squeezed == SQUEEZE and len(big) == 100_000
    assert close == (CLOSE, (4001).to_bytes(2, "big") + digest(big))
    assert out == [
        AGREED,
        f"ping {ASKED.decode()}",
        "pong and you?",
        f"message false 8000 {digest(SQUEEZE).decode()}",
        f"message true 100000 {digest(big).decode()}",
        f"closed 4001 {digest(big).decode()}",
    ]
