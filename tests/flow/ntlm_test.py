"""An origin that authenticates connections (NTLM, Negotiate): one that it
challenged, or that a client sent such credentials over, is that client
connection's to its end, and no other's."""

import threading

import pytest

import lib.weir
from lib.http import reply
from lib.ntlm import Ntlm, authenticate, negotiate
from lib.wait import DEADLINE, until


def host(origin):
    return f"{origin.names[0]}:{origin.port}"


class Browser:
    """A client connection, of the one sandbox that there is."""

    def __init__(self, w, origin):
        self.origin = origin
        self.client = (
            w.tunnel(origin.names[0], origin.port)
            if origin.is_tls
            else w.client()
        )

    def get(self, authorization=None, path="/", origin=None):
        origin = origin or self.origin
        url = "" if origin.is_tls else f"http://{host(origin)}"
        headers = [("Authorization", authorization)] if authorization else []
        return self.client.get(url + path, host(origin), headers)

    def log_in(self, user, origin=None):
        for given in (None, negotiate()):
            assert self.get(given, origin=origin).status == 401
        r = self.get(authenticate(user), origin=origin)
        assert (r.status, r.body.decode()) == (200, f"hello {user}")

    def who(self, origin=None):
        r = self.get(origin=origin)
        return r.status, r.body.decode()[:20]


@pytest.fixture(params=[True, False], ids=["tls", "plain"])
def guarded(request, origins):
    origin = origins("o.test", tls=request.param)
    origin.default = Ntlm()
    return origin


@pytest.fixture
def browse(weir):
    """browse(origin): another client connection; of the same weir."""
    made = []
    ws = []

    def make(origin):
        if not ws:
            ws.append(weir())
        made.append(Browser(ws[0], origin))
        return made[-1]

    make.weirs = ws

    yield make
    for browser in made:
        browser.client.close()


@pytest.fixture
def few_descriptors(monkeypatch):
    """48, and the ledger's 256 that every process of weir's has."""
    monkeypatch.setattr(lib.weir, "WRAP", ["prlimit", "--nofile=304:304"])


REFUSED = (401, "who?" * 5)


@pytest.mark.parametrize("ntlm", [
    Ntlm(), Ntlm(minor=0), Ntlm(is_chunked=True),
], ids=["1.1", "1.0", "chunked"])  # fmt: skip
def test_two_at_once_are_two(guarded, browse, ntlm):
    """Step by step, beside each other, and a third that says nothing."""
    guarded.default = ntlm
    users = {"alice": browse(guarded), "bob": browse(guarded)}
    for b in users.values():
        assert b.who() == REFUSED
    for b in users.values():
        assert b.get(negotiate()).status == 401
    for user, b in users.items():
        assert b.get(authenticate(user)).body.decode() == f"hello {user}"
    assert browse(guarded).who() == REFUSED
    for _ in range(2):
        for user, b in users.items():
            assert b.who() == (200, f"hello {user}")
    assert [len(c.requests) for c in guarded.conns] == [5, 5, 1]


def test_ends_with_its_client(guarded, browse):
    alice = browse(guarded)
    alice.log_in("alice")
    alice.client.close()
    until(guarded.conns[0].done.is_set, "the end of the connection")
    assert browse(guarded).who() == REFUSED
    assert len(guarded.conns) == 2


@pytest.mark.parametrize("last", ["close", "bytes"])
def test_one_that_dies_is_followed_by_another(guarded, browse, last):
    """It ends, or says what nobody asked for; the client begins anew."""
    is_read = threading.Event()

    def more(conn, request):
        conn.send(reply("and more"))
        is_read.wait(DEADLINE)
        conn.send(b"HTTP/1.1 408 Late\r\n\r\n")

    guarded.on("/more", more)
    alice = browse(guarded)
    alice.log_in("alice")
    if last == "bytes":
        assert alice.get(path="/more").body == b"and more"
        is_read.set()
    else:
        guarded.conns[0].cut_off()
    until(guarded.conns[0].done.is_set, "the end of the connection")
    assert alice.who() == REFUSED
    alice.log_in("alice")
    assert alice.who() == (200, "hello alice")
    assert len(guarded.conns) == 2


def test_one_that_the_origin_closes_in_order(guarded, browse):
    alice = browse(guarded)
    alice.log_in("alice")
    guarded.on("/last", reply("bye", headers=[("Connection", "close")]))
    assert alice.get(path="/last").body == b"bye"
    assert alice.who() == REFUSED


def test_who_begins_by_himself_gets_a_new_one(guarded, browse):
    """Though one waits, that another may have then; his own is nobody's."""
    guarded.default = reply("open")
    one, two, three = (browse(guarded) for _ in range(3))
    one.get(path="/1")
    two.get("Negotiate YII=", "/2")
    three.get(path="/3")
    two.get(path="/4")
    one.get(path="/5")
    targets = [[r.target for r in c.requests] for c in guarded.conns]
    assert targets == [["/1", "/3", "/5"], ["/2", "/4"]]


@pytest.mark.parametrize("challenges", [
    ["NTLM"], ["Basic realm=x, ntlm"], ["Basic realm=x", "nEgOtIaTe YII="],
    ["Basic realm=x", "CredSSP"], ["Kerberos"],
])  # fmt: skip
def test_a_challenge_is_enough(guarded, browse, challenges):
    fields = [("WWW-Authenticate", c) for c in challenges]
    guarded.default = reply("who?", "401 Unauthorized", fields)
    one, two = browse(guarded), browse(guarded)
    for b in (one, two, one):
        r = b.get()
        assert r.all("WWW-Authenticate") == challenges
    assert [len(c.requests) for c in guarded.conns] == [2, 1]


def test_other_schemes_are_of_a_request(guarded, browse):
    fields = [("WWW-Authenticate", 'Basic realm="NTLM", Bearer')]
    guarded.default = reply("who?", "401 Unauthorized", fields)
    for b in (browse(guarded), browse(guarded)):
        assert b.get("Basic TlRMTQ==").status == 401
    assert len(guarded.conns) == 1


def dies_under(guarded, n):
    """At its n-th request; later connections serve."""
    first = threading.Lock()

    def script(conn):
        if not first.acquire(blocking=False):
            guarded.serve(conn)
            return
        for _ in range(n - 1):
            conn.send(guarded.default(conn, conn.read_request()))
        conn.read_request()
        conn.hang_up()

    guarded.script = script


def test_credentials_are_not_sent_twice(guarded, browse):
    """They answer a challenge of the connection that died: the client sees its
    own end, without an answer, and begins anew."""
    dies_under(guarded, 3)
    alice = browse(guarded)
    assert alice.get().status == alice.get(negotiate()).status == 401
    with pytest.raises((AssertionError, ConnectionError), match="ended|reset"):
        alice.get(authenticate("alice"))
    assert len(guarded.conns) == 1
    again = browse(guarded)
    again.log_in("alice")
    assert again.who() == (200, "hello alice")


def test_what_has_none_is(guarded, browse):
    """A request that may be repeated: the answer is a challenge then."""
    dies_under(guarded, 4)
    alice = browse(guarded)
    alice.log_in("alice")
    assert alice.who() == REFUSED
    assert len(guarded.conns) == 2


def test_a_handshake_is_not_cut(weir, origins):
    """By a limit on requests; what follows it is the last."""
    origin = origins("o.test", tls=False)
    origin.default = Ntlm()
    w = weir(egress="keepalive_requests 2;")
    b = Browser(w, origin)
    b.log_in("alice")
    assert b.client.is_closed()
    b = Browser(w, origin)
    assert b.who() == b.who() == REFUSED
    assert b.client.is_closed()


def test_nor_by_a_reload(weir, origins):
    """What follows it is the last of a worker that drains."""
    origin = origins("o.test")
    origin.default = Ntlm()
    w = weir()
    b, other = Browser(w, origin), Browser(w, origin)
    assert b.who() == other.who() == REFUSED
    w.signal("HUP")
    until(lambda: other.get().get("Connection") == "close", "a drain")
    assert b.get(negotiate()).get("Connection") is None
    assert b.get(authenticate("alice")).get("Connection") == "close"
    assert b.client.is_closed()


def test_of_several_origins_the_last(origins, browse):
    """Over one plain connection to the proxy."""
    a, b = (origins(name, tls=False) for name in ("a.test", "b.test"))
    a.default = b.default = Ntlm()
    alice = browse(a)
    alice.log_in("alice")
    alice.log_in("bob", b)
    until(a.conns[0].done.is_set, "the end of the first")
    assert alice.who(b) == (200, "hello bob")
    assert alice.who(a) == REFUSED
    alice.client.close()
    until(lambda: all(c.done.is_set() for c in a.conns + b.conns), "all ends")


def test_a_proxy_says_that_it_keeps_them_apart(guarded, browse):
    """RFC 4559 6: a client that knows of the proxy does not begin else."""
    theirs = [("Proxy-Support", "x")]
    guarded.on("/ntlm", reply(
        "", "401 Unauthorized", [("WWW-Authenticate", "NTLM")] + theirs
    ))  # fmt: skip
    guarded.on("/basic", reply(
        "", "401 Unauthorized", [("WWW-Authenticate", "Basic")]
    ))  # fmt: skip
    alice = browse(guarded)
    said = ["x" if guarded.is_tls else "Session-Based-Authentication"]
    assert alice.get(path="/ntlm").all("Proxy-Support") == said
    assert alice.get(path="/basic").all("Proxy-Support") == []


def test_idle_ones_give_way(guarded, browse, few_descriptors):
    """Out of descriptors: those of clients that said nothing for longest, whose
    next request goes by another."""
    browsers = [browse(guarded) for _ in range(24)]
    browse.weirs[0].expect("accept stopped")
    for b in browsers:
        assert b.who() == REFUSED
    assert len(guarded.conns) == len(browsers)
    for b in browsers:
        assert b.who() == REFUSED
    assert len(guarded.conns) > len(browsers)


SECRET_IN_PART = """
secret svc env:SVC;
host o.test {
    location /theirs/ { proxy_set_header Authorization "Negotiate $secret_svc"; }
    location /theirs/less/ { proxy_set_header Authorization ""; }
}
"""


def test_what_a_secret_opens_stays_with_the_secret(weir, origins):
    """A connection that weir's own credential authenticates is not where the
    credential is not: all that is sent there is done in its name."""

    def answer(conn, request):
        given = request.get("Authorization")
        conn.user = given or getattr(conn, "user", None)
        return reply("yes" if conn.user else "no")

    origin = origins("o.test")
    origin.default = answer
    w = weir(egress=SECRET_IN_PART, env={"SVC": "YII-of-the-service"})
    b = Browser(w, origin)
    paths = ["/theirs/1", "/theirs/2", "/other", "/theirs/less/", "/theirs/3"]
    got = [b.get(path=path).body for path in paths]
    assert got == [b"yes", b"yes", b"no", b"no", b"yes"]
    assert b.get("Negotiate mine", "/other").body == b"yes"
    got = [b.get(path=path).body for path in ("/other", "/theirs/less/")]
    assert got == [b"yes", b"yes"], "the client's own goes wherever it goes"
    at_first = [r.target for r in origin.conns[0].requests]
    assert at_first == [paths[0], paths[1], paths[4]]
