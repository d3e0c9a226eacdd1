"""Who leaves at each step of an exchange that has, or had, a header slot: its
client, or the worker. Slot and connections come back, once; the origin has
what was sent until then, once."""

import os
import signal
import threading

import pytest

from lib.back import ONE_SLOT, Back
from lib.wait import until

GET = "GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"
PUT = "PUT / HTTP/1.1\r\nHost: {host}\r\nContent-Length: 8\r\n\r\nhalf"
SWITCH = (
    "GET / HTTP/1.1\r\nHost: {host}\r\nConnection: upgrade\r\n"
    "Upgrade: websocket\r\n\r\n"
)
STEPS = {  # what is asked, what the origin reads and says, what arrives of it
    "body": (PUT, lambda conn: (conn.read_head(), conn.reader.exactly(4)), b""),
    "silence": (GET, lambda conn: conn.read_request(), b""),
    "interim": (GET, lambda conn: conn.read_request(),
                b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"),
    "head": (GET, lambda conn: (conn.read_request(),
                                conn.send(b"HTTP/1.1 200 OK\r\nCont")), b""),
    "answer": (GET, lambda conn: conn.read_request(),
               b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf"),
    "switched": (SWITCH, lambda conn: conn.read_request(),
                 b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n"
                 b"Upgrade: websocket\r\n\r\nframe"),
}  # fmt: skip


def host(origin):
    return f"{origin.names[0]}:{origin.port}"


def begin(w, origin, step):
    """The client, once the exchange is there."""
    asked, does, says = STEPS[step]
    is_there = threading.Event()

    def script(conn):
        does(conn)
        conn.send(says)
        is_there.set()
        conn.reader.to_eof()

    origin.script = script
    c = w.tunnel("origin.test", origin.port)
    c.send(asked.format(host=host(origin)))
    assert is_there.wait(20)
    assert c.reader.exactly(len(says)) == says
    return c


def begin_handshake(w, origin):
    """An origin that answers no ClientHello."""
    is_there = threading.Event()
    origin.context = None
    origin.script = lambda conn: (
        conn.reader.exactly(5),
        is_there.set(),
        conn.reader.to_eof(),
    )
    c = w.tunnel("origin.test", origin.port)
    c.send(GET.format(host=host(origin)))
    assert is_there.wait(20)
    return c


def begin_name(w, dns):
    """A resolver that does not answer."""
    c = w.client()
    c.send(GET.format(host="silent.test").replace("/", "http://silent.test/", 1))
    until(lambda: dns.questions, "a query")
    return c


@pytest.fixture
def good(origins):
    return origins("good.test", tls=False)


@pytest.fixture
def one_slot(weir, good, dns):
    dns.hold = threading.Event()
    w = weir(
        cls=ONE_SLOT,
        egress=f"lingering_time 100ms; resolver 127.0.0.1:{dns.port};",
    )
    yield w
    dns.hold.set()


def assert_sent_once(origin, step):
    """To the origin, which knows that it is over."""
    (conn,) = origin.conns
    assert conn.done.wait(20)
    assert conn.raw == STEPS[step][0].format(host=host(origin)).encode()


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("step", STEPS)
def test_client_leaves(origin, good, one_slot, step, how):
    back = Back(one_slot, good)
    getattr(begin(one_slot, origin, step), how)()
    back.check()
    assert_sent_once(origin, step)


@pytest.mark.parametrize("how", ["close", "reset"])
def test_client_leaves_in_the_handshake(origin, good, one_slot, how):
    back = Back(one_slot, good)
    getattr(begin_handshake(one_slot, origin), how)()
    back.check()
    assert origin.conns[0].done.wait(20) and len(origin.conns) == 1


@pytest.mark.parametrize("how", ["close", "reset"])
def test_client_leaves_while_its_name_is_asked_for(dns, good, one_slot, how):
    back = Back(one_slot, good)
    getattr(begin_name(one_slot, dns), how)()
    until(back.is_served, "the slot")
    dns.hold.set()
    back.check()


def worker_dies(w, good):
    """There is one slot afterwards, and no second one."""
    back = Back(w, good)
    w.expect("exited on signal 9")
    os.kill(back.pid, signal.SIGKILL)
    until(back.is_served, "the slot")
    with w.client() as c:
        good.default, go = lambda *_: go.wait(60) and None, threading.Event()
        c.send(GET.format(host=back.host).replace("/", f"http://{back.host}/", 1))
        until(lambda: len(good.requests) == 2, "who has it")
        assert not back.is_served()
        go.set()


@pytest.mark.parametrize("step", STEPS)
def test_worker_dies(origin, good, one_slot, step):
    c = begin(one_slot, origin, step)
    worker_dies(one_slot, good)
    assert c.is_closed()
    assert_sent_once(origin, step)


def test_worker_dies_in_the_handshake(origin, good, one_slot):
    c = begin_handshake(one_slot, origin)
    worker_dies(one_slot, good)
    assert c.is_closed()
    assert origin.conns[0].done.wait(20) and len(origin.conns) == 1


def test_worker_dies_while_a_name_is_asked_for(dns, good, one_slot):
    c = begin_name(one_slot, dns)
    worker_dies(one_slot, good)
    assert c.is_closed()
