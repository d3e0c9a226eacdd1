"""Waiting for a fact, never for a while: all deadlines of the tests."""

import os
import time

# Valgrind needs longer; no test passes because of it.
SLOW = float(os.environ.get("WEIR_TEST_SLOW", "1"))
# For what comes in milliseconds on a quiet machine; under weir's own time-outs
# of a minute, which are not what is waited for.
DEADLINE = 45.0


def until(fact, what, deadline=None):
    """Returns the first true value of fact(), or fails with `what`."""
    end = time.monotonic() + (deadline or DEADLINE)
    while True:
        value = fact()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited in vain for {what}")
        time.sleep(0.002)
