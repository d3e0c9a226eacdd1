"""The command line and the config's errors."""

import os
import re
import subprocess

import pytest

from lib.weir import BINARY, resident

BAD_CONFIGS = {
    "empty": ("", None, 'no "egress" section'),
    "no egress": ("events {}", None, 'no "egress" section'),
    "unknown": ("frobnicate on;", 1, "frobnicate"),
    "misplaced": ("allowed_hosts a.test;", 1, "allowed_hosts"),
    "no semicolon": ("daemon on", None, "unexpected end"),
    "no brace": ("events {", None, "unexpected end"),
    "stray brace": ("}", 1, '"}"'),
    "too many": ("\ndaemon on off;", 2, "daemon"),
    "wrong value": ("worker_processes maybe;", 1, "maybe"),
    "duplicate": ("pid a;\npid b;", 2, "pid"),
    "open quote": ('pid "a;', None, "unexpected end"),
    "missing include": ("include nowhere.conf;", 1, "nowhere.conf"),
}


# A missing ";" or "{": (a class's text, the line, what is said).
SLIPS = {
    "list": ("""
        allowed_hosts github.com
        denied_hosts  gist.github.com;""", 3, "denied_hosts"),
    "flag": ("""
        internet on
        internet off;""", 3, "internet"),
    "include": ("""
        allowed_hosts github.com
        include more.conf;""", 3, "include"),
    "one line": ("""
        allowed_hosts github.com denied_hosts gist.github.com;""", 2,
        "denied_hosts"),
    "block": ("""
        host github.com
            return 403;
        """, 3, "return"),
    "names": ("""
        host github.com return { }""", 2, "return"),
    "rules": ("""
        host github.com { deny gist.github.com allow all; }""", 2, "allow"),
}  # fmt: skip


@pytest.mark.parametrize("name", SLIPS)
def test_a_slip_opens_nothing(weir, name):
    text, line, what = SLIPS[name]
    conf = f"events {{}} egress {{ sandbox_class a {{{text} }} }}"
    w = weir(conf=conf, start=False)
    done = w.run("-t")
    assert done.returncode == 1
    assert f'"{what}" ' in done.stderr and "must be in quotes" in done.stderr
    assert f"weir.conf:{line}" in done.stderr


def test_a_credential_is_a_secret(weir):
    """One that is written out went in the clear, to any host (case A15)."""
    token = "sk-live-0123456789abcdef"
    w = weir(egress=f"host *.test {{ bearer {token}; }}", start=False)
    for args in ([], ["-t"]):
        done = w.run(*args)
        assert done.returncode == 1
        assert 'written out in "bearer"' in done.stderr
        assert "file:PATH" in done.stderr and "weir.conf:" in done.stderr
        assert token not in done.stderr


# What is no error and cannot be meant: (egress, what is said).
ODD = {
    "unreachable": ("host gist.test { }\nsandbox_class test {\n"
                    "    allowed_hosts github.test; }\n",
                    "no request can reach this block"),
    "unbound": ("secret s file:key hosts=a.test;\nhost b.test { "
                "bearer $secret_s; }", "bound to none of the hosts"),
    "method": ("host a.test { methods GTE; }", '"GTE" is no method'),
    "strangers": ("handler h { allow *github.com; }",
                  'write "github.com *.github.com"'),
}  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_what_cannot_be_meant_is_warned_of(weir, name):
    egress, what = ODD[name]
    w = weir(egress=egress, files={"key": "a-key-of-the-test"}, start=False)
    os.chmod(w.path("key"), 0o600)
    done = w.run("-t")
    assert done.returncode == 0, done.stderr
    (line,) = [s for s in done.stderr.splitlines() if "[warn]" in s]
    assert what in line and re.search(r" in \S*weir\.conf:\d+$", line)


def test_nothing_listens(weir):
    w = weir(conf="events {}\negress {\n}\n", start=False)
    done = w.run("-t")
    assert done.returncode == 0
    assert 'no "listen"' in done.stderr and "weir.conf:2" in done.stderr


def test_an_address_with_a_star(weir):
    """It looked as if it judged resolved addresses, and matched names."""
    w = weir(cls="denied_hosts 10.0.5.*;", start=False)
    done = w.run("-t")
    assert done.returncode == 1
    assert '"10.0.5.0/24"' in done.stderr and "weir.conf:" in done.stderr


def test_warnings(weir):
    """With -t, at the start and at a reload, and each but once."""
    name = "is a \";\" missing before it?"
    before = "allowed_hosts a.test\ndenied_host;\n"
    w = weir(cls=before)
    assert w.stderr().count(name) == 1
    done = w.run("-t")
    assert done.returncode == 0
    assert len(re.findall(r"\[warn\] \d+: \"denied_host\".*weir.conf:\d+",
                          done.stderr)) == 1
    w.signal("HUP")
    w.wait_log("gracefully shutting down|exited with code 0")
    assert name not in w.error_log()
    w.configure(w.config(cls=before + "denied_hosts b.test\nlog_forma;\n"))
    w.signal("HUP")
    w.wait_log("log_forma")
    assert w.error_log().count(name) == 1


@pytest.mark.parametrize("name", BAD_CONFIGS)
def test_error_points_at_its_place(weir, name):
    text, line, what = BAD_CONFIGS[name]
    w = weir(conf=text, start=False)
    done = w.run("-t")
    assert done.returncode == 1
    assert what in done.stderr
    assert line is None or f"weir.conf:{line}" in done.stderr


def test_good_config(weir, origin):
    w = weir(start=False)
    done = w.run("-t")
    assert done.returncode == 0, done.stderr
    assert "test is successful" in done.stderr
    assert os.listdir(w.path("ca")) == []
    assert not os.path.exists(w.path("logs", "weir.pid"))


def test_t_prints_the_config(weir):
    w = weir(start=False)
    done = w.run("-T")
    assert done.returncode == 0
    assert "sandbox_class test" in done.stdout


@pytest.mark.parametrize("option, what", [
    ("-v", "weir version: weir/"), ("-V", "configure arguments"),
    ("-h", "Usage"),
])  # fmt: skip
def test_options_that_print(option, what):
    done = subprocess.run([BINARY, option], capture_output=True, text=True)
    assert done.returncode == 0 and what in done.stdout + done.stderr


def test_unknown_option():
    done = subprocess.run([BINARY, "-Z"], capture_output=True, text=True)
    assert done.returncode == 1 and "Z" in done.stderr


def test_include_with_a_glob(weir, plain_origin):
    w = weir(
        egress="include conf.d/*.conf;",
        files={
            "conf.d/a.conf": "host plain.test { return 451; }",
            "conf.d/b.conf": "host b.test { return 410; }",
            "conf.d/c.txt": "this is no config",
        },
    )
    host = f"plain.test:{plain_origin.port}"
    with w.client() as c:
        assert c.get(f"http://{host}/", host).status == 451
        assert c.get("http://b.test/", "b.test").status == 410


def test_address_in_use(weir):
    first = weir()
    second = weir(
        egress=f"listen 127.0.0.1:{first.port} proxy;",
        start=False,
    )
    done = second.run()
    assert done.returncode == 1
    assert str(first.port) in done.stderr + second.error_log()
    second.expect(r"\[emerg\]")


def test_ten_thousand_names(weir, plain_origin):
    """They take memory and time by their number, not by its square."""
    names = [f"h{i}.test" for i in range(10000)]
    w = weir(egress="".join(f"resolve {n} 127.0.0.1;\n" for n in names))
    for name in (names[0], names[4096], names[-1]):
        host = f"{name}:{plain_origin.port}"
        with w.client() as c:
            assert c.get(f"http://{host}/", host).status == 200
    kib = resident(w.process.pid)
    assert kib is None or kib < 50_000
