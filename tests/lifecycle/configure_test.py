"""configure, and what it makes: options, modules, what is missing, install."""

import os
import re
import shutil
import stat
import subprocess

import pytest

from lib.weir import BINARY, ROOT

pytestmark = pytest.mark.builds

OBJS = os.path.dirname(BINARY)


def configure(objs, *options, **env):
    return subprocess.run(
        ["./configure", f"--builddir={objs}", *options],
        cwd=ROOT,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
    )


def test_help():
    done = subprocess.run(
        ["./configure", "--help"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0
    with open(os.path.join(ROOT, "auto", "options")) as f:
        taken = re.findall(r"^        (--[a-z-]+)", f.read(), re.M)
    assert len(taken) > 8
    for option in taken:
        assert option in done.stdout, option
    for name in os.listdir(os.path.join(ROOT, "modules")):
        assert name.removesuffix(".c") in done.stdout


@pytest.mark.parametrize("option, what", [
    ("--frobnicate", 'invalid option "--frobnicate"'),
    ("--without-none_module", 'no module "none" to leave out'),
    ("--without-identify_module",
     'without the module "identify" no request has a sandbox'),
    ("--prefix=relative", "--prefix takes an absolute path"),
    ("--prefix=/a b", "blanks in paths are not taken"),
    ("--with-cc-opt='", "quotes and backslashes are not taken"),
    ("--add-module=nowhere", "no {root}/nowhere/config"),
    ("--with-cc=no-such-cc", 'no C compiler "no-such-cc" (Debian package: gcc'),
])  # fmt: skip
def test_refused(tmp_path, option, what):
    done = configure(tmp_path / "objs", option)
    assert done.returncode == 1
    assert what.format(root=ROOT) in done.stderr


def test_module_that_is_left_out(tmp_path):
    done = configure(tmp_path, "--without-access_log_module")
    assert done.returncode == 0, done.stderr
    found = (tmp_path / "modules.c").read_text()
    assert "access_log_module" not in found
    assert "&identify_module," in found and "&credential_module," in found
    assert "modules/access_log" not in (tmp_path / "Makefile").read_text()
    assert "--without-access_log_module" in (tmp_path / "config.h").read_text()


def test_module_without_a_file(tmp_path):
    """In a tree whose order names one that is not there."""
    for name in ("auto", "configure", "CHANGES", "core", "modules"):
        source, copy = os.path.join(ROOT, name), tmp_path / name
        if name == "modules" or os.path.isfile(source):
            (shutil.copytree if os.path.isdir(source) else shutil.copy)(
                source, copy
            )
        elif name == "auto":
            shutil.copytree(source, copy)
        else:
            copy.symlink_to(source)
    (tmp_path / "modules" / "limit.c").unlink()
    done = subprocess.run(
        ["./configure", f"--builddir={tmp_path}/objs"],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1
    assert "no modules/limit.c (named in auto/modules)" in done.stderr


@pytest.mark.parametrize("header, package", [
    ("openssl/ssl.h", "libssl-dev"), ("ev.h", "libev-dev"),
    ("pcre2.h", "libpcre2-dev"), ("ares.h", "libc-ares-dev"),
    ("zlib.h", "zlib1g-dev"),
])  # fmt: skip
def test_missing_library_names_its_package(tmp_path, header, package):
    """By a compiler that does not find the header."""
    cc = tmp_path / "cc"
    cc.write_text(f"""#!/bin/sh
for file; do
    case "$file" in
        *.c) grep -q '<{header}>' "$file" && exit 1 ;;
    esac
done
exec cc "$@"
""")
    cc.chmod(0o755)
    done = configure(tmp_path / "objs", f"--with-cc={cc}")
    assert done.returncode == 1
    assert f"apt-get install {package}\n" in done.stderr
    assert "not found" in done.stdout
    assert header in (tmp_path / "objs" / "autoconf.err").read_text()


# make install


def install(destination):
    subprocess.run(
        ["make", "-s", "-f", f"{OBJS}/Makefile", "install",
         f"DESTDIR={destination}"],
        check=True, cwd=ROOT, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    with open(os.path.join(OBJS, "config.h")) as f:
        prefix = re.search(r'WEIR_PREFIX "/(.*)"', f.read())[1]
    return destination / prefix


def test_install(tmp_path, weir):
    prefix = install(tmp_path)
    program = prefix / "sbin" / "weir"
    assert stat.S_IMODE(program.stat().st_mode) & 0o111
    assert (prefix / "logs").is_dir()
    brought = {p.name for p in (prefix / "conf").iterdir()}
    for name in os.listdir(os.path.join(ROOT, "conf")):
        assert f"{name}.default" in brought
    assert "weir.conf" in brought
    for name in os.listdir(os.path.join(ROOT, "html")):
        assert (prefix / "html" / name).is_file()
    done = subprocess.run(
        [program, "-p", prefix, "-t"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    # What is there stays; the program before is kept beside it.
    (prefix / "conf" / "weir.conf").write_text("mine")
    install(tmp_path)
    assert (prefix / "conf" / "weir.conf").read_text() == "mine"
    assert (prefix / "conf" / "weir.conf.default").read_text() != "mine"
    assert (prefix / "sbin" / "weir.old").is_file()
