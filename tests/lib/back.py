"""What a worker has again when a fault is over: slot, connections, memory."""

import os

from .http import reply
from .wait import until
from .weir import resident

ONE_SLOT = "header_slots 1; header_slots_queue 0;"


class Back:
    """Of a weir with one worker and ONE_SLOT, made while nothing is under way.
    `good` is a plain origin whose connections serve one request each."""

    def __init__(self, w, good):
        self.w, self.good = w, good
        self.host = f"{good.names[0]}:{good.port}"
        good.default = reply(b"good", headers=[("Connection", "close")])
        (self.pid,) = w.children("worker")
        self.n = self.descriptors()

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def resident(self):
        return resident(self.pid)

    def is_served(self):
        """Whether a request is that may not wait for a slot."""
        try:
            with self.w.client() as c:
                return c.get(f"http://{self.host}/", self.host).status == 200
        except (AssertionError, OSError):
            return False

    def check(self, fault=""):
        """No connection is left, a client's or one in the pool; a request that
        may not wait for a slot is served, by the worker that it was."""
        until(
            lambda: self.descriptors() == self.n,
            f"the end of connections {fault}",
        )
        with self.w.client() as c:
            assert c.get(f"http://{self.host}/", self.host).body == b"good", fault
        assert self.w.children("worker") == [self.pid]
