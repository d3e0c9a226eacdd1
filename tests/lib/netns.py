"""A network namespace of the test's own: any address in the world can be
there, and none of the machine's is."""

import contextlib
import ctypes
import os
import subprocess

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000


def check(result):
    if result != 0:
        err = ctypes.get_errno()
        raise OSError(err, os.strerror(err))


class NetNs:
    """The calling thread's, and of what it starts, until leave(). Every
    address leads to a listener on the wildcard address here, or loopback's
    alone."""

    def __init__(self, everywhere=True):
        self.fd = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        try:
            check(LIBC.unshare(CLONE_NEWNET))
        except OSError:
            os.close(self.fd)
            raise
        self.ip("link", "set", "lo", "up")
        if everywhere:
            self.ip("route", "add", "local", "0.0.0.0/0", "dev", "lo")
            self.ip("-6", "route", "add", "local", "::/0", "dev", "lo")

    def ip(self, *args):
        subprocess.run(["ip", *args], check=True, stdin=subprocess.DEVNULL)

    def add_link(self, name):
        """A link that is up, with a peer that nobody listens at."""
        self.ip("link", "add", name, "type", "veth", "peer", "name", name + "p")
        self.ip("link", "set", name, "up")
        self.ip("link", "set", name + "p", "up")

    def add_address(self, address, link):
        nodad = ["nodad"] if ":" in address else []
        self.ip("addr", "add", address, "dev", link, *nodad)

    def del_address(self, address, link):
        self.ip("addr", "del", address, "dev", link)

    def leave(self):
        check(LIBC.setns(self.fd, CLONE_NEWNET))
        os.close(self.fd)


class MountNs:
    """A mount namespace that a process holds until close(). What runs there is
    in the network namespace of the caller; /run/netns is its own."""

    def __init__(self):
        self.holder = subprocess.Popen(
            ["unshare", "--mount", "sh", "-ec",
             "mkdir -p /run/netns; mount -t tmpfs none /run/netns; echo; cat"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        assert self.holder.stdout.readline() == b"\n"

    def run(self, *command, net=None, uid=None, **options):
        """To its end; in the namespace that `ip netns add` named so, and as
        that user."""
        enter = ["nsenter", f"--mount=/proc/{self.holder.pid}/ns/mnt"]
        if net is not None:
            enter += ["nsenter", f"--net=/run/netns/{net}"]
        if uid is not None:
            enter += ["setpriv", f"--reuid={uid}", f"--regid={uid}",
                      "--clear-groups"]  # fmt: skip
        return subprocess.run(
            [*enter, *command], text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options,
        )  # fmt: skip

    @contextlib.contextmanager
    def inside(self, net):
        """Sockets that the calling thread opens meanwhile are in there."""
        back = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        there = os.open(
            f"/proc/{self.holder.pid}/root/run/netns/{net}", os.O_RDONLY
        )
        check(LIBC.setns(there, CLONE_NEWNET))
        try:
            yield
        finally:
            check(LIBC.setns(back, CLONE_NEWNET))
            os.close(back)
            os.close(there)

    def close(self):
        self.holder.communicate()
