"""Every example that weir brings is a configuration that weir takes."""

import os
import re

import pytest

from lib.markdown import PAGES, blocks
from lib.markdown import page as read
from lib.weir import ROOT

CONF = os.path.join(ROOT, "conf")
# What may be warned of: what this machine does not have.
ABSENT = re.compile(
    r"cannot be opened \(2: No such file|\"user\" makes sense only"
)

EXAMPLES = sorted(n for n in os.listdir(CONF) if n.endswith(".conf"))


def assert_good(done):
    assert done.returncode == 0, done.stderr
    warned = [s for s in done.stderr.splitlines() if "[warn]" in s]
    assert [s for s in warned if not ABSENT.search(s)] == []


def example(weir, pki, name):
    """A weir with that one, and what it names in /etc/weir."""
    with open(os.path.join(CONF, name)) as f:
        text = f.read()
    w = weir(conf=text, start=False)
    files = {"agent-1.token": b"a-token-of-the-test\n"}
    for file, path in zip(("proxy.pem", "proxy.key"), pki.leaf("proxy.example"),
                          strict=True):  # fmt: skip
        with open(path, "rb") as f:
            files[file] = f.read()
    for file, data in files.items():
        os.chmod(w.write(file, data), 0o600)
    w.write("weir.conf", text.replace("/etc/weir/", w.dir + "/"))
    return w


@pytest.mark.parametrize("name", EXAMPLES)
def test_conf(weir, pki, name):
    assert_good(example(weir, pki, name).run("-t"))


# What an example must not let a hostile sandbox do, beside what it is for.
# (file, sandbox, method, URL, whether it is forwarded)
ASKED = [
    ("agents.conf", "agent-1", "GET",
     "https://github.com/example-org/a.git/info/refs", True),
    ("agents.conf", "agent-1", "POST",
     "https://github.com/example-org/../me/a.git/git-receive-pack", False),
    ("agents.conf", "agent-1", "POST", "https://gist.github.com/", False),
    ("agents.conf", "agent-1", "POST", "https://api.github.com/gists", False),
    ("agents.conf", "agent-1", "POST",
     "https://llm.example/v1/chat/completions", True),
    ("agents.conf", "agent-1", "GET", "https://llm.example/v1/files", False),
    ("agents.conf", "ci-1", "GET", "https://pypi.org/simple/", True),
    ("agents.conf", "ci-1", "GET", "https://github.com/me/a", False),
    ("agents.conf", "ci-1", "GET", "https://llm.example/", False),
    ("agents.conf", "ci-1", "GET", "http://cache.agent.internal/", False),
    ("https_proxy.conf", "agent-1", "GET", "https://pypi.org/simple/", True),
    ("https_proxy.conf", "agent-1", "GET", "https://github.com/me/a", False),
    ("npm.conf", "build", "GET", "https://registry.npmjs.org/react", True),
    ("npm.conf", "build", "PUT", "https://registry.npmjs.org/react", False),
    ("npm.conf", "build", "GET",
     "https://registry.npmjs.org/-/npm/v1/tokens", False),
    ("per_sandbox.conf", "agent-1", "GET", "https://a.vcs.example/", True),
    ("per_sandbox.conf", "agent-1", "GET", "https://b.vcs.example/", False),
    ("weir.conf", "local", "GET", "https://github.com/", True),
    ("weir.conf", "local", "POST", "https://gist.github.com/", False),
    ("weir.conf", "local", "GET", "https://evilgithub.com/", False),
]  # fmt: skip


@pytest.mark.parametrize("name, sandbox, method, url, is_forwarded", ASKED)
def test_what_an_example_lets_out(
    weir, pki, name, sandbox, method, url, is_forwarded
):
    done = example(weir, pki, name).run("-E", sandbox, method, url)
    assert done.returncode == (0 if is_forwarded else 1), done.stdout


EXAMPLES_IN_PAGES = [
    (page, text) for page in PAGES for text in blocks(page, "nginx")
]


def test_pages_have_examples():
    having = {page for page, _ in EXAMPLES_IN_PAGES}
    assert {"README.md", "docs/recipes.md"} <= having


@pytest.mark.parametrize("page, text", EXAMPLES_IN_PAGES)
def test_example_in_a_page(weir, page, text):
    if "egress {" not in text:
        text = "events { }\negress {\n" + text + "}\n"
    w = weir(conf=text, start=False)
    assert_good(w.run("-t"))


@pytest.mark.parametrize("page", PAGES)
def test_a_page_names_files_that_are_there(page):
    named = re.findall(
        r"`((?:tests|auto|conf|docs)/[\w./*-]*)`", read(page)
    ) + [
        os.path.normpath(os.path.join(os.path.dirname(page), link))
        for link in re.findall(r"\]\((?!https?:)([^)#]+)", read(page))
    ]
    for path in named:
        assert os.path.exists(os.path.join(ROOT, path)), path


def test_examples_use_what_is_there():
    assert len(EXAMPLES) >= 4
