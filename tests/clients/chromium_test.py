"""Chromium, headless: a page with many fetches at once. The CA is in the NSS
database of a home of its own."""

import os
import subprocess

import pytest

from lib.browser import QUIET
from lib.clients import EGRESS, TOKEN, end_group, environment, need, url
from lib.http import reply
from lib.wait import DEADLINE, until

FETCHES = 30
PAGE = """<!DOCTYPE html><title>weir</title><script>
(async () => {
    const all = [...Array(%d).keys()].map(async (i) => {
        const r = await fetch(`/item/${i}`, { method: 'POST', body: `b${i}` });
        return `${r.status} ${await r.text()}`;
    });
    const got = await Promise.all(all);
    await fetch('/done', { method: 'POST', body: got.join('\\n') });
})();
</script>
""" % FETCHES


def trust(home, ca):
    """The CA in the NSS database that Chromium reads below its HOME."""
    database = os.path.join(home, ".pki", "nssdb")
    os.makedirs(database)
    for args in (["-N", "--empty-password"],
                 ["-A", "-n", "weir", "-t", "C,,", "-i", ca]):  # fmt: skip
        subprocess.run(
            ["certutil", "-d", "sql:" + database, *args],
            check=True, capture_output=True,
        )  # fmt: skip


@pytest.fixture
def browse(tmp_path):
    """Starts a Chromium at an address, through a weir."""
    need("chromium", "certutil")
    started = []

    def start(w, address):
        home = str(tmp_path)
        trust(home, w.ca())
        started.append(subprocess.Popen(
            ["chromium", *QUIET, f"--proxy-server={w.proxy}",
             f"--user-data-dir={home}/profile", address],
            env={**environment(w), "HOME": home}, cwd=home,
            stdin=subprocess.DEVNULL, start_new_session=True,
        ))  # fmt: skip

    yield start
    for process in started:
        end_group(process)


@pytest.mark.heavy
def test_chromium_fetches_in_parallel(weir, origin, guarded, browse):
    done = []

    def answer(conn, request):
        if request.target == "/":
            return reply(PAGE, headers=[("Content-Type", "text/html")])
        if request.target == "/done":
            done.append(request.body.decode())
        return reply(f"{request.target} {request.body.decode()}")

    guarded(answer)
    w = weir(egress=EGRESS, env={"TOKEN": TOKEN})
    browse(w, url(origin))
    until(lambda: done, "the page's word", DEADLINE * 3)
    lines = [f"200 /item/{i} b{i}" for i in range(FETCHES)]
    assert done[0].splitlines() == lines
    others = [e for e in w.access_log() if e["host"] != "origin.test"]
    assert all(e["status"] == 403 for e in others), "its own errands"
