"""Every directive is used by a test that runs weir."""

import glob
import os
import re

import pytest

from lib.weir import ROOT

# A table's entry: CMD…("name", or .name = "name" before .contexts.
ENTRY = re.compile(
    r'\b(?:CMD[A-Z_]*|OWN|BLOCK|ACCESS)\(\s*"([a-z_0-9]+)"'
    r'|\.name = "([a-z_0-9]+)",\s*\.contexts'
)

def read(*patterns):
    text = ""
    for pattern in patterns:
        for path in glob.glob(os.path.join(ROOT, pattern), recursive=True):
            if path != os.path.abspath(__file__):
                with open(path, encoding="utf-8") as f:
                    text += f.read() + "\n"
    return text


def directives():
    source = read("core/**/*.c", "modules/*.c")
    return sorted({a or b for a, b in ENTRY.findall(source)})


def is_used(name, text):
    """As the first word of a directive."""
    before, behind = r"(?:^|[\s\"{;('.]|\\n)", r"(?:\s+[^\s=]|;)"
    return bool(re.search(before + name + behind, text, re.M))


def test_tables_are_found():
    assert len(directives()) > 60
    assert {"listen", "location", "allow", "secret", "log_format", "class",
            "user", "sandbox_class", "bearer"} <= set(directives())  # fmt: skip


@pytest.mark.parametrize("name", directives())
def test_is_used_where_weir_runs(name):
    assert is_used(name, read("tests/**/*.py")), name
