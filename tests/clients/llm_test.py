"""openai's library for Node against an LLM's API that streams: the key in its
environment is a placeholder, by conf/llm.conf. Each token is sent when the
one before was read: nothing on the way waits for more."""

import json
import queue
import statistics
import subprocess
import threading
import time

import pytest

from lib.clients import NODE_MODULES, TOKEN, end_group, environment, need
from lib.example import example
from lib.wait import DEADLINE, SLOW

# The library has its key and its address from its environment. The fetch of
# Node before 24 has no proxy from there.
COMMON = """
const { OpenAI } = require('openai');
const { Agent, ProxyAgent } = require('undici');
const lookup = (host, options, done) => options.all ?
    done(null, [{ address: '127.0.0.1', family: 4 }]) :
    done(null, '127.0.0.1', 4);
const way = process.argv[1] === 'direct' ? new Agent({ connect: { lookup } }) :
    new ProxyAgent(process.env.https_proxy);
const client = new OpenAI({ fetchOptions: { dispatcher: way } });
const ask = { model: 'm', stream: true,
              messages: [{ role: 'user', content: 'count' }] };
"""
STREAM = COMMON + """
(async () => {
    const stream = await client.chat.completions.create(ask);
    for await (const part of stream) {
        const { delta, finish_reason } = part.choices[0];
        console.log(delta.content ?? finish_reason);
        if (delta.content === 'enough') break;
    }
    way.close();
})();
"""
# How long the first token takes, in milliseconds: of one stream after another.
FIRST = COMMON + """
(async () => {
    for (;;) {
        const start = performance.now();
        const stream = await client.chat.completions.create(ask);
        let took;
        for await (const part of stream) {
            if (took) continue;
            took = performance.now() - start;
            console.log(took);
        }
    }
})();
"""
# What it got at the first try, and how that ended.
TOLD = COMMON + """
(async () => {
    try {
        const stream = await client.chat.completions.create(ask,
            { maxRetries: 0 });
        for await (const part of stream)
            console.log(part.choices[0].delta.content ?? 'whole');
    } catch (e) {
        console.log(e.status ? e.message : 'cut');
    }
    way.close();
})();
"""
PLACEHOLDER = "WEIR-LLM-KEY-000"
HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
    b"Cache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n\r\n"
)


def event(data):
    text = f"data: {data}\n\n".encode()
    return b"%x\r\n%s\r\n" % (len(text), text)


def part(content=None, finish_reason=None):
    delta = {} if content is None else {"content": content}
    return event(json.dumps({
        "id": "c", "object": "chat.completion.chunk", "model": "m",
        "choices": [{"index": 0, "delta": delta,
                     "finish_reason": finish_reason}],
    }))  # fmt: skip


END = part(finish_reason="stop") + event("[DONE]") + b"0\r\n\r\n"


@pytest.fixture
def llm(origins):
    need("node", node="openai")
    need(node="undici")
    return origins("llm.example")


SILENCE = "proxy_read_timeout    10m;"


@pytest.fixture
def w(request, weir, llm):
    """The configuration as it is, or with another line for SILENCE."""
    conf = example("llm.conf", llm)
    assert conf.count(SILENCE) == 1
    w = weir(
        conf=conf.replace(SILENCE, getattr(request, "param", SILENCE)),
        files={"secrets/llm_key": TOKEN + "\n"},
    )
    w.sandbox = "agent"
    return w


def env_of(llm, base="/v1", **more):
    return {
        "NODE_PATH": NODE_MODULES,
        "OPENAI_API_KEY": PLACEHOLDER,
        "OPENAI_BASE_URL": f"https://llm.example:{llm.port}{base}",
        **more,
    }


@pytest.fixture
def client(w, llm):
    """Starts the library's client: a queue of the lines that it prints."""
    started = []

    def start(code, *args, env=None):
        process = subprocess.Popen(
            ["node", "-e", code, *args],
            env={**environment(w), **(env or env_of(llm))}, cwd=w.dir, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            start_new_session=True,
        )  # fmt: skip
        started.append(process)
        lines = queue.Queue()
        threading.Thread(
            target=lambda: [lines.put(line.strip()) for line in process.stdout],
            daemon=True,
        ).start()
        return process, lines

    yield start
    for process in started:
        end_group(process)


class Tokens:
    """An answer whose tokens wait to be let go; `gone` is its peer's end."""

    def __init__(self, first=HEAD):
        self.first = first
        self.waiting = queue.Queue()
        self.gone = threading.Event()

    def __call__(self, conn, request):
        conn.send(self.first)
        try:
            while (data := self.waiting.get(timeout=DEADLINE * 3)) is not None:
                conn.send(data)
                if data is END:
                    return
        except OSError:
            pass
        conn.reader.to_eof()
        self.gone.set()

    def send(self, data):
        self.waiting.put(data)


def test_tokens_arrive_one_by_one(llm, client):
    tokens = Tokens()
    llm.on("/v1/chat/completions", tokens)
    process, lines = client(STREAM)
    for i in range(40):
        # What the key begins with too: redaction holds no more than it must.
        text = f"token{i} {TOKEN[: i % 8]}".strip()
        tokens.send(part(text))
        assert lines.get(timeout=DEADLINE * 3) == text
    tokens.send(END)
    assert lines.get(timeout=DEADLINE * 3) == "stop"
    assert process.wait(DEADLINE * 3) == 0
    tokens.send(None)
    [request] = llm.requests
    assert request.get("authorization") == f"Bearer {TOKEN}"
    assert json.loads(request.body)["messages"][0]["content"] == "count"


def test_client_that_has_enough(llm, client):
    """It breaks the stream off; the API need not make more."""
    tokens = Tokens()
    llm.on("/v1/chat/completions", tokens)
    process, lines = client(STREAM)
    for text in ("more", "enough"):
        tokens.send(part(text))
        assert lines.get(timeout=DEADLINE * 3) == text
    tokens.send(None)
    assert tokens.gone.wait(DEADLINE * 3)
    assert process.wait(DEADLINE * 3) == 0


def hold(conn, request):
    """No answer, until weir has had enough."""
    conn.reader.to_eof()


def silence(conn, request):
    """A head and no more."""
    conn.send(HEAD)
    conn.reader.to_eof()


@pytest.mark.parametrize(
    "w", ["proxy_read_timeout 300ms; proxy_header_timeout 10m;"], indirect=True
)
def test_head_may_take_longer_than_silence(w, llm, client):
    """It comes when another stream, whose head began later, has been silent
    for too long."""
    tokens = Tokens(b"")
    llm.on("/v1/chat/completions", tokens)
    _, lines = client(TOLD)
    llm.wait_requests(1)
    llm.on("/v1/silent/chat/completions", silence)
    _, others = client(TOLD, env=env_of(llm, "/v1/silent"))
    assert others.get(timeout=DEADLINE * 3) == "cut"
    tokens.send(HEAD + part("late") + b"c\r\n: still on\n\n\r\n" + END)
    tokens.send(None)
    assert lines.get(timeout=DEADLINE * 3) == "late"
    assert lines.get(timeout=DEADLINE * 3) == "whole"


@pytest.mark.parametrize("w", ["proxy_read_timeout 300ms;"], indirect=True)
def test_head_that_does_not_come(llm, client):
    """The library is told so."""
    llm.on("/v1/chat/completions", hold)
    _, lines = client(TOLD)
    told = lines.get(timeout=DEADLINE * 3)
    assert told == '504 "the origin did not answer in time"'


@pytest.fixture
def ways(w, llm, pki, client):
    """ways(code, answer): such a client through weir and one directly, which
    have their own answer(); by name, answer and lines."""
    with open(w.ca()) as a, open(pki.ca) as b:
        both = w.write("both.pem", a.read() + b.read())

    def start(code, answer):
        found = {}
        for name in ("weir", "direct"):
            base = f"/{name}/v1"
            found[name] = [answer(), None]
            llm.on(base + "/chat/completions", found[name][0])
            env = env_of(llm, base, NODE_EXTRA_CA_CERTS=both)
            _, found[name][1] = client(code, name, env=env)
        return found

    return start


def assert_near(times, ms):
    """What a quarter of them stays below by way of weir is little more than
    directly, by turns: a timer or a delayed acknowledgement would show in all,
    a busy machine does not."""
    weir, direct = (
        statistics.quantiles(times[name], n=4)[0] for name in ("weir", "direct")
    )
    print(f"lower quartile, ms: weir {weir:.2f}, direct {direct:.2f}")
    assert weir < 3 * direct + ms * SLOW


def test_first_token_is_not_delayed(ways):
    """From the request on; nothing follows the token until it was read."""
    found = ways(FIRST, lambda: Tokens(HEAD + part("first")))
    times = {name: [] for name in found}
    for _ in range(60):
        for name, (tokens, lines) in found.items():
            times[name].append(float(lines.get(timeout=DEADLINE * 3)))
            tokens.send(END)
    assert_near(times, 5)


def test_no_token_is_delayed(ways):
    found = ways(STREAM, Tokens)
    times = {name: [] for name in found}
    for i in range(200):
        for name, (tokens, lines) in found.items():
            start = time.monotonic()
            tokens.send(part(f"token{i}"))
            assert lines.get(timeout=DEADLINE * 3) == f"token{i}"
            times[name].append((time.monotonic() - start) * 1000)
    assert_near(times, 2)
