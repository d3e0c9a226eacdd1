"""Clients that send all of a large body before they read: an answer that came
meanwhile is what they show, and not a connection that broke."""

import pytest

from lib.clients import NODE_MODULES, PYTHON, TOKEN, need, run, url
from lib.http import reply

EGRESS = """
lingering_time 60s;
secret token env:TOKEN;
host origin.test {
    bearer $secret_token;
    location /limited { client_max_body_size 1m; }
}
"""
PYTHON_CODE = """
import io, sys, urllib.error, urllib.request, httpx, requests
body = b"a" * 12_000_000
for url in sys.argv[1:]:
    print(requests.post(url, data=body).status_code)
    print(httpx.post(url, content=body).status_code)
    print(httpx.post(url, content=iter([body, body])).status_code)
    try:
        urllib.request.urlopen(url, data=body)
    except urllib.error.HTTPError as e:
        print(e.code)
"""
NODE_CODE = """
const axios = require('axios'), { Readable } = require('stream');
const undici = require('undici');
const dispatcher = new undici.ProxyAgent(process.env.https_proxy);
const method = 'POST', body = Buffer.alloc(12e6), duplex = 'half';
(async () => {
    for (const url of process.argv.slice(1)) {
        const parts = Readable.from([body, body]);
        for (const more of [{ body }, { body: parts, duplex }]) {
            const r = await undici.fetch(url, { method, dispatcher, ...more });
            console.log(r.status);
            await r.text();
        }
        for (const data of [body, Readable.from([body, body])]) {
            const r = await axios.post(url, data, { maxBodyLength: 1e9,
                                                    validateStatus: null });
            console.log(r.status);
        }
    }
    await dispatcher.close();
})();
"""


@pytest.fixture
def urls(weir, origin):
    """One of a body that weir refuses, one of what the origin does not want
    when it has seen the head; and the weir."""

    def refuse(conn):
        request = conn.read_head()
        if request is not None and request.target == "/refused":
            conn.send(reply("no\n", "403 Forbidden"))
        conn.reader.to_eof()

    origin.script = refuse
    w = weir(egress=EGRESS, env={"TOKEN": TOKEN})
    return w, [url(origin, "/limited"), url(origin, "/refused")]


def test_python(urls):
    need(module="httpx")
    w, both = urls
    out = run(w, PYTHON, "-c", PYTHON_CODE, *both)
    assert out.split() == ["413"] * 4 + ["403"] * 4


def test_node(urls):
    need("node", node="axios")
    need(node="undici")
    w, both = urls
    env = {"NODE_PATH": NODE_MODULES}
    out = run(w, "node", "-e", NODE_CODE, *both, env=env)
    assert out.split() == ["413"] * 4 + ["403"] * 4
