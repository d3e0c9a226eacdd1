"""What the pages name as a test is one: files, directories, and the tests in
them. What README says of other programs is in the list of sources."""

import os
import re

import pytest

from lib.markdown import page as read
from lib.markdown import section
from lib.weir import ROOT

PAGES = ["docs/guarantees.md", "docs/threat-model.md"]
PATH = re.compile(r"`(tests/[^`\s]*)`")


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


def test_each_claim_about_others_has_its_source():
    """A cell of the table links to it, or names what weir is measured by."""
    table = section("README.md", "Why not")
    rows = [r.split(" | ") for r in re.findall(r"^\| (\w.*) \|$", table, re.M)]
    claims = [c for row in rows for c in row[2:] if c.strip(" |")]
    assert len(claims) > 15
    assert [c for c in claims[3:] if "](http" not in c] == []
    sources = read("docs/sources.md")
    links = set(re.findall(r"\]\((https:[^)]*)\)", table))
    assert [link for link in links if f"<{link}>" not in sources] == []


def test_readme_is_short():
    assert read("README.md").count("\n") <= 140
