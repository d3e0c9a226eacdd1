"""The master waits for no other process: whatever one of them does, signals
are obeyed and traffic goes on."""

import os
import signal

import pytest

from lib.wait import until
from lib.weir import is_stopped

ONE = "sandbox one { class a; address 127.0.0.1; }\n"
TWO = "sandbox two { class a; address 127.0.0.2; }\n"
CLASS = "sandbox_class a { }\n"


def stop(pid):
    os.kill(pid, signal.SIGSTOP)
    until(lambda: is_stopped(pid), "a stop")


@pytest.fixture
def stuck(weir):
    """A reload whose new sandbox the keeper, which is stopped, does not know."""
    w = weir(egress=CLASS + ONE)
    w.expect(r"\[emerg\]|exited on signal 9")
    (keeper,) = w.children("keeper")
    stop(keeper)
    w.configure(w.config(egress=CLASS + ONE + TWO))
    w.signal("HUP")
    w.wait_log("SIGHUP")
    yield w, keeper


def test_a_keeper_that_does_not_answer(stuck):
    """... stops neither signals nor what is started again."""
    w, keeper = stuck
    (worker,) = w.children("worker")
    os.rename(w.path("logs/error.log"), w.path("logs/error.log.1"))
    w.signal("USR1")
    until(lambda: os.path.exists(w.path("logs/error.log")), "a new log")
    os.kill(worker, signal.SIGKILL)
    until(lambda: w.children("worker") not in ([], [worker]), "another worker")
    assert not os.path.exists(w.path("ca/two.pem"))
    os.kill(keeper, signal.SIGCONT)
    w.signal("HUP")  # where the first took so long that it was given up
    until(lambda: os.path.exists(w.path("ca/two.pem")), "the reload's end")


@pytest.mark.parametrize("how", ["TERM", "QUIT"])
def test_weir_ends_while_it_waits(stuck, how):
    w, keeper = stuck
    w.signal(how)
    until(lambda: w.children("worker") == [], "the end of the workers")
    os.kill(keeper, signal.SIGCONT)
    assert w.wait() == 0


def test_a_keeper_that_dies_then(stuck):
    """The next reload is as any other."""
    w, keeper = stuck
    os.kill(keeper, signal.SIGKILL)
    until(lambda: w.children("keeper") not in ([], [keeper]), "another")
    w.signal("HUP")
    until(lambda: os.path.exists(w.path("ca/two.pem")), "the next reload's end")
