"""What weir says of files that it cannot read or write, and of those that
others can."""

import os
import re
import shutil
import socket

import pytest

from lib.client import Client

ROOT_USER = os.geteuid() == 0
root = pytest.mark.skipif(not ROOT_USER, reason="needs root")

SECRET = """
secret s file:keys/s;
host a.test { bearer $secret_s; }
"""


def limited(w):
    """Permissions hold for this weir: a root that may not pass them by."""
    if ROOT_USER:
        command = w.command
        w.command = lambda *args: [
            "setpriv", "--bounding-set=-dac_override,-dac_read_search",
            *command(*args),
        ]  # fmt: skip
    return w


def emergencies(w, *args):
    """Runs to the end, which must be a failure; its [emerg] lines."""
    done = w.run(*args)
    assert done.returncode == 1, done.stderr
    lines = [s for s in done.stderr.splitlines() if "[emerg]" in s]
    assert lines, done.stderr
    return lines


def warnings(w, *args):
    done = w.run("-t", *args)
    assert done.returncode == 0, done.stderr
    return [s for s in done.stderr.splitlines() if "[warn]" in s]


UNWRITABLE = {
    "the error log's directory": (
        "error_log ro/error.log;", "", "ro", 0o555,
        r'error_log "\S*ro/error.log": "\S*/ro" \(13: Permission denied',
    ),
    "the error log": (
        "error_log ro;", "", "ro/", 0o444,
        r'error_log "\S*/ro": "\S*/ro" \(21: Is a directory',
    ),
    "the access log": (
        "", "access_log ro/a.log;", "ro", 0o555,
        r'access_log "\S*ro/a.log": "\S*/ro" \(13: Permission denied',
    ),
    "the pid file": (
        "pid ro/weir.pid;", "", "ro", 0o555,
        r'pid file "\S*ro/weir.pid": "\S*/ro" \(13: Permission denied',
    ),
    "the CA directory": (
        "", "ca_dir ro;", "ro", 0o555,
        r'ca_dir "\S*/ro": "\S*/ro" \(13: Permission denied',
    ),
    "the directory of the CA directory": (
        "", "ca_dir ro/ca;", "ro", 0o555,
        r'ca_dir "\S*/ro/ca": "\S*/ro" \(13: Permission denied',
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", UNWRITABLE)
def test_what_the_master_cannot_write(weir, what):
    main, egress, name, mode, want = UNWRITABLE[what]
    w = limited(weir(main=main, egress=egress, start=False))
    os.makedirs(w.path(name))
    os.chmod(w.path(name), mode)
    (line,) = emergencies(w)
    os.chmod(w.path(name), 0o755)
    assert re.search(want, line), line


def test_a_file_that_is_there_and_not_writable(weir):
    w = limited(weir(start=False, files={"logs/access.log": ""}))
    os.chmod(w.path("logs", "access.log"), 0o400)
    (line,) = emergencies(w)
    assert 'access.log" (13: Permission denied' in line


def test_what_is_missing_is_named(weir):
    w = weir(main="pid no/weir.pid;", egress="access_log nor/a.log;",
             start=False)  # fmt: skip
    lines = "\n".join(emergencies(w))
    assert '/no" (2: No such file' in lines
    assert '/nor" (2: No such file' in lines


def test_the_ca_directory_is_a_file(weir):
    w = weir(egress="ca_dir some;", files={"some": ""}, start=False)
    (line,) = emergencies(w)
    assert 'some" (20: Not a directory' in line


UNREADABLE = {
    "the configuration": ("weir.conf", "", r'"\S*/weir.conf"'),
    "an included file": ("x.conf", "include x.conf;", r'"\S*/x.conf"'),
    "a secret": ("keys/s", SECRET, r'secret "s": "\S*/keys/s"'),
    "the trust store": (
        "ca.pem", "proxy_ssl_trusted_certificate {{dir}}/ca.pem;",
        r'"\S*/ca.pem"',
    ),
    "an error page": ("html/403.html", "", r'page "\S*/html/403.html"'),
}  # fmt: skip


def test_a_trust_store_without_a_certificate(weir):
    w = weir(egress="proxy_ssl_trusted_certificate e;", files={"e": "# none"},
             start=False)  # fmt: skip
    (line,) = emergencies(w)
    assert re.search(r'certificates in "\S*/e": no', line), line


@pytest.mark.parametrize("what", UNREADABLE)
def test_what_the_master_cannot_read(weir, what):
    name, egress, want = UNREADABLE[what]
    w = limited(weir(start=False))
    w.configure(w.config(egress=egress))
    if name != "weir.conf":
        w.write(name, "# text\n")
    os.chmod(w.path(name), 0)
    for args in ([], ["-t"]):
        (line,) = emergencies(w, *args)
        assert re.search(want, line), line
        assert "ermission denied" in line, line


def test_a_token_that_cannot_be_read(weir):
    w = limited(weir(sandbox="token file:t;", files={"t": "x"}, start=False))
    os.chmod(w.path("t"), 0)
    (line,) = emergencies(w)
    assert re.search(r'"\S*/t" failed .*Permission denied', line), line


def test_an_error_page_that_is_no_file(weir):
    w = weir(start=False)
    os.makedirs(w.path("html", "404.html"))
    os.makedirs(w.path("html", "403.html"))
    (line,) = emergencies(w)
    assert re.search(r'"\S*/html/403.html" .*Is a directory', line), line


def test_a_unix_listener_that_cannot_be_made(weir):
    w = limited(weir(egress="listen unix:ro/s proxy;", start=False))
    os.makedirs(w.path("ro"))
    os.chmod(w.path("ro"), 0o555)
    (line,) = emergencies(w)
    os.chmod(w.path("ro"), 0o755)
    assert re.search("unix:ro/s failed in .*Permission denied", line), line


def test_the_prefix_that_is_not_there(weir):
    w = weir(start=False)
    done = w.run("-p", w.path("nowhere"))
    assert done.returncode == 1
    assert 'prefix "' in done.stderr and "nowhere" in done.stderr


def test_an_unknown_user(weir):
    w = weir(main="user no-such-user;", start=False)
    (line,) = emergencies(w)
    assert 'no such user or group: "no-such-user"' in line


# What others can do


def with_secret(weir, mode=0o600, **parts):
    w = weir(start=False, **parts)
    os.makedirs(w.path("keys"))
    w.write("keys/s", "a-secret-of-the-test\n")
    os.chmod(w.path("keys", "s"), mode)
    os.chmod(w.path("keys"), 0o755)
    w.configure(w.config(egress=SECRET))
    return w


def test_a_secret_of_its_owner_alone_is_fine(weir):
    assert warnings(with_secret(weir)) == []
    assert warnings(with_secret(weir, mode=0o640)) == []


def test_a_secret_that_everyone_may_read(weir):
    w = with_secret(weir, mode=0o644)
    (line,) = warnings(w)
    assert re.search(r'secret file "\S*/keys/s" may be read by anyone', line)
    assert "0644" in line


def test_a_secret_behind_a_closed_directory_is_fine(weir):
    w = with_secret(weir, mode=0o644)
    os.chmod(w.path("keys"), 0o700)
    assert warnings(w) == []


def test_one_warning_for_a_directory_of_secrets(weir):
    w = weir(
        start=False,
        egress="secret s dir:keys hosts=a.test; "
        "host a.test { bearer $secret_s; }",
        files={"keys/box": "oN3" * 9, "keys/other": "tW0" * 9},
    )
    for name in ("box", "other"):
        os.chmod(w.path("keys", name), 0o644)
    (line,) = warnings(w)
    assert re.search(r'"\S*/keys/(box|other)" may be read by anyone', line)


def test_a_token_that_everyone_may_read(weir):
    w = weir(sandbox="token file:t;", files={"t": "x"}, start=False)
    os.chmod(w.path("t"), 0o604)
    (line,) = warnings(w)
    assert re.search(r'token file "\S*/t" may be read by anyone', line)


@pytest.mark.parametrize("name, what", [
    ("weir.conf", "configuration file"), ("x.conf", "configuration file"),
    ("keys/s", "secret file"),
])  # fmt: skip
def test_what_everyone_may_write(weir, name, what):
    w = with_secret(weir)
    w.write("x.conf", "# nothing\n")
    w.configure(w.config(egress=SECRET + " include x.conf;"))
    os.chmod(w.path(name), 0o602)
    (line,) = warnings(w)
    assert re.search(rf'{what} "\S*/{name}" may be written by anyone', line)


def test_a_directory_that_everyone_may_write(weir):
    w = with_secret(weir)
    os.chmod(w.path("keys"), 0o777)
    (line,) = warnings(w)
    assert re.search(r'"\S*/keys/s" may be replaced by anyone', line)
    os.chmod(w.path("keys"), 0o1777)
    assert warnings(w) == []


@root
@pytest.mark.parametrize("name, word", [
    ("keys/s", "written"), ("keys", "replaced"), ("weir.conf", "written"),
])  # fmt: skip
def test_what_the_workers_could_write(weir, name, word):
    w = with_secret(weir)
    w.configure(w.config(main="user daemon;", egress=SECRET))
    os.chown(w.path(name), 1, -1)
    (line,) = warnings(w)
    assert f'{word} by the workers\' user "daemon"' in line


WARNED = {
    "pid": ("pid d/weir.pid;", "", 'pid file "'),
    "error log": ("error_log d/e.log;", "", 'error_log "'),
    "access log": ("", "access_log d/a.log;", 'access_log "'),
    "ca_dir": ("", "ca_dir d;", 'ca_dir "'),
    "socket": ("", "listen unix:d/s proxy;", 'socket "'),
    "secret": ("", "secret s file:d/f hosts=a.test;", 'secret file "'),
    "secrets": ("", "secret s dir:d hosts=a.test;", 'secret directory "'),
    "include": ("include d/x.conf;", "", 'configuration file "'),
    "trust store": ("", "proxy_ssl_trusted_certificate {{dir}}/d/ca;",
                    'trust store "'),
}  # fmt: skip


@pytest.fixture
def in_open(weir):
    """The directory d, and a configuration with `what` of WARNED in it."""
    def make(what):
        main, egress, want = WARNED[what]
        w = weir(start=False)
        os.makedirs(w.path("d", "sub"))
        w.write("d/x.conf", "# nothing\n")
        w.write("d/f", "a-secret-of-the-test\n")
        os.chmod(w.path("d", "f"), 0o600)
        os.chmod(w.path("d", "x.conf"), 0o600)
        shutil.copy(w.pki.ca, w.path("d", "ca"))
        os.chmod(w.path("d", "ca"), 0o600)
        w.configure(w.config(main=main, egress=egress))
        assert warnings(w) == []
        return w, want

    return make


@pytest.mark.parametrize("what", WARNED)
def test_where_everyone_may_put_something(in_open, what):
    w, want = in_open(what)
    os.chmod(w.path("d"), 0o757)
    (line,) = warnings(w)
    assert want in line and "may be replaced by anyone" in line
    os.chmod(w.path("d"), 0o1777)
    assert warnings(w) == []


@root
@pytest.mark.parametrize("what", WARNED)
def test_where_another_user_may_put_something(in_open, what):
    """Who owns a directory may write it, whatever its mode; root's group has
    root alone in it."""
    w, want = in_open(what)
    os.chown(w.path("d"), 54321, -1)
    os.chmod(w.path("d"), 0o555)
    (line,) = warnings(w)
    assert want in line and "may be replaced by user 54321" in line
    os.chown(w.path("d"), 0, 54321)
    assert warnings(w) == []
    os.chmod(w.path("d"), 0o775)
    (line,) = warnings(w)
    assert want in line and "may be replaced by group 54321" in line
    os.chown(w.path("d"), 0, 0)
    assert warnings(w) == []


def test_a_directory_above(weir):
    w = weir(main="pid d/sub/weir.pid;", start=False)
    os.makedirs(w.path("d", "sub"))
    assert warnings(w) == []
    os.chmod(w.path("d"), 0o777)
    (line,) = warnings(w)
    assert re.search(r'pid file "\S*/sub/weir.pid" .* anyone: "\S*/d"', line)


@root
def test_a_log_that_others_have_put_elsewhere(weir):
    """A link in their directory leads to no file, and gives none away."""
    w = weir(egress="access_log d/a.log;", start=False,
             files={"own": "a key\n"})  # fmt: skip
    os.makedirs(w.path("d"))
    os.chown(w.path("d"), 65534, 65534)
    os.symlink(w.path("own"), w.path("d", "a.log"))
    lines = emergencies(w)
    assert 'd/a.log" is a link, and others may write' in lines[0]
    assert os.stat(w.path("own")).st_uid == 0
    assert w.read("own") == "a key\n"


@root
def test_a_squatted_socket(weir):
    """Who may write its directory keeps nobody from starting."""
    w = weir(egress="listen unix:d/s proxy sandbox=box;", start=False)
    os.makedirs(w.path("d"))
    os.chown(w.path("d"), 65534, 65534)
    with socket.socket(socket.AF_UNIX) as squatter:
        squatter.bind(w.path("d", "s"))
        squatter.listen()
        os.chown(w.path("d", "s"), 65534, 65534)
        w.start()
        with Client(w.path("d", "s")) as c:
            assert c.connect("denied.example:443").status == 403
    assert os.listdir(w.path("d")) == ["s"]


@root
def test_what_the_workers_group_could_write(weir):
    w = with_secret(weir, mode=0o660)
    w.configure(w.config(main="user daemon;", egress=SECRET))
    os.chown(w.path("keys", "s"), 0, 1)
    (line,) = warnings(w)
    assert 'written by the workers\' user "daemon"' in line
    os.chmod(w.path("keys", "s"), 0o640)
    assert warnings(w) == []


@root
def test_workers_that_are_root(weir):
    w = weir(main="user root;", start=False)
    (line,) = warnings(w)
    assert "so are the workers" in line


def test_a_user_without_root(weir):
    w = weir(main="user daemon;", start=False)
    if ROOT_USER:
        command = w.command
        w.command = lambda *args: [
            "setpriv", "--reuid=1", "--regid=1", "--clear-groups",
            *command(*args),
        ]  # fmt: skip
    done = w.run("-t")
    if done.returncode in (126, 127):
        pytest.skip("the program lies where its user only gets")
    assert done.returncode == 0, done.stderr
    assert '"user" makes sense only' in done.stderr


def test_a_reload_warns_in_the_log(weir):
    w = weir()
    os.chmod(w.path("weir.conf"), 0o646)
    w.signal("HUP")
    w.wait_log("may be written by anyone")


def test_a_signal_does_not_warn(weir):
    w = weir()
    os.chmod(w.path("weir.conf"), 0o646)
    done = w.run("-s", "reopen")
    assert done.returncode == 0 and "[warn]" not in done.stderr
