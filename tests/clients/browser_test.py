"""Clients that drive a browser over the DevTools protocol: Playwright, and
chrome-devtools-mcp as an agent would run it. The browser's service asks for a
token, on HTTP and on the WebSocket, which no client has; they run by
conf/browser.conf, with conf/node-proxy.cjs since they know no proxy."""

import base64
import glob
import json
import os
import re
import struct
import subprocess
import threading

import pytest

from lib.browser import Chromium, Gate
from lib.client import Client
from lib.clients import (NODE_MODULES, TOKEN, end_group, environment, missing,
                         need, run)  # fmt: skip
from lib.example import CONF, example
from lib.wait import DEADLINE

pytestmark = pytest.mark.heavy

NODE = {
    "NODE_PATH": NODE_MODULES,
    "NODE_OPTIONS": f"--require={CONF}/node-proxy.cjs",
}
PAGE = (
    "data:text/html,<title>before</title>"
    "<button id=b onclick=\"document.title = 'after';"
    "document.body.style.background = 'teal'\">go</button>"
)
PLAYWRIGHT = """
const { chromium } = require('playwright-core');
const [endpoint, page_url, before, after] = process.argv.slice(1);
(async () => {
    const browser = await chromium.connectOverCDP(endpoint);
    const context = await browser.newContext(
        { viewport: { width: 320, height: 240 } });
    const page = await context.newPage();
    await page.goto(page_url);
    await page.screenshot({ path: before });
    await page.click('#b');
    await page.screenshot({ path: after });
    const big = 'x'.repeat(400_000);
    const many = await Promise.all([...Array(50).keys()].map(
        (i) => page.evaluate((i) => i * i, i)));
    console.log(await page.title(), many.join());
    console.log((await page.evaluate((s) => s + s, big)).length);
    await context.close();
    await browser.close();
})();
"""


@pytest.fixture(scope="module")
def chromium():
    need("chromium")
    chromium = Chromium()
    yield chromium
    chromium.close()


@pytest.fixture
def gate(pki, origins, chromium):
    gate = Gate(pki, "browser.example", TOKEN, chromium)
    origins.made.append(gate)
    return gate


@pytest.fixture
def w(weir, gate):
    w = weir(
        conf=example("browser.conf", gate),
        files={"secrets/browser_token": TOKEN + "\n"},
    )
    w.sandbox = "agent"
    return w


def assert_led(w, gate):
    """All came with the token, which is weir's alone."""
    assert gate.refused == 0
    assert [r for r in gate.requests if r.get("upgrade")], "a WebSocket"
    assert TOKEN not in w.read("logs", "access.log")


def size_of(png):
    """Width and height that a PNG says it has."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n" and png[12:16] == b"IHDR"
    assert png.endswith(b"IEND\xaeB`\x82"), "whole"
    return struct.unpack(">II", png[16:24])


def test_nobody_gets_in_without_a_token(gate, chromium, pki):
    with Client(gate.port) as c:
        c.tls("browser.example", pki.ca, strict=False)
        for path in ("/json/version", chromium.path):
            assert c.get(path, gate.host).status == 401
    assert gate.refused == 2


@pytest.mark.parametrize("scheme", ["https", "wss"])
def test_playwright(w, gate, chromium, scheme):
    """An HTTP endpoint says where the WebSocket is; or one goes there."""
    need("node", node="playwright-core")
    path = chromium.path if scheme == "wss" else ""
    shots = [w.path("before.png"), w.path("after.png")]
    out = run(
        w, "node", "-e", PLAYWRIGHT, f"{scheme}://{gate.host}{path}", PAGE,
        *shots, env=NODE,
    )  # fmt: skip
    squares = ",".join(str(i * i) for i in range(50))
    assert out.splitlines() == [f"after {squares}", "800000"]
    before, after = (open(p, "rb").read() for p in shots)
    assert size_of(before) == size_of(after) == (320, 240)
    assert before != after
    assert_led(w, gate)


class Mcp:
    """A server of the Model Context Protocol, on the pipes of a process."""

    def __init__(self, w, *command, env):
        self.log_path = w.path("mcp.log")
        self.process = subprocess.Popen(
            command, env={**environment(w), **env}, cwd=w.dir, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=open(self.log_path, "w"), start_new_session=True,
        )  # fmt: skip
        self.number = 0
        self.limit = threading.Timer(DEADLINE * 3, self.process.kill)
        self.limit.start()

    def write(self, message):
        line = json.dumps({"jsonrpc": "2.0", **message})
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def call(self, method, **params):
        self.number += 1
        self.write({"id": self.number, "method": method, "params": params})
        for line in self.process.stdout:
            message = json.loads(line)
            if message.get("id") == self.number and "method" not in message:
                assert "error" not in message, message
                return message["result"]
        raise AssertionError("it ended: " + self.log())

    def tool(self, name, **arguments):
        """The text and the images of a tool's answer."""
        result = self.call("tools/call", name=name, arguments=arguments)
        parts = result["content"]
        text = "\n".join(p["text"] for p in parts if p["type"] == "text")
        assert not result.get("isError"), text + self.log()
        images = [p for p in parts if p["type"] == "image"]
        return text, images

    def log(self):
        with open(self.log_path) as f:
            return f.read()

    def close(self):
        self.limit.cancel()
        end_group(self.process)
        self.process.stdin.close()
        self.process.stdout.close()


def new_node():
    """A node that chrome-devtools-mcp takes, which Debian 12's is not: what
    auto/npm brought beside it, else the one here."""
    brought = glob.glob(f"{NODE_MODULES}/node-linux-*/bin/node")
    if brought:
        return brought[0]
    out = subprocess.run(["node", "-p", "process.versions.node"],
                         capture_output=True, text=True)  # fmt: skip
    if tuple(map(int, out.stdout.split("."))) < (20, 19, 0):
        missing("a node of 20.19 or later beside chrome-devtools-mcp")
    return "node"


@pytest.fixture
def mcp(w, gate, chromium):
    need("node", node="chrome-devtools-mcp")
    main = "chrome-devtools-mcp/build/src/bin/chrome-devtools-mcp.js"
    mcp = Mcp(
        w, new_node(), os.path.join(NODE_MODULES, main),
        "--wsEndpoint", f"wss://{gate.host}{chromium.path}",
        "--no-usage-statistics",
        env={**NODE, "CHROME_DEVTOOLS_MCP_NO_UPDATE_CHECKS": "1"},
    )  # fmt: skip
    yield mcp
    mcp.close()


def test_chrome_devtools_mcp(mcp, w, gate):
    mcp.call(
        "initialize", protocolVersion="2025-06-18", capabilities={},
        clientInfo={"name": "test", "version": "1"},
    )  # fmt: skip
    mcp.write({"method": "notifications/initialized"})
    tools = {t["name"] for t in mcp.call("tools/list")["tools"]}
    assert {"new_page", "take_screenshot", "evaluate_script"} <= tools
    text, _ = mcp.tool("new_page", url=PAGE)
    page = int(re.search(r"^(\d+): before .*selected", text, re.M)[1])
    _, [before] = mcp.tool("take_screenshot", pageId=page)
    click = "() => { document.getElementById('b').click(); }"
    mcp.tool("evaluate_script", pageId=page, function=click)
    text, _ = mcp.tool("list_pages")
    assert re.search(rf"^{page}: after ", text, re.M), text
    _, [after] = mcp.tool("take_screenshot", pageId=page)
    assert before["mimeType"] == after["mimeType"] == "image/png"
    width, height = size_of(base64.b64decode(before["data"]))
    assert 300 <= width <= 4000 and 200 <= height <= 4000
    assert before["data"] != after["data"]
    for i in range(5):
        text, _ = mcp.tool(
            "evaluate_script", pageId=page, function=f"() => {i} * {i}"
        )
        assert f"\n{i * i}\n" in text
    mcp.close()
    assert TOKEN not in mcp.log()
    assert_led(w, gate)
