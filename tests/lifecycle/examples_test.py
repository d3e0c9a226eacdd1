"""Every example that weir brings is a configuration that weir takes."""

import os
import re

import pytest

from lib.weir import ROOT

CONF = os.path.join(ROOT, "conf")
EXAMPLES = sorted(n for n in os.listdir(CONF) if n.endswith(".conf"))
README = os.path.join(ROOT, "README.md")


@pytest.mark.parametrize("name", EXAMPLES)
def test_conf(weir, name):
    with open(os.path.join(CONF, name)) as f:
        text = f.read()
    w = weir(conf=text, start=False)
    w.write("agent-1.token", "a-token-of-the-test\n")
    w.write("weir.conf", text.replace("/etc/weir/", w.dir + "/"))
    done = w.run("-t")
    assert done.returncode == 0, done.stderr


def readme_blocks():
    with open(README) as f:
        return re.findall(r"```nginx\n(.*?)```", f.read(), re.S)


def test_the_readme_has_blocks():
    assert len(readme_blocks()) >= 1


@pytest.mark.parametrize("number", range(len(readme_blocks())))
def test_readme(weir, number):
    text = readme_blocks()[number]
    if "egress" not in text:
        text = "events { }\negress {\n" + text + "}\n"
    w = weir(conf=text, start=False)
    done = w.run("-t")
    assert done.returncode == 0, done.stderr


def test_the_readme_names_files_that_are_there():
    with open(README) as f:
        named = re.findall(r"`((?:tests|auto|conf)/[\w./*-]*)`", f.read())
    assert len(named) > 10
    for path in named:
        assert os.path.exists(os.path.join(ROOT, path)), path


def test_examples_use_what_is_there():
    assert len(EXAMPLES) >= 4
