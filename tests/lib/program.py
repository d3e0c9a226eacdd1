"""A weir with other modules than the build under test."""

import os
import subprocess

from .weir import BINARY, ROOT

OBJS = os.path.dirname(BINARY)


def configure(objs, *options):
    """With warnings as errors; what it says."""
    done = subprocess.run(
        ["./configure", f"--builddir={objs}", "--with-werror", *options],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def flags():
    """Compiler, its options, those of unit tests, of the linker, libraries."""
    with open(os.path.join(OBJS, "flags")) as f:
        return [line.split() for line in f]


def link(objs, *more):
    """What is new, and the list of modules, is compiled by configure's rules;
    the rest comes from the build under test. The program's path."""
    new = [f"{objs}/modules.o", *more]
    subprocess.run(["make", "-s", "-f", f"{objs}/Makefile", *new], check=True)
    return link_objects(objs, new)


def link_objects(objs, new):
    cc, cflags, _, ldflags, libs = flags()
    own = [f"{OBJS}/core/weir.o", f"{OBJS}/libweir.a"]
    command = [*cc, *cflags, *ldflags, "-o", f"{objs}/weir", *new, *own, *libs]
    subprocess.run(command, check=True)
    return f"{objs}/weir"


# What configure does of modules, and nothing else of it: a second, not ten.
LIST = """
SRC=$PWD OBJ=$1 WITHOUT=$2 ADDONS=$3
put() { cat >"$1"; }
. auto/modules
for file in $MODULE_SRCS; do
    case "$file" in /*) echo "$file" ;; esac
done
"""


def link_without(objs, names, add=""):
    """The program without those modules, and with that of the directory
    `add`; all other objects are those of the build under test."""
    sources = subprocess.run(
        ["sh", "-euc", LIST, "configure", objs, " ".join(names), add],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout.splitlines()  # fmt: skip
    cc, cflags, *_ = flags()
    new = []
    for source in [f"{objs}/modules.c", *sources]:
        if not source.startswith("/"):
            continue  # what auto/modules says
        new.append(f"{objs}/{os.path.basename(source)[:-2]}.o")
        where = [f"-I{ROOT}/core", f"-I{OBJS}", "-c", "-o", new[-1], source]
        subprocess.run([*cc, *cflags, *where], check=True)
    return link_objects(objs, new)
