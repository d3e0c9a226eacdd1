"""auto/unit fails on what must not be in a unit test: the file that
WEIR_TEST_BREAK breaks is a child of the one program of all of them."""

import os
import subprocess

import pytest

from lib.weir import BINARY, ROOT


VALGRIND = ("valgrind -q --error-exitcode=99 --leak-check=full "
            "--errors-for-leak-kinds=definite --show-leak-kinds=definite")


def is_checked():
    """Whether the program has sanitizers."""
    with open(BINARY, "rb") as f:
        return b"__asan_init" in f.read()


def unit(how, *wrap):
    return subprocess.run(
        ["auto/unit", os.path.dirname(BINARY), "-k", "unit/units_test", *wrap],
        cwd=ROOT,
        env={
            **os.environ,
            "WEIR_TEST_BREAK": how,
            "WEIR_TEST_PATIENCE": "300" if how == "hang" else "60000",
            "OMP_NUM_THREADS": "1",  # nproc's: one process
        },
        capture_output=True,
        text=True,
    )


def assert_fails(done, code, text):
    assert f"--- tests/unit/units_test.c: exit {code}\n" in done.stdout
    assert text in done.stdout
    assert "again: auto/test" in done.stdout
    assert done.stdout.endswith("1 files failed\n")
    assert done.returncode == 1


def test_a_file_that_passes():
    done = unit("nothing")
    assert done.stdout == "unit: 1 files, 2 tests passed, 0 files failed\n"
    assert done.returncode == 0


@pytest.mark.parametrize(
    "how, code", [("crash", 134), ("early", 0), ("hang", 124)]
)
def test_a_file_that_does_not_end_as_it_should(how, code):
    assert_fails(unit(how), code, "")


@pytest.mark.parametrize(
    "how, text",
    [("leak", "definitely lost"), ("unset", "uninitialised value")],
)
def test_what_valgrind_sees(how, text):
    if is_checked():
        pytest.skip("the plain build's")
    assert_fails(unit(how, *VALGRIND.split()), 99, text)


def test_what_a_sanitizer_sees():
    if not is_checked():
        pytest.skip("the checked build's")
    assert_fails(unit("freed"), 1, "heap-use-after-free")
