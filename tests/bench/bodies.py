"""Bodies of the kinds that pass in life, the same in each run: made of words
that are as unevenly common as a language's, so that they compress and repeat
as much as one does. No two kinds have the same shares of what a filter for
secrets looks at: long runs of a token's characters, escapes, delimiters."""

import base64
import gzip
import json
import random
import urllib.parse
import zlib

LETTERS = "eeeeeeetttttaaaaooooiiiinnnnsssrrrhhhdddlluuccmmffwwyyggppbbvkxjqz"
N_WORDS = 4000


class Writer:
    """Words, numbers and identifiers, by chance that a seed decides."""

    def __init__(self, seed):
        self.rnd = random.Random(seed)
        self.common = [
            "".join(self.rnd.choices(LETTERS, k=self.rnd.randint(1, 11)))
            for _ in range(N_WORDS)
        ]
        total, self.weights = 0.0, []
        for rank in range(N_WORDS):
            total += 1 / (rank + 3)
            self.weights.append(total)

    def words(self, n):
        return self.rnd.choices(self.common, cum_weights=self.weights, k=n)

    def word(self):
        return self.rnd.choice(self.common)

    def number(self, below):
        return self.rnd.randrange(below)

    def hexadecimal(self, n):
        return f"{self.rnd.getrandbits(4 * n):0{n}x}"

    def one_of(self, things):
        return self.rnd.choice(things)

    def bytes(self, n):
        return self.rnd.randbytes(n)


def prose(w):
    sentence = " ".join(w.words(5 + w.number(20))).capitalize()
    return sentence + w.one_of([". ", ". ", ", as ", "? ", ".\n\n"])


def record(w):
    """One of an API's answers."""
    owner, name = w.word(), w.word()
    return {
        "id": w.number(1 << 30),
        "node_id": base64.b64encode(w.bytes(12)).decode(),
        "full_name": f"{owner}/{name}",
        "private": w.number(2) == 1,
        "url": f"https://api.{w.word()}.test/repos/{owner}/{name}",
        "sha": w.hexadecimal(40),
        "description": " ".join(w.words(9)) + "\u00e9",
        "pushed_at": f"2024-0{1 + w.number(9)}-1{w.number(10)}T08:00:00Z",
        "score": w.number(100000) / 1000,
    }


def api(w):
    return json.dumps(record(w), separators=(",", ":")) + ",\n"


def code(w):
    f, a, b = w.word(), w.word(), w.word()
    return (
        f"/* {' '.join(w.words(7))} */\n"
        f"static int\n{f}_{a}(struct {b} *{a}, size_t {b})\n{{\n"
        f"    if ({a}->{b} == NULL || {b} > {w.number(4096)}) {{\n"
        f"        return -1;\n    }}\n"
        f'    return {f}({a}->{w.word()}, "{w.word()}", {b} + 1);\n}}\n\n'
    )


def html(w):
    return (
        f'<div class="{w.word()} {w.word()}-{w.number(100)}">\n  '
        f'<a href="/{w.word()}/{w.word()}?q={w.word()}&amp;p={w.number(99)}">'
        f"{' '.join(w.words(6))}</a>\n  <p>{' '.join(w.words(12))}</p>\n"
        "</div>\n"
    )


def percent(w):
    """Fields of a form in a script that is not ASCII."""
    text = w.bytes(9).decode("latin-1")
    return f"{w.word()}={urllib.parse.quote(text, safe='')}&"


def nested(w):
    """A log's lines: JSON within JSON."""
    inner = json.dumps(
        {
            "level": "info",
            "path": f"C:\\{w.word()}\\{w.word()}",
            "msg": " ".join(w.words(5)) + "\n",
            w.word(): w.word(),
        }
    )
    return json.dumps({"log": inner, "stream": "stdout"}) + "\n"


def lines_of_base64(w):
    return base64.encodebytes(w.bytes(57 * 40)).decode()


# kind: (what makes a piece of it, its media type)
KINDS = {
    "random": (lambda w: w.bytes(4096), "application/octet-stream"),
    "json": (api, "application/json"),
    "code": (code, "text/plain"),
    "html": (html, "text/html"),
    "text": (prose, "text/plain"),
    "base64": (lines_of_base64, "text/plain"),
    "percent": (percent, "application/x-www-form-urlencoded"),
    "nested": (nested, "application/json"),
}


def body(kind, size):
    """`size` bytes of it."""
    piece, _ = KINDS[kind]
    writer = Writer(f"bench {kind}")
    made = bytearray()
    while len(made) < size:
        more = piece(writer)
        made += more.encode() if isinstance(more, str) else more
    return bytes(made[:size])


def packed(plain):
    """As gzip's own program makes it."""
    return gzip.compress(plain, 6, mtime=0)


def packed_start(plain):
    """What has come of a stream of gzip that goes on."""
    deflate = zlib.compressobj(6, wbits=31)
    return deflate.compress(plain) + deflate.flush(zlib.Z_SYNC_FLUSH)


def secrets(n):
    """n of them, of 41 bytes, as a forge's tokens are."""
    rnd = random.Random("bench secrets")
    digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
    return ["bench_" + "".join(rnd.choices(digits, k=35)) for _ in range(n)]
