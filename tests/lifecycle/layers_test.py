"""auto/layers: which room may include which, by a tree of a file for each
room that includes all of them."""

import os
import re
import shutil
import subprocess

from lib.weir import ROOT

FIRST = "base conf os http match redact".split()
LEFT = {
    "base": [],
    **dict.fromkeys(FIRST[1:], ["base"]),
    "redact": ["base", "os"],
    "net": FIRST,
    "ledger": FIRST,
    "wire": [*FIRST, "net"],
    "secret": [*(room for room in FIRST if room != "conf"), "net", "ledger"],
    "policy": [*FIRST, "net", "ledger", "secret"],
    "sandbox": [*FIRST, "net", "ledger", "secret", "policy"],
    "keeper": ["base", "os"],
    "ctl": ["base", "os", "http"],
}
LEFT["proxy"] = [*LEFT["sandbox"], "sandbox", "wire"]
LEFT["control"] = [*LEFT["proxy"], "proxy"]
LEFT["proc"] = [*LEFT["control"], "control", "keeper"]


def layers(root, files):
    """The breaches in such a tree."""
    (root / "auto").mkdir()
    shutil.copy(os.path.join(ROOT, "auto", "layers"), root / "auto")
    (root / "modules").mkdir()
    for name, lines in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"#include {line}\n" for line in lines))
    done = subprocess.run(
        [root / "auto" / "layers"], capture_output=True, text=True
    )
    *breaches, last = done.stdout.splitlines()
    assert last == f"layers: {len(files)} files, {len(breaches)} breaches"
    assert (done.returncode != 0) == (len(breaches) != 0)
    return breaches


def test_each_room_includes_what_stands_left_of_it(tmp_path):
    everything = [f'"{room}/x.h"' for room in LEFT]
    files = {f"core/{room}/{room}.c": everything for room in LEFT}
    refused = set()
    for line in layers(tmp_path, files):
        refused.add(re.search(r"(\w+) does not include (\w+)$", line).groups())
    assert refused == {
        (room, other)
        for room in LEFT
        for other in LEFT
        if other not in LEFT[room] and other != room
    }


def test_modules_and_libraries(tmp_path):
    breaches = layers(tmp_path, {
        "core/base/cert.c": ['"base/cert.h"', "<openssl/x509.h>"],
        "core/net/tls_new.c": ['"net/tls_new.h"', "<openssl/ssl.h>"],
        "core/proxy/secure.c": ['"proxy/secure.h"', "<openssl/ssl.h>"],
        "core/proxy/hook.c": ['"proxy/hook.h"', '"modules/limit.h"'],
        "modules/limit.c": ['"module.h"', '"proxy/tx.h"'],
    })  # fmt: skip
    assert breaches == [
        "core/proxy/hook.c:2: core knows no module",
        "core/proxy/secure.c:2: <openssl/ssl.h> is not for this file",
        "modules/limit.c:2: a module includes module.h alone",
    ]
