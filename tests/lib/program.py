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


def link(objs, *more):
    """What is new, and the list of modules, is compiled by configure's rules;
    the rest comes from the build under test. The program's path."""
    new = [f"{objs}/modules.o", *more]
    subprocess.run(["make", "-s", "-f", f"{objs}/Makefile", *new], check=True)
    with open(os.path.join(OBJS, "flags")) as f:
        cc, cflags, _, ldflags, libs = [line.split() for line in f]
    own = [f"{OBJS}/core/weir.o", f"{OBJS}/libweir.a"]
    command = [*cc, *cflags, *ldflags, "-o", f"{objs}/weir", *new, *own, *libs]
    subprocess.run(command, check=True)
    return f"{objs}/weir"
