"""openai's library for Node against an LLM's API that streams: the key in its
environment is a placeholder, by conf/llm.conf. Each token is sent when the
one before was read: nothing on the way waits for more."""

import json
import queue
import subprocess
import threading

import pytest

from lib.clients import (NODE_MODULES, TOKEN, attempt, end_group, environment,
                         need)  # fmt: skip
from lib.example import example
from lib.wait import DEADLINE, SLOW

# The library has its key and its address from its environment. The fetch of
# Node before 24 has no proxy from there.
COMMON = """
const { OpenAI } = require('openai');
const { Agent, ProxyAgent } = require('undici');
const through = { dispatcher: new ProxyAgent(process.env.https_proxy) };
const ask = { model: 'm', stream: true,
              messages: [{ role: 'user', content: 'count' }] };
"""
STREAM = COMMON + """
(async () => {
    const client = new OpenAI({ fetchOptions: through });
    const stream = await client.chat.completions.create(ask);
    for await (const part of stream) {
        const { delta, finish_reason } = part.choices[0];
        console.log(delta.content ?? finish_reason);
        if (delta.content === process.argv[1]) break;
    }
    through.dispatcher.close();
})();
"""
# How long the first token takes, in milliseconds: through weir and directly,
# by turns.
FIRST = COMMON + """
const lookup = (host, options, done) => options.all ?
    done(null, [{ address: '127.0.0.1', family: 4 }]) :
    done(null, '127.0.0.1', 4);
const direct = { dispatcher: new Agent({ connect: { lookup } }) };
async function first(client) {
    const start = performance.now();
    const stream = await client.chat.completions.create(ask);
    let took;
    for await (const part of stream) took ??= performance.now() - start;
    return took;
}
(async () => {
    const ways = { weir: through, direct };
    const times = { weir: [], direct: [] };
    for (let i = 0; i < 41; i++) {
        for (const name in ways) {
            const client = new OpenAI({ fetchOptions: ways[name] });
            times[name].push(await first(client));
        }
    }
    for (const name in times) {
        times[name] = times[name].sort((a, b) => a - b)[20];
    }
    console.log(JSON.stringify(times));
    process.exit();
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


@pytest.fixture
def w(weir, llm):
    w = weir(
        conf=example("llm.conf", llm),
        files={"secrets/llm_key": TOKEN + "\n"},
    )
    w.sandbox = "agent"
    return w


def env_of(llm, **more):
    return {
        "NODE_PATH": NODE_MODULES,
        "OPENAI_API_KEY": PLACEHOLDER,
        "OPENAI_BASE_URL": f"https://llm.example:{llm.port}/v1",
        **more,
    }


@pytest.fixture
def client(w, llm):
    """Starts the library's client: a queue of the lines that it prints."""
    started = []

    def start(code, *args):
        process = subprocess.Popen(
            ["node", "-e", code, *args],
            env={**environment(w), **env_of(llm)}, cwd=w.dir, text=True,
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

    def __init__(self):
        self.waiting = queue.Queue()
        self.gone = threading.Event()

    def __call__(self, conn, request):
        conn.send(HEAD)
        try:
            while (data := self.waiting.get(timeout=DEADLINE * 3)) is not None:
                conn.send(data)
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
    process, lines = client(STREAM, "enough")
    for text in ("more", "enough"):
        tokens.send(part(text))
        assert lines.get(timeout=DEADLINE * 3) == text
    tokens.send(None)
    assert tokens.gone.wait(DEADLINE * 3)
    assert process.wait(DEADLINE * 3) == 0


def test_first_token_is_not_delayed(w, llm, pki):
    """Against the same without weir, in the same process."""
    answer = HEAD + part("first") + END
    llm.on("/v1/chat/completions", lambda conn, request: answer)
    with open(w.ca()) as a, open(pki.ca) as b:
        both = w.write("both.pem", a.read() + b.read())
    done = attempt(w, "node", "-e", FIRST,
                   env=env_of(llm, NODE_EXTRA_CA_CERTS=both))  # fmt: skip
    assert done.returncode == 0, done.stderr
    times = json.loads(done.stdout)
    print("median of the first token, ms:", times)
    assert len(llm.requests) == 82
    assert times["weir"] < times["direct"] + 50 * SLOW
