"""Real clients, as they come: each holds no credential, and the origin
checks that the right one arrived."""

from lib.clients import EGRESS, TOKEN, attempt, run, url
from lib.http import reply

NODE_HTTPS = """
const http = require('http'), https = require('https');
const url = new URL(process.argv[1]), proxy = new URL(process.env.https_proxy);
http.request({ host: proxy.hostname, port: proxy.port, method: 'CONNECT',
    path: url.host }).on('connect', (res, socket) => {
    https.get(url, { socket, agent: false, servername: url.hostname },
        (r) => r.pipe(process.stdout));
}).end();
"""

# fetch() of node 18 and 20 has no proxy of its own: its agent is told how to
# connect, as the undici package's ProxyAgent does.
NODE_FETCH = """
const tls = require('tls'), http = require('http');
const proxy = new URL(process.env.https_proxy);
function connect(o, done) {
    http.request({ host: proxy.hostname, port: proxy.port, method: 'CONNECT',
        path: `${o.hostname}:${o.port}` }).on('connect', (res, socket) => {
        const s = tls.connect({ socket, servername: o.hostname },
            () => done(null, s));
        s.on('error', done);
    }).on('error', done).end();
}
(async () => {
    await fetch('data:,');
    const dispatcher = globalThis[Symbol.for('undici.globalDispatcher.1')];
    const agent = new dispatcher.constructor({ connect });
    for (let i = 0; i < 3; i++) {
        const r = await fetch(process.argv[1],
            { method: 'POST', body: `sent${i}`, dispatcher: agent });
        process.stdout.write(await r.text());
    }
    await agent.close();
})();
"""


def test_curl(served, origin):
    out = run(served, "curl", "-sSv", url(origin), url(origin, "/2"))
    assert out == "hello GET \nhello GET \n"
    assert len(origin.conns) == 1


def test_curl_by_an_https_proxy(weir, guarded, pki):
    """It speaks TLS to weir, and TLS to the origin within."""
    origin = guarded(lambda conn, request: reply(f"hello {request.method}\n"))
    cert, key = pki.leaf("127.0.0.1")
    w = weir(
        egress=f"{EGRESS} listen 127.0.0.1:{{{{port}}}} proxy ssl;\n"
        f"ssl_certificate {cert};\nssl_certificate_key {key};",
        env={"TOKEN": TOKEN},
    )
    proxy = f"https://127.0.0.1:{w.port}"
    out = run(w, "curl", "-sS", "--proxy", proxy, "--proxy-cacert", pki.ca,
              url(origin), url(origin, "/2"))  # fmt: skip
    assert out == "hello GET\nhello GET\n"
    assert len(origin.conns) == 1
    done = attempt(w, "curl", "-sS", "--proxy", proxy, "--proxy-cacert",
                   w.ca(), url(origin))  # fmt: skip
    assert done.returncode == 60, "no certificate of a sandbox's CA is weir's"


def test_curl_upload(served, origin):
    body = "x" * 300_000
    out = run(
        served, "curl", "-sS", "-T", "-", url(origin, "/up"), stdin=body
    )
    assert out == f"hello PUT {body}\n"


def test_curl_in_parallel(served, origin):
    urls = [url(origin, f"/{i}") for i in range(20)]
    out = run(served, "curl", "-sS", "-Z", *urls)
    assert out == "hello GET \n" * 20


def test_curl_is_told_why(served):
    done = attempt(served, "curl", "-sSi", "https://elsewhere.example/")
    assert done.returncode != 0 and "403" in done.stderr + done.stdout
    assert "Proxy-Status: weir" in done.stdout


def test_wget(served, origin):
    out = run(
        served, "wget", "-qO-", f"--ca-certificate={served.ca()}", url(origin)
    )
    assert out == "hello GET \n"


def test_python_urllib(served, origin):
    code = "import sys, urllib.request as u\n" \
        "print(u.urlopen(sys.argv[1]).read().decode(), end='')"  # fmt: skip
    out = run(served, "/usr/bin/python3", "-c", code, url(origin))
    assert out == "hello GET \n"


def test_python_requests(served, origin):
    code = (
        "import sys, requests\n"
        "s = requests.Session()\n"
        "for i in range(3):\n"
        "    r = s.post(sys.argv[1], data='d%d' % i)\n"
        "    print(r.status_code, r.text, end='')\n"
    )
    out = run(served, "/usr/bin/python3", "-c", code, url(origin))
    assert out == "".join(f"200 hello POST d{i}\n" for i in range(3))


def test_node_https(served, origin):
    out = run(served, "node", "-e", NODE_HTTPS, url(origin))
    assert out == "hello GET \n"


def test_node_fetch(served, origin):
    out = run(served, "node", "-e", NODE_FETCH, url(origin))
    assert out == "".join(f"hello POST sent{i}\n" for i in range(3))


def test_openssl_s_client(served, origin):
    request = (
        f"GET / HTTP/1.1\r\nHost: origin.test:{origin.port}\r\n"
        "Connection: close\r\n\r\n"
    )
    out = run(
        served, "openssl", "s_client", "-quiet", "-verify_return_error",
        "-proxy", f"127.0.0.1:{served.port}",
        "-connect", f"origin.test:{origin.port}",
        "-servername", "origin.test", "-CAfile", served.ca(),
        stdin=request,
    )  # fmt: skip
    assert "200 OK" in out and out.endswith("hello GET \n")
