"""What the pages of documentation hold: blocks of code, and lines to type."""

import os
import re

from .weir import ROOT


def page(name):
    with open(os.path.join(ROOT, name)) as f:
        return f.read()


def blocks(name, language):
    """The fenced blocks of that language, in order."""
    return re.findall(
        rf"^```{language}\n(.*?)^```$", page(name), re.M | re.S
    )


def section(name, title):
    """From the heading that begins so to the next of its rank."""
    text = page(name)
    start = re.search(rf"^(#+) {re.escape(title)}.*\n", text, re.M)
    rest = text[start.end() :]
    return re.split(rf"^#{{1,{len(start[1])}}} ", rest, flags=re.M)[0]


def typed(text):
    """The indented lines outside of fences: what a reader types."""
    text = re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)
    return re.findall(r"^    (\S.*)$", text, re.M)


PAGES = ["README.md"] + sorted(
    os.path.join("docs", n)
    for n in os.listdir(os.path.join(ROOT, "docs"))
    if n.endswith(".md")
)
