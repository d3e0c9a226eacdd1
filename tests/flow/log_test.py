"""Access log formats: what they say, and what cannot be said with them."""

import json
import re
import resource

import pytest

from lib.http import reply
from lib.wait import until


def host(origin):
    return f"{origin.names[0]}:{origin.port}"


def log(w, n=1, name="own.log"):
    def lines():
        text = w.read("logs", name)
        return text.count("\n") >= n and text.splitlines()

    return until(lines, f"{n} lines in {name}")


def get(w, origin, path="/", headers=()):
    with w.client() as c:
        return c.get(f"http://{host(origin)}{path}", host(origin), headers)


FORMAT = "access_log logs/own.log own;\n"


def test_every_variable(weir, plain_origin):
    names = {
        "remote_addr": r"127\.0\.0\.1", "sandbox_id": "box",
        "sandbox_class": "test", "host": r"plain\.test",
        "port": str(plain_origin.port), "scheme": "http",
        "request_method": "GET", "uri": "/p", "args": "q=1",
        "query_string": "q=1", "http_x_mine": "mine", "status": "200",
        "body_bytes_sent": "5", "bytes_sent": r"\d+",
        "request_length": r"\d+", "request_time": r"\d+\.\d{3}",
        "upstream_connect_time": r"\d+\.\d{3}",
        "upstream_header_time": r"\d+\.\d{3}",
        "upstream_addr": rf"127\.0\.0\.1:{plain_origin.port}",
        "time_local": r"\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}",
        "time_iso8601": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\S+",
        "connection": r"\d+", "rule": r"\d+", "cause": "-",
    }  # fmt: skip
    plain_origin.on("/p", reply(b"12345"))
    text = "|".join(f"${n}" for n in names)
    w = weir(egress=f"log_format own '{text}';\n{FORMAT}")
    r = get(w, plain_origin, "/p?q=1", [("X-Mine", "mine")])
    values = log(w)[0].split("|")
    got = dict(zip(names, values, strict=True))
    for name, pattern in names.items():
        assert re.fullmatch(pattern, got[name]), (name, got[name])
    sent = len(r.raw_head) + len(r.body)
    assert got["bytes_sent"] == str(sent)


def test_escape_default(weir, plain_origin):
    w = weir(egress=f"""
        log_format own escape=default '[$http_a]' '[$http_none]' "[$uri]";
        {FORMAT}""")
    get(w, plain_origin, '/"%22', [("A", 'a"b\\c\t\xe9')])
    assert log(w) == ['[a\\x22b\\x5Cc\\x09\\xC3\\xA9][-][/\\x22%22]']


def test_escape_json(weir, plain_origin):
    w = weir(egress=f"""
        log_format own escape=json '{{"a":"$http_a","none":"$http_none"}}';
        {FORMAT}""")
    get(w, plain_origin, "/", [("A", 'a"b\\c\td')])
    assert json.loads(log(w)[0]) == {"a": 'a"b\\c\td', "none": ""}


def test_default_and_off(weir, plain_origin):
    w = weir(egress="""
        access_log logs/own.log;
        host plain.test {
            location /off/ { access_log off; }
            location /json/ { access_log logs/json.log json; }
        }""")
    for path in ("/off/", "/json/", "/"):
        assert get(w, plain_origin, path).status == 200
    (line,) = log(w)
    assert re.fullmatch(
        r'127\.0\.0\.1 box \[\S+ \S+\] "GET http://plain\.test:\d+/" 200 22 '
        r'\d+\.\d{3} 127\.0\.0\.1:\d+ "-"', line)  # fmt: skip
    (entry,) = [json.loads(s) for s in log(w, name="json.log")]
    assert entry["path"] == "/json/" and entry["status"] == 200


@pytest.mark.parametrize("text, what", [
    ("log_format own escape=none '$uri';", "unknown escaping"),
    ("log_format own escape=json;", "is empty"),
    ("log_format own '$nothing';", "nothing"),
    ("log_format own '$secret_t';", "secret_t"),
    ("log_format own '$';", "$"),
    ("log_format json '$uri';", "duplicate"),
    ("log_format default '$uri';", "duplicate"),
    ("log_format own a; log_format own b;", "duplicate"),
    ("access_log logs/own.log unknown;", "unknown log format"),
    ("access_log off json;", "takes no format"),
    ('access_log "";', "empty path"),
])  # fmt: skip
def test_refused(weir, text, what):
    w = weir(egress=f"secret t file:token;\n{text}", start=False,
             files={"token": "0123456789ab\n"})  # fmt: skip
    done = w.run("-t")
    assert done.returncode == 1 and what in done.stderr
    assert "weir.conf:" in done.stderr


def limit(pid, n):
    """The process appends to no file beyond its first n bytes: for it the
    disk is full."""
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (n, resource.RLIM_INFINITY))


def test_a_full_disk(weir, plain_origin):
    """Lines are there whole or not at all; how many were lost is said when
    there is room."""
    w = weir(main="user root;", egress=f"""
        log_format own '$uri';
        host plain.test {{ location /off/ {{ access_log off; }} }}
        {FORMAT}""")
    w.expect("own.log|of this log")
    (worker,) = w.children("worker")
    get(w, plain_origin, "/first")
    assert log(w) == ["/first"]
    assert len(w.error_log()) > 9
    limit(worker, 9)
    for path in ("/a", "/b", "/off/"):  # with its answer /b's line is through
        assert get(w, plain_origin, path).status == 200
    assert log(w) == ["/first"]
    limit(worker, resource.RLIM_INFINITY)
    get(w, plain_origin, "/last")
    assert log(w, 2) == ["/first", "/last"]
    line = w.wait_log(r"\d+ lines? of this log w\w+ lost \(")
    assert "[alert]" in line
    w.wait_log(r'2 lines of "\S+/own.log" were lost \(')


PLACES = """
sandbox_class test {
    allowed_hosts  *.test;
    denied_hosts   no.test;
}
host plain.test {
    location /no/ {
        deny  all;
    }
    location /put/ { methods PUT; }
}
host return.test { return 403; }
"""


@pytest.mark.parametrize("method, url, rule, line", [
    ("GET", "http://else.example/", "3 allowed_hosts", 2),
    ("GET", "http://no.test/x", "2 denied_hosts", 3),
    ("CONNECT", "no.test:443", "2 denied_hosts", 3),
    ("GET", "http://plain.test/no/x", "5 location", 7),
    ("GET", "http://plain.test/put/x", "5 methods", 9),
    ("GET", "http://plain.test:99/", "5 ports", None),
])  # fmt: skip
def test_a_refusal_names_its_rule(weir, method, url, rule, line):
    """In one line at warn: who, what, and where to change it."""
    w = weir(egress=PLACES)
    first = w.read("weir.conf").split("sandbox_class")[0].count("\n")
    host = re.match(r"(?:http://)?([^/]*)", url)[1]
    with w.client() as c:
        c.send(f"{method} {url} HTTP/1.1\r\nHost: {host}\r\n\r\n")
        assert c.read_response(method).status in (403, 405)
    (logged,) = [s for s in w.error_log().splitlines() if ", rule: " in s]
    place = f" in {w.path('weir.conf')}:{first + line}" if line else ""
    target = url if method == "CONNECT" else url.partition(host)[2]
    assert re.search(
        r" \[warn\] \d+: \*1 .* is blocked by egress policy: .*, rule: "
        rf'{rule}{re.escape(place)}, request: "{method} {target}", '
        rf'host: "{host.partition(":")[0]}", client: 127.0.0.1, '
        "sandbox: box$", logged)  # fmt: skip


@pytest.mark.parametrize("head, logged", [
    ("CONNECT a.test:443 HTTP/1.1\r\nX\r\n\r\n", "CONNECT a.test:443"),
    ("CONNECT a.test HTTP/1.1\r\nHost: a\r\n\r\n", "CONNECT a.test"),
    ("CONNECT me:password@a.test:1 HTTP/1.1\r\nHost: a\r\n\r\n",
     "CONNECT @a.test:1"),
    ("GET http://a.test/b?password HTTP/1.1\r\nX\r\n\r\n",
     "GET http://a.test/b"),
    ("GET /b?password HTTP/1.1\r\nHost: a\r\n\r\n", "GET /b"),
    ('GET /",host:"x HTTP/1.1\r\nX\r\n\r\n', r"GET /\x22,host:\x22x"),
])  # fmt: skip
def test_a_bad_request_is_named(weir, head, logged):
    """As far as it could be read, and without what may be a secret."""
    w = weir()
    with w.client() as c:
        c.send(head)
        assert c.read_response().status == 400
    assert f', request: "{logged}", host: ' in w.wait_log("request: ")
    assert "password" not in w.error_log()
