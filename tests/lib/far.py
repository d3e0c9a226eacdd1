"""A host at the other end of a link that can be cut: as when it loses power,
no FIN and no RST comes from it."""

import os
import subprocess
import threading

from .netns import CLONE_NEWNET, LIBC, check

NEAR, FAR = "10.9.0.1", "10.9.0.2"


def new_namespace():
    check(LIBC.unshare(CLONE_NEWNET))
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY)


def ip(*args):
    subprocess.run(["ip", *args], check=True, stdin=subprocess.DEVNULL)


class Far:
    """The calling thread, and what it starts, is at NEAR until leave(), in a
    network namespace of its own; there() is at FAR, in another."""

    def __init__(self):
        self.home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        self.fd = new_namespace()
        try:
            self.connect()
        except BaseException:
            self.leave()
            raise

    def connect(self):
        os.close(new_namespace())
        ip("link", "set", "lo", "up")
        self.there(ip, "link", "add", "far", "type", "veth",
                   "peer", "name", "near", "netns", str(os.getpid()))  # fmt: skip
        ip("addr", "add", NEAR + "/24", "dev", "near")
        ip("link", "set", "near", "up")
        self.there(ip, "addr", "add", FAR + "/24", "dev", "far")
        self.there(ip, "link", "set", "far", "up")

    def there(self, call, *args):
        """call(*args) at the far end; a socket that it makes stays there."""
        results = []

        def run():
            check(LIBC.setns(self.fd, CLONE_NEWNET))
            results.append(call(*args))

        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        assert results, "it failed"
        return results[0]

    def cut(self):
        self.there(ip, "link", "set", "far", "down")

    def leave(self):
        check(LIBC.setns(self.home, CLONE_NEWNET))
        os.close(self.home)
        os.close(self.fd)
