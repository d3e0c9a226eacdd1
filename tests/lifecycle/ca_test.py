"""A sandbox's CA lives as long as the master: over reloads and the deaths of
children, not over a stop."""

import os
import signal
import ssl

import pytest

from lib.wait import until


def ca_of(w):
    with open(w.ca()) as f:
        return f.read()


def leaf(w, name, origins):
    """A leaf of a name that no worker has seen, verified by the CA's file."""
    (origin,) = [o for o in origins.made if name in o.names]
    with w.tunnel(name, origin.port) as c:
        assert c.get("/", f"{name}:{origin.port}").status == 200
        return c.peer_certificate()


def reload(w):
    (old,) = w.children("worker")
    w.signal("HUP")
    until(lambda: w.children("worker") not in ([], [old]), "a new worker")
    until(lambda: old not in w.children("worker"), "the old one's end")


def kill(role):
    def one(w):
        (old,) = w.children(role)
        os.kill(old, signal.SIGKILL)
        until(lambda: w.children(role) not in ([], [old]), "another " + role)
        w.wait_log(f"{role} process {old} exited on signal 9")

    return one


@pytest.mark.parametrize("what", [reload, kill("keeper"), kill("worker")],
                         ids=["reload", "keeper", "worker"])  # fmt: skip
def test_is_kept_and_signs_on(weir, origins, what):
    origins("a.test", "b.test")
    w = weir()
    w.expect("exited on signal 9")
    before, first = ca_of(w), leaf(w, "a.test", origins)
    what(w)
    second = until(lambda: leaf_or_none(w, "b.test", origins), "a leaf")
    assert ca_of(w) == before
    assert first["issuer"] == second["issuer"]
    assert first["serialNumber"] != second["serialNumber"]


def leaf_or_none(w, name, origins):
    """None while a process that was killed is not there again."""
    try:
        return leaf(w, name, origins)
    except OSError:
        return None


def test_is_another_after_a_stop(weir, origins):
    """Whoever kept the old one's certificate trusts the new one in nothing."""
    origins("a.test")
    w = weir()
    leaf(w, "a.test", origins)
    old = w.write("old.pem", ca_of(w))
    w.stop("QUIT")
    w.start()
    assert ca_of(w) != open(old).read()
    leaf(w, "a.test", origins)
    w.ca = lambda sandbox=None: old
    with pytest.raises(ssl.SSLCertVerificationError):
        leaf(w, "a.test", origins)
