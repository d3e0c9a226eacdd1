"""Chromium, headless: a page with many fetches at once, one with a WebSocket.
The CA is in the NSS database of a home of its own."""

import os
import subprocess

import pytest

from lib.browser import QUIET
from lib.clients import (DENYING, EGRESS, TOKEN, end_group, environment, need,
                         url)  # fmt: skip
from lib.http import reply
from lib.wait import DEADLINE, until
from lib.websocket import AGREED, ASKED, CLOSE, OFFERED, Echo
from lib.weir import ROOT

FETCHES = 30
PAGE = """<!DOCTYPE html><title>weir</title><script>
(async () => {
    const all = [...Array(%d).keys()].map(async (i) => {
        const r = await fetch(`/item/${i}`, { method: 'POST', body: `b${i}` });
        return `${r.status} ${await r.text()}`;
    });
    const got = await Promise.all(all);
    await fetch('/done', { method: 'POST', body: got.join('\\n') });
})();
</script>
""" % FETCHES
DENIED = """<!DOCTYPE html><title>weir</title><script>
(async () => {
    const got = [];
    await fetch('https://elsewhere.example/', { mode: 'no-cors' }).catch(
        (e) => got.push(String(e)));
    const frame = document.createElement('iframe');
    frame.onload = () => {
        const seen = frame.contentDocument;
        got.push(seen.title, seen.body.innerText);
        fetch('/done', { method: 'POST', body: got.join('\\n') });
    };
    frame.src = '/no/';
    document.documentElement.append(frame);
})();
</script>
"""
CHAT = """<!DOCTYPE html><title>weir</title><script>
const got = [];
const ws = new WebSocket(`wss://${location.host}/chat`);
ws.binaryType = 'arraybuffer';
ws.onopen = () => {
    got.push(ws.extensions);
    ws.send('squeeze '.repeat(1000));
};
ws.onmessage = (e) => {
    if (typeof e.data === 'string') {
        got.push(e.data);
        ws.send(new Uint8Array(200_000).map((_, i) => i % 251));
    } else {
        got.push(e.data.byteLength);
        ws.close(4001, 'enough');
    }
};
ws.onerror = () => got.push('error');
ws.onclose = (e) => {
    got.push(`${e.code} ${e.reason} ${e.wasClean}`);
    fetch('/done', { method: 'POST', body: got.join('\\n') });
};
</script>
"""


def trust(home, ca):
    """The CA in the NSS database that Chromium reads below its HOME."""
    database = os.path.join(home, ".pki", "nssdb")
    os.makedirs(database)
    for args in (["-N", "--empty-password"],
                 ["-A", "-n", "weir", "-t", "C,,", "-i", ca]):  # fmt: skip
        subprocess.run(
            ["certutil", "-d", "sql:" + database, *args],
            check=True, capture_output=True,
        )  # fmt: skip


@pytest.fixture
def browse(tmp_path):
    """Starts a Chromium at an address, through a weir."""
    need("chromium", "certutil")
    started = []

    def start(w, address):
        home = str(tmp_path)
        trust(home, w.ca())
        started.append(subprocess.Popen(
            ["chromium", *QUIET, f"--proxy-server={w.proxy}",
             f"--user-data-dir={home}/profile", address],
            env={**environment(w), "HOME": home}, cwd=home,
            stdin=subprocess.DEVNULL, start_new_session=True,
        ))  # fmt: skip

    yield start
    for process in started:
        end_group(process)


def page(text, done):
    """Answers with the page; `done` gets its last word."""

    def answer(conn, request):
        if request.target == "/":
            return reply(text, headers=[("Content-Type", "text/html")])
        if request.target == "/done":
            done.append(request.body.decode())
        return reply(f"{request.target} {request.body.decode()}")

    return answer


@pytest.mark.heavy
def test_chromium_fetches_in_parallel(weir, origin, guarded, browse):
    done = []
    guarded(page(PAGE, done))
    w = weir(egress=EGRESS, env={"TOKEN": TOKEN})
    browse(w, url(origin))
    until(lambda: done, "the page's word", DEADLINE * 3)
    lines = [f"200 /item/{i} b{i}" for i in range(FETCHES)]
    assert done[0].splitlines() == lines
    others = [e for e in w.access_log() if e["host"] != "origin.test"]
    assert all(e["status"] == 403 for e in others), "its own errands"


@pytest.mark.heavy
def test_chromium_websocket(weir, origin, guarded, browse):
    """A script can set no header there: the credential is weir's alone."""
    done, echo = [], Echo(compresses=True)
    others = page(CHAT, done)

    def answer(conn, request):
        is_chat = request.target == "/chat"
        return (echo if is_chat else others)(conn, request)

    guarded(answer)
    w = weir(egress=EGRESS, env={"TOKEN": TOKEN})
    browse(w, url(origin))
    until(lambda: done, "the page's word", DEADLINE * 3)
    squeeze = "squeeze " * 1000
    assert done[0].splitlines() == [
        AGREED, squeeze, "200000", "4001 enough true",
    ]  # fmt: skip
    [request] = [r for r in origin.requests if r.target == "/chat"]
    assert request.get("upgrade") == "websocket"
    assert request.get("origin") == url(origin, "")
    assert request.all("authorization") == [f"Bearer {TOKEN}"]
    assert request.get("sec-websocket-extensions") == OFFERED
    assert echo.messages == [
        squeeze.encode(), bytes(i % 251 for i in range(200_000))
    ]  # fmt: skip
    assert echo.pong == ASKED
    assert echo.frames[-1] == (CLOSE, (4001).to_bytes(2, "big") + b"enough")


@pytest.mark.heavy
def test_chromium_shows_why(weir, origin, guarded, browse):
    """The page that weir brings, where a tunnel is open; of a refused CONNECT
    a script learns nothing, and the user ERR_TUNNEL_CONNECTION_FAILED."""
    done = []
    guarded(page(DENIED, done))
    with open(os.path.join(ROOT, "html", "error.html")) as f:
        files = {"html/error.html": f.read()}
    w = weir(egress=DENYING + "deny_message 'Ask <us>.';",
             env={"TOKEN": TOKEN}, files=files)  # fmt: skip
    browse(w, url(origin))
    until(lambda: done, "the page's word", DEADLINE * 3)
    error, title, first, *rest = [k for k in done[0].splitlines() if k]
    assert "Failed to fetch" in error
    assert title == first == "origin.test is blocked by egress policy"
    assert rest[0].startswith(f"{title}: location")
    assert rest[1] == "Ask <us>." and rest[2].startswith("Do not retry")
    assert rest[-1] == "403 Forbidden, by weir"
