"""What README and the threat model name as a test is one: files, directories,
and the tests in them."""

import os
import re

import pytest

from lib.weir import ROOT

PAGES = ["README.md", "docs/threat-model.md"]
PATH = re.compile(r"`(tests/[^`\s]*)`")


def read(path):
    with open(os.path.join(ROOT, path)) as f:
        return f.read()


def is_there(named):
    path, _, test = named.partition("::")
    if not os.path.exists(os.path.join(ROOT, path)):
        return False
    return not test or re.search(
        rf"^(?:def )?{re.escape(test)}\(", read(path), re.M
    )


@pytest.mark.parametrize("page", PAGES)
def test_each_test_that_a_page_names_exists(page):
    named = PATH.findall(read(page))
    assert len(named) > 10
    assert [x for x in named if not is_there(x)] == []


@pytest.mark.parametrize("page", PAGES)
def test_each_row_of_promises_names_a_test(page):
    """A guarantee without one is a wish."""
    tables = re.findall(
        r"^\| (?:guarantee|promise) \|.*\n\|[ -|]*\n((?:\|.*\n)+)",
        read(page), re.M,
    )  # fmt: skip
    rows = [row for table in tables for row in table.splitlines()]
    assert len(rows) > 10
    assert [row for row in rows if not PATH.search(row)] == []
