"""What README shows of a run is what a run shows."""

import os
import re
import subprocess

from lib import demo_slots
from lib.clients import environment, need
from lib.weir import ROOT


class Sandbox:
    """What demo_slots wants of a demo."""

    def __init__(self, w, api):
        self.weir, self.api = w, api

    def url(self, path):
        return f"https://origin.test:{self.api.port}{path}"

    def popen(self, *command):
        return subprocess.Popen(
            command, env=environment(self.weir), text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip


def shape(line):
    """Without what differs from run to run: times, and how long a bar is."""
    return re.sub(r"\d+\.\d+", "0.0", re.sub(r"([.=-])\1+", r"\1", line))


def drawing():
    with open(os.path.join(ROOT, "README.md")) as f:
        return re.search(r"```\n('\.' waits.*?)```", f.read(), re.S)[1].splitlines()


def test_seven_requests_as_readme_draws_them(weir, origin):
    need("curl")
    lines = []
    demo_slots.show(Sandbox(weir(), origin), lines.append)
    drawn = drawing()
    assert len(drawn) == 9
    assert list(map(shape, lines[1:])) == list(map(shape, drawn))
    for line in lines[2:9] + drawn[1:8]:
        assert len(line) <= demo_slots.COLUMNS + 5
