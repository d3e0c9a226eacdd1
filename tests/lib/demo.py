"""The tour that auto/demo gives: an origin that asks for a credential, a
weir that holds it, clients that do not."""

import base64
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile

from . import demo_slots
from .git import GitBackend, make_repository
from .http import reply
from .origin import Origin
from .pki import Pki
from .weir import Weir

NOBODY = 65534
# Known before a command is typed; where one is taken, another is said first.
API_PORT, GIT_PORT = 8443, 8444
SYSTEM_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"

CONF = """
{{user}}
worker_processes  1;
worker_shutdown_timeout  1s;
error_log  logs/error.log  info;
pid  logs/weir.pid;
events { worker_connections  512; }

egress {
    access_log     logs/access.log  {{format}};
    allow_address  127.0.0.1/32;
    ports          80 443 {{api}} {{git}};
    resolve        api.demo.test  127.0.0.1;
    resolve        git.demo.test  127.0.0.1;

    secret  api  env:DEMO_API_TOKEN  hosts=api.demo.test;
    secret  git  env:DEMO_GIT_TOKEN  hosts=git.demo.test;

    listen  127.0.0.1:{{port}}  proxy;

    sandbox_class agent {
        internet       {{internet}};
        {{allowed}}
        denied_hosts   gist.demo.test;
    }
    sandbox demo {
        class    agent;
        address  127.0.0.1;
    }

    host api.demo.test {
        bearer  $secret_api;
        proxy_ssl_trusted_certificate  {{pki}}/ca.pem;
    }
    host git.demo.test {
        basic_auth  x-access-token  $secret_git;
        proxy_ssl_trusted_certificate  {{pki}}/ca.pem;
    }
}
"""

PYTHON_CLIENT = """
import sys, urllib.request
print(urllib.request.urlopen(sys.argv[1]).read().decode(), end="")
"""

NODE_CLIENT = """
const http = require('http'), https = require('https');
const url = new URL(process.argv[1]), proxy = new URL(process.env.https_proxy);
http.request({ host: proxy.hostname, port: proxy.port, method: 'CONNECT',
    path: url.host }).on('connect', (res, socket) => {
    https.get(url, { socket, agent: false, servername: url.hostname },
        (r) => r.pipe(process.stdout));
}).end();
"""


def title(text):
    print(f"\n\033[1m== {text}\033[0m" if sys.stdout.isatty() else f"\n== {text}")


def show(text, mark="   "):
    for line in text.rstrip("\n").splitlines():
        print(mark + line)


def mask(token):
    return token[:4] + "*" * (len(token) - 4)


def warn(text):
    print(text, file=sys.stderr)


def origin_at(port, pki, name):
    """An origin at that port, or at a free one where it is taken."""
    try:
        return Origin(pki, [name], port=port)
    except OSError:
        origin = Origin(pki, [name])
        warn(f"auto/demo: port {port} is taken: {name} is at {origin.port}")
        return origin


class Demo:
    def __init__(self, directory, is_tour):
        self.dir = directory
        self.is_tour = is_tour
        self.is_root = os.geteuid() == 0
        self.output = ""
        self.tokens = {
            "api": "demo-" + secrets.token_hex(16),
            "git": "demo-" + secrets.token_hex(16),
        }
        self.pki = Pki(os.path.join(directory, "pki"), "Demo origins CA")
        os.chmod(self.pki.ca_key, 0o600)
        self.api = origin_at(API_PORT, self.pki, "api.demo.test")
        self.api.default = self.answer
        self.git = self.make_git()
        self.weir = Weir(
            os.path.join(directory, "weir"), self.pki, [self.api, self.git]
        )
        self.home = os.path.join(directory, "sandbox")

    def answer(self, conn, request):
        """The API: it knows who calls by the credential alone."""
        right = "Bearer " + self.tokens["api"]
        if request.all("authorization") != [right]:
            return reply('{"error": "no credential"}\n', "401 Unauthorized")
        body = json.dumps({"you_are": "the demo account", "asked": request.target})
        return reply(body + "\n", headers=[("Content-Type", "application/json")])

    def make_git(self):
        root = os.path.join(self.dir, "repositories")
        os.makedirs(root)
        make_repository(root)
        origin = origin_at(GIT_PORT, self.pki, "git.demo.test")
        word = base64.b64encode(
            f"x-access-token:{self.tokens['git']}".encode()
        ).decode()
        origin.default = GitBackend(root, "Basic " + word)
        return origin

    def start(self):
        w = self.weir
        w.values.update(
            api=self.api.port,
            git=self.git.port,
            user="user  daemon;" if self.is_root else "",
            format="json" if self.is_tour else "default",
            internet="off" if self.is_tour else "on",
            allowed="allowed_hosts  api.demo.test git.demo.test;"
            if self.is_tour
            else "",
        )
        w.env["DEMO_API_TOKEN"] = self.tokens["api"]
        w.env["DEMO_GIT_TOKEN"] = self.tokens["git"]
        w.configure(CONF)
        w.start()
        for name in list(w.env):
            del w.env[name]
        os.makedirs(self.home)
        self.make_bundle()
        if self.is_root:
            os.chown(self.home, NOBODY, NOBODY)

    def make_bundle(self):
        """The CAs of the system and the sandbox's own, for the clients that
        take one file for all."""
        self.bundle = os.path.join(self.home, "bundle.pem")
        self.ca = os.path.join(self.home, "ca.pem")
        shutil.copy(self.weir.ca("demo"), self.ca)
        with open(self.bundle, "w") as out:
            for path in (SYSTEM_BUNDLE, self.ca):
                if os.path.exists(path):
                    with open(path) as f:
                        out.write(f.read())

    def variables(self):
        """What a sandbox's environment holds: no credential among it."""
        proxy = f"http://127.0.0.1:{self.weir.port}"
        env = {"http_proxy": proxy, "https_proxy": proxy, "no_proxy": ""}
        env["HTTPS_PROXY"] = proxy
        for name in (
            "SSL_CERT_FILE CURL_CA_BUNDLE GIT_SSL_CAINFO REQUESTS_CA_BUNDLE "
            "PIP_CERT npm_config_cafile AWS_CA_BUNDLE CARGO_HTTP_CAINFO "
            "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"
        ).split():
            env[name] = self.bundle
        env["NODE_EXTRA_CA_CERTS"] = env["DENO_CERT"] = self.ca
        env["NODE_USE_ENV_PROXY"] = "1"
        return env

    def popen(self, *command, **options):
        """A process as the sandbox has them: clean, and another uid."""
        env = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": self.home,
            "LC_ALL": "C",
            **self.variables(),
        }
        if self.is_root:
            options.update(user=NOBODY, group=NOBODY, extra_groups=[])
        return subprocess.Popen(
            command, env=env, cwd=self.home, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            **{"stdin": subprocess.DEVNULL, **options},
        )  # fmt: skip

    def run(self, *command, prompt=None):
        """Runs a client in the sandbox and shows what it printed."""
        words = [w if "\n" not in w else "…" for w in command]
        show("$ " + (prompt or " ".join(words)))
        out, _ = self.popen(*command).communicate(timeout=60)
        self.output += out
        return out

    # The tour, in its order

    def url(self, path):
        return f"https://api.demo.test:{self.api.port}{path}"

    def clone_url(self):
        return f"https://git.demo.test:{self.git.port}/project.git"

    def expect(self, out, wanted):
        if wanted not in out:
            raise AssertionError(f"expected {wanted!r}, got:\n{out}")

    def calls(self):
        title("Clients in the sandbox: no credential, an API that asks for one")
        who = f"uid {NOBODY}" if self.is_root else "this uid (not root)"
        show(f"They run as {who} with a clean environment:")
        show("https_proxy=" + self.variables()["https_proxy"])
        show(f"SSL_CERT_FILE={self.bundle}   (and its like)")
        print()
        wanted = "the demo account"
        out = self.run("curl", "-sS", self.url("/by-curl"))
        show(out, "   > ")
        self.expect(out, wanted)
        out = self.run("/usr/bin/python3", "-c", PYTHON_CLIENT,
            self.url("/by-python"))  # fmt: skip
        show(out, "   > ")
        self.expect(out, wanted)
        node = shutil.which("node", path="/usr/local/bin:/usr/bin:/bin")
        if node:
            out = self.run(node, "-e", NODE_CLIENT, self.url("/by-node"))
            show(out, "   > ")
            self.expect(out, wanted)
        out = self.run("git", "clone", "-q", self.clone_url(), "project")
        show(out, "   > ")
        out = self.run("cat", "project/README")
        show(out, "   > ")
        self.expect(out, "behind a credential")

    def sent_and_received(self):
        title("What the sandbox sent, and what the origin received")
        out = self.run("curl", "-sS", "-v", self.url("/compare"))
        sent = [line for line in out.splitlines() if line.startswith("> ")]
        at = max(i for i, line in enumerate(sent) if line.startswith("> GET"))
        show("\n".join(sent[at:]), "   ")
        self.expect("\n".join(sent[at:]), "GET /compare")
        request = self.api.requests[-1]
        print()
        show("at the origin, over a TLS connection that weir verified:")
        text = request.raw_head.decode("latin-1").replace("\r", "").rstrip()
        if self.tokens["api"] not in text:
            raise AssertionError(f"no credential arrived:\n{text}")
        show(text.replace(self.tokens["api"], mask(self.tokens["api"])), "   < ")
        print()
        out = self.run(
            "sh", "-c",
            f"curl -sSv {self.url('/')} 2>&1 | sed -n 's/^\\* *\\(issuer.*\\)/\\1/p'",
            prompt="curl -v … | grep issuer      # the CA of this sandbox alone",
        )  # fmt: skip
        show(out, "   > ")

    def denied(self):
        title("A host that policy denies")
        out = self.run("curl", "-sS", "-i", "https://gist.demo.test/")
        show(out, "   > ")
        self.expect(out, "403")
        out = self.run("curl", "-sS", "-i", "-H", "Accept: application/json",
            "http://elsewhere.example/")  # fmt: skip
        show(out, "   > ")
        self.expect(out, "403")

    def forms(self):
        """The tokens as they might stand somewhere."""
        found = []
        for token in self.tokens.values():
            found.append(token.encode())
            for user in ("", "x-access-token:"):
                word = base64.b64encode((user + token).encode())
                found.append(word.rstrip(b"=")[:-2])
        return found

    def has_token(self, data):
        if isinstance(data, str):
            data = data.encode()
        return any(form in data for form in self.forms())

    def nowhere(self):
        title("The credential is nowhere in the sandbox")
        seen = self.search()
        for what, data in seen.items():
            found = self.has_token(data)
            size = len(data)
            show(f"{what:46} {size:8} bytes: {'FOUND' if found else 'not there'}")
            if found:
                raise AssertionError(f"the credential is in {what}")
        if not self.has_token(self.api.raw):
            raise AssertionError("the search finds nothing even at the origin")
        show(f"{'(the same search, at the origin)':46} "
            f"{len(self.api.raw):8} bytes: found")  # fmt: skip

    def search(self):
        client = self.popen("cat", stdin=subprocess.PIPE)
        with open(f"/proc/{client.pid}/environ", "rb") as f:
            environ = f.read()
        client.communicate("")
        reader = (
            "import os,sys\n"
            "for top in sys.argv[1:]:\n"
            "  for base, _, names in os.walk(top):\n"
            "    for n in names:\n"
            "      p = os.path.join(base, n)\n"
            "      try:\n"
            "        if os.path.isfile(p) and os.path.getsize(p) < 1 << 24:\n"
            "          sys.stdout.buffer.write(open(p, 'rb').read())\n"
            "      except OSError: pass\n"
        )
        processes = (
            "import glob,sys\n"
            "for p in glob.glob('/proc/[0-9]*/environ') + "
            "glob.glob('/proc/[0-9]*/cmdline'):\n"
            "  try: sys.stdout.buffer.write(open(p, 'rb').read())\n"
            "  except OSError: pass\n"
        )
        tops = [self.dir, "/etc", "/var/log"]
        return {
            "its environment": self.quietly("env"),
            "/proc/PID/environ of a client": environ,
            "every process's environ and cmdline it can read":
                self.quietly("/usr/bin/python3", "-c", processes),
            "what curl -v and the others printed": self.output,
            "every file it can read here, in /etc and logs":
                self.quietly("/usr/bin/python3", "-c", reader, *tops),
        }  # fmt: skip

    def quietly(self, *command):
        process = self.popen(*command)
        process.stdout.reconfigure(errors="replace")
        out, _ = process.communicate(timeout=60)
        return out

    def tour(self):
        title("weir is running")
        show(f"prefix {self.weir.dir}, proxy 127.0.0.1:{self.weir.port}; "
            "of its configuration:")  # fmt: skip
        text = self.weir.fill(CONF)
        show(text[text.index("    secret") : text.rindex("}")].rstrip(), " ")
        self.calls()
        self.sent_and_received()
        self.denied()
        title("Six header slots, seven requests: drawn from weir's access log")
        demo_slots.show(self, show)
        self.nowhere()
        title("weir's own record")
        self.record()
        self.next_steps(show)

    def record(self):
        """The access log: a line as it is, and what the others say, without
        tunnels that were opened and the seven requests."""
        lines = self.weir.read("logs", "access.log").splitlines()
        show(lines[1])
        print()
        for entry in map(json.loads, lines):
            method, status = entry["method"], entry["status"]
            where = f"{entry['host']}:{entry['port']}{entry['path']}"
            if "/slow/" not in where and (method, status) != ("CONNECT", 200):
                cause = "" if entry["cause"] == "-" else "  " + entry["cause"]
                show(f"{status} {method:7} {where}{cause}")
        print()

    def next_steps(self, say):
        say("Next:")
        say(f"  auto/demo -- curl -i {self.url('/')}")
        say(f"  auto/demo -- git clone {self.clone_url()}")
        say("  auto/demo -- curl -i https://gist.demo.test/    (is denied)")
        say("  auto/demo             the tour: what was sent, what arrived")
        say("  README.md             install, and a configuration")
        say("  auto/test             the proof of the build")

    def command(self, words):
        """Runs it where it was typed, with the variables of a sandbox."""
        warn(f"https_proxy={self.weir.proxy}: {self.url('/')} and\n"
            f"{self.clone_url()} get a credential, gist.demo.test is\n"
            "denied, all else of the internet is open")  # fmt: skip
        env = {**os.environ, **self.variables()}
        for name in ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "WEIR_BIN"):
            env.pop(name, None)
        try:
            return subprocess.run(
                words, env=env, cwd=os.environ.get("DEMO_CWD", ".")
            ).returncode
        except FileNotFoundError as e:
            warn(f"auto/demo: {e}")
            return 127

    def report(self):
        """What weir logged of the command, once weir has stopped."""
        lines = self.weir.read("logs", "access.log").splitlines()
        causes = {line.split('"')[-2].replace("\\x22", '"') for line in lines}
        causes.discard("-")
        warn("\nweir's access log:" if lines else "\nweir saw no request.")
        for line in lines:
            warn("  " + line)
        others = [
            line
            for line in self.weir.error_log().splitlines()
            if "[notice]" not in line and not any(c in line for c in causes)
        ]
        if others:
            warn("weir's error log:")
        for line in others:
            warn("  " + line)
        self.next_steps(warn)

    def end(self):
        # What the command said last, such as an alert, is read and logged.
        self.weir.finish("QUIT")
        self.api.close()
        self.git.close()


def main(words):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    directory = tempfile.mkdtemp(prefix="weir-demo.")
    os.chmod(directory, 0o755)
    demo = Demo(directory, is_tour=not words)
    code = 0
    try:
        demo.start()
        if words:
            code = demo.command(words)
        else:
            demo.tour()
    finally:
        try:
            demo.end()
            if words:
                demo.report()
        finally:
            shutil.rmtree(directory, ignore_errors=True)
    if not words:
        print("\ndemo: passed, weir has stopped, nothing is left behind")
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except AssertionError as error:
        print(f"demo: FAILED: {error}", file=sys.stderr)
        sys.exit(1)
