"""squid as the proxy beyond, with users: what a company's network has."""

import os
import subprocess
import tempfile

import pytest

from lib.clients import EGRESS, TOKEN, UNPACKED, attempt, missing
from lib.http import reply
from lib.wait import DEADLINE, until
from lib.weir import reserve_port

CONF = """
http_port 127.0.0.1:{port}
acl ours port {ports}
auth_param basic program {root}/usr/lib/squid/basic_ncsa_auth {dir}/users
auth_param basic realm corporate
acl users proxy_auth REQUIRED
http_access deny CONNECT !ours
http_access allow users
http_access deny all
access_log stdio:{dir}/access.log
cache_log {dir}/cache.log
cache deny all
cache_mem 0 MB
cache_effective_user nobody
coredump_dir {dir}
pid_filename {dir}/pid
mime_table {root}/usr/share/squid/mime.conf
icon_directory {root}/usr/share/squid/icons
error_directory {root}/usr/share/squid/errors/templates
unlinkd_program {root}/usr/lib/squid/unlinkd
err_page_stylesheet none
netdb_filename none
pinger_enable off
shutdown_lifetime 0 seconds
visible_hostname squid.test
hosts_file {dir}/hosts
dns_nameservers 127.0.0.1
"""
PASSWORD = "s3cret-of-the-company"


class Squid:
    """In the foreground, with a directory of its own."""

    def __init__(self, directory, origins):
        program = os.path.join(UNPACKED, "usr/sbin/squid")
        if not os.path.exists(program):
            missing(program)
        self.dir = directory
        self.held = reserve_port()
        self.port = self.held.getsockname()[1]
        os.chmod(directory, 0o777)
        self.write("hosts", "".join(
            f"127.0.0.1 {name}\n" for o in origins for name in o.names))
        hashed = subprocess.run(
            ["openssl", "passwd", "-apr1", PASSWORD], check=True,
            capture_output=True, text=True,
        )  # fmt: skip
        self.write("users", f"weir:{hashed.stdout}")
        self.write("conf", CONF.format(
            port=self.port, ports=" ".join(str(o.port) for o in origins),
            root=UNPACKED, dir=directory))  # fmt: skip
        self.process = subprocess.Popen(
            [program, "-N", "-f", f"{directory}/conf", "-n", f"t{self.port}",
             "-d1"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=open(os.path.join(directory, "stderr"), "w"),
        )  # fmt: skip
        until(self.is_ready, "squid", DEADLINE * 3)

    def write(self, name, text):
        with open(os.path.join(self.dir, name), "w") as f:
            f.write(text)

    def read(self, name):
        try:
            with open(os.path.join(self.dir, name)) as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def is_ready(self):
        assert self.process.poll() is None, self.read("stderr")
        return "Accepting HTTP Socket" in self.read("cache.log")

    def close(self):
        self.process.terminate()
        self.process.wait()
        self.held.close()


@pytest.fixture
def squid(session_dir, guarded, plain_origin):
    origin = guarded(lambda conn, request: reply("hello\n" * 50000))
    made = Squid(tempfile.mkdtemp(dir=session_dir), [origin, plain_origin])
    yield made
    made.close()


def through(weir, squid, by, password=PASSWORD):
    return weir(
        egress=EGRESS
        + "secret corp env:CORP; upstream_proxy "
        f"http://127.0.0.1:{squid.port} auth=corp by={by};",
        cls="allowed_hosts *.test;",
        env={"TOKEN": TOKEN, "CORP": f"weir:{password}"},
    )


@pytest.mark.parametrize("by", ["address", "name"])
def test_a_corporate_proxy(weir, origin, plain_origin, squid, by):
    """The sandbox has neither the company's password nor the token."""
    w = through(weir, squid, by)
    host = {"address": "127.0.0.1", "name": "origin.test"}[by]
    r = attempt(w, "curl", "-sSf", f"https://origin.test:{origin.port}/")
    assert r.stdout == "hello\n" * 50000, r.stderr
    r = attempt(w, "curl", "-sSf", f"http://plain.test:{plain_origin.port}/")
    assert r.stdout == "hello from the origin\n", r.stderr
    assert PASSWORD.encode() not in w.all_output()
    w.stop()  # a tunnel is logged when it ends
    until(lambda: f"CONNECT {host}:{origin.port} weir" in squid.read(
        "access.log"), "squid's log")  # fmt: skip


def test_a_wrong_password(weir, origin, squid):
    w = through(weir, squid, "address", "wrong")
    r = attempt(w, "curl", "-sS", f"https://origin.test:{origin.port}/")
    assert "the proxy that leads to the origin failed" in r.stdout
    w.wait_log("it answered CONNECT with 407, see ")
    assert origin.conns == []
