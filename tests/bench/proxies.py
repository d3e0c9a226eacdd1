"""The proxies that are measured, each with one worker, alone on a CPU, doing
the same: TLS to the client, a header set, verified and pooled TLS to the
origin. Each is started afresh for a measurement and ended by its pid."""

import os
import pwd
import re
import shutil
import signal
import subprocess

import lib.weir
from lib.wait import until

from . import bodies, process
from .lab import DOMAIN

TOKEN = bodies.secrets(1)[0]
IS_ROOT = os.geteuid() == 0


class Proxy:
    name = ""
    is_connect = True
    sets_header = True
    may_mint = True

    def __init__(self, lab):
        self.lab = lab

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        pass

    @classmethod
    def missing(cls):
        """Why it cannot run here, or None."""
        return None

    def workers(self):
        """The processes that carry traffic."""
        return self.pids()


class Direct(Proxy):
    """No proxy: what the origin and the load client cost themselves."""

    name = "direct"
    is_connect = False
    sets_header = False
    may_mint = True

    def start(self):
        self.port = self.lab.origin_port
        self.ca = self.lab.pki.ca
        return self

    def pids(self):
        return []


WEIR = """
worker_processes  1;
error_log  logs/error.log  warn;
pid  logs/weir.pid;
events {{ worker_connections  20000; }}
egress {{
    access_log  off;
    listen  127.0.0.1:{{{{port}}}}  proxy  backlog=4096;
    allow_address  127.0.0.1/32;
    ports  {origin_port};
    proxy_ssl_trusted_certificate  {ca};
    keepalive_timeout  600s;
    keepalive_requests  1000000000;
    proxy_read_timeout  600s;
    mint_rate  100000;
    {resolve}
    {egress}
    secret  bench  file:{{{{dir}}}}/token  hosts=*.{domain};
    sandbox_class bench {{ allowed_hosts  *.{domain}; {limits} }}
    sandbox one {{ class  bench;  address  127.0.0.1; }}
    {others}
    host *.{domain} {{
        proxy_set_header  X-Auth-Token  $secret_bench;
        {host}
    }}
}}
"""


class Weir(Proxy):
    name = "weir"

    def __init__(
        self,
        lab,
        egress="",
        host="",
        limits=None,
        others="",
        wrap=(),
        env=None,
    ):
        super().__init__(lab)
        self.egress = egress
        self.host = host
        self.limits = (
            "connections  20000;  header_slots  10000;"
            if limits is None
            else limits
        )
        self.others = others  # sandboxes beside the one
        self.wrap = list(wrap)
        self.env = env or {}
        self.weir = None

    @classmethod
    def version(cls):
        done = subprocess.run(
            [lib.weir.BINARY, "-v"], capture_output=True, text=True
        )
        return (done.stdout + done.stderr).strip()

    def config(self):
        return WEIR.format(
            origin_port=self.lab.origin_port,
            ca=self.lab.pki.ca,
            domain=DOMAIN,
            resolve="\n".join(
                f"resolve  h{i}.{DOMAIN}  127.0.0.1;" for i in range(self.lab.n_names)
            ),
            egress=self.egress,
            host=self.host,
            limits=self.limits,
            others=self.others,
        )

    def start(self):
        directory = self.lab.directory("weir")
        self.weir = lib.weir.Weir(directory, self.lab.pki, [])
        os.chmod(self.weir.path("logs"), 0o777)
        self.weir.write("token", TOKEN)
        self.weir.env.update(self.env)
        self.weir.configure(self.config())
        lib.weir.WRAP[:] = self.wrap
        deadline = 120 if self.wrap else None
        process.on_cpu(self.lab.proxy_cpu, lambda: self.weir.start(deadline))
        self.port = self.weir.port
        self.ca = self.weir.ca("one")
        return self

    def pids(self):
        return process.tree(self.weir.process.pid)

    def workers(self):
        return self.weir.children("worker")

    def reload(self):
        self.weir.signal("HUP")

    def stop(self):
        if self.weir is not None:
            weir, self.weir = self.weir, None
            if weir.process is not None:
                weir.finish()


class WeirTwo(Weir):
    """The same, as the second sandbox: no process of its own."""

    SANDBOX = "sandbox two { class  bench;  address  127.0.0.2; }"

    def __init__(self, weir):
        super().__init__(weir.lab)
        self.weir = weir.weir
        self.port = weir.port
        self.ca = weir.weir.ca("two")

    def stop(self):
        pass


class Server(Proxy):
    """Another's server: a configuration, a process in the foreground."""

    def __init__(self, lab):
        super().__init__(lab)
        self.process = None
        self.held = None

    def write(self, name, text):
        path = os.path.join(self.dir, name)
        with open(path, "w") as f:
            f.write(text)
        return path

    def spawn(self, argv):
        with open(os.path.join(self.dir, "stderr"), "ab") as err:
            self.process = process.on_cpu(
                self.lab.proxy_cpu,
                lambda: subprocess.Popen(
                    argv,
                    stdin=subprocess.DEVNULL,
                    stdout=err,
                    stderr=err,
                    start_new_session=True,
                ),
            )

    def start(self):
        self.dir = self.lab.directory(self.name.replace(" ", "-"))
        self.held = lib.weir.reserve_port()
        self.port = self.held.getsockname()[1]
        self.configure()
        until(self.is_listening, f"{self.name} to listen")
        return self

    def is_listening(self):
        if self.process.poll() is not None:
            with open(os.path.join(self.dir, "stderr")) as f:
                raise RuntimeError(f"{self.name} ended: {f.read()}")
        with open("/proc/net/tcp") as f:
            return re.search(rf": 0100007F:{self.port:04X} \S+ 0A ", f.read())

    def pids(self):
        return process.tree(self.process.pid)

    def stop(self):
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.held is not None:
            self.held.close()


NGINX = """
{user}
worker_processes  1;
worker_rlimit_nofile  {descriptors};
error_log  {dir}/error.log  warn;
pid  {dir}/nginx.pid;
daemon  off;
events {{ worker_connections  {descriptors}; }}
http {{
    access_log  off;
    client_body_temp_path  {dir}/body;
    proxy_temp_path  {dir}/proxy;
    fastcgi_temp_path  {dir}/fastcgi;
    uwsgi_temp_path  {dir}/uwsgi;
    scgi_temp_path  {dir}/scgi;
    client_max_body_size  0;
    keepalive_timeout  600s;
    keepalive_requests  1000000000;
    ssl_certificate  {certificate};
    ssl_certificate_key  {key};
    ssl_protocols  TLSv1.3;
    ssl_session_cache  shared:tls:10m;
    upstream origin {{
        server  127.0.0.1:{origin_port};
        keepalive  256;
        keepalive_requests  1000000000;
    }}
    server {{
        listen  127.0.0.1:{port}  ssl backlog=4096;
        location / {{
            proxy_pass  https://origin;
            proxy_http_version  1.1;
            proxy_read_timeout  600s;
            proxy_set_header  Connection  "";
            proxy_set_header  Host  $http_host;
            proxy_set_header  X-Auth-Token  {token};
            proxy_ssl_protocols  TLSv1.3;
            proxy_ssl_verify  on;
            proxy_ssl_trusted_certificate  {ca};
            proxy_ssl_name  h0.{domain};
            proxy_ssl_server_name  on;
            {buffering}
        }}
    }}
}}
"""


class Nginx(Server):
    """It terminates TLS with one certificate: no CONNECT, nothing minted."""

    name = "nginx"
    is_connect = False
    may_mint = False
    buffering = ""

    @classmethod
    def missing(cls):
        return None if shutil.which("nginx") else "apt-get install nginx"

    @classmethod
    def version(cls):
        done = subprocess.run(["nginx", "-v"], capture_output=True, text=True)
        return done.stderr.strip()

    def configure(self):
        certificate, key = self.lab.pki.leaf("*." + DOMAIN)
        self.ca = self.lab.pki.ca
        conf = self.write(
            "nginx.conf",
            NGINX.format(
                user="user  nobody nogroup;" if IS_ROOT else "",
                descriptors=self.lab.descriptors,
                dir=self.dir,
                certificate=certificate,
                key=key,
                port=self.port,
                origin_port=self.lab.origin_port,
                token=TOKEN,
                ca=self.lab.pki.ca,
                domain=DOMAIN,
                buffering=self.buffering,
            ),
        )
        self.spawn(["nginx", "-p", self.dir, "-c", conf])

    def workers(self):
        return [p for p in self.pids() if "worker process" in process.title(p)]

    def reload(self):
        os.kill(self.process.pid, signal.SIGHUP)


class NginxUnbuffered(Nginx):
    """As weir does: each byte is passed on as it comes."""

    name = "nginx unbuffered"
    buffering = "proxy_buffering  off;  proxy_request_buffering  off;"


SQUID = """
http_port 127.0.0.1:{port} {bump}
pid_filename {dir}/squid.pid
cache_log {dir}/cache.log
access_log none
coredump_dir {dir}
hosts_file {dir}/hosts
http_access allow all
cache deny all
max_filedescriptors {descriptors}
client_persistent_connections on
server_persistent_connections on
shutdown_lifetime 0 seconds
pinger_enable off
icp_port 0
{user}
{tls}
"""

SQUID_BUMP = """
sslcrtd_program {certgen} -s {dir}/certificates -M 64MB
sslcrtd_children 1 startup=1
ssl_bump bump all
tls_outgoing_options cafile={ca}
request_header_add X-Auth-Token "{token}" all
"""


class Squid(Server):
    """With OpenSSL: opens TLS and mints, as weir does."""

    name = "squid"
    certgen = "/usr/lib/squid/security_file_certgen"

    @classmethod
    def version(cls):
        done = subprocess.run(["squid", "-v"], capture_output=True, text=True)
        return done.stdout.splitlines()[0]

    @classmethod
    def missing(cls):
        if not shutil.which("squid"):
            return "apt-get install squid-openssl"
        done = subprocess.run(["squid", "-v"], capture_output=True, text=True)
        can_bump = "--with-openssl" in done.stdout
        return None if can_bump else "squid is built without OpenSSL"

    def common(self, bump, tls):
        self.write(
            "hosts",
            "".join(f"127.0.0.1 h{i}.{DOMAIN}\n" for i in range(self.lab.n_names)),
        )
        conf = self.write(
            "squid.conf",
            SQUID.format(
                port=self.port,
                bump=bump,
                dir=self.dir,
                descriptors=self.lab.descriptors,
                user="cache_effective_user proxy" if IS_ROOT else "",
                tls=tls,
            ),
        )
        self.spawn(["squid", "-N", "-f", conf, "-n", f"bench{os.getpid()}"])

    def configure(self):
        pki = self.lab.pki
        self.ca = pki.ca
        signing = os.path.join(self.dir, "signing.pem")
        with open(signing, "w") as out:
            for path in (pki.ca, pki.ca_key):
                with open(path) as f:
                    out.write(f.read())
        certificates = os.path.join(self.dir, "certificates")
        subprocess.run(
            [self.certgen, "-c", "-s", certificates, "-M", "64MB"],
            check=True,
            capture_output=True,
        )
        if IS_ROOT:
            proxy = pwd.getpwnam("proxy")
            for base, _, names in os.walk(certificates):
                for path in [base, *(os.path.join(base, n) for n in names)]:
                    os.chown(path, proxy.pw_uid, proxy.pw_gid)
        self.common(
            f"ssl-bump tls-cert={signing} generate-host-certificates=on "
            "dynamic_cert_mem_cache_size=64MB",
            SQUID_BUMP.format(
                certgen=self.certgen, dir=self.dir, ca=pki.ca, token=TOKEN
            ),
        )


class SquidTunnel(Squid):
    """Without OpenSSL: a CONNECT tunnel that sees nothing of what is in it,
    so only a floor."""

    name = "squid tunnel"
    sets_header = False

    @classmethod
    def missing(cls):
        if not shutil.which("squid"):
            return "apt-get install squid-openssl"
        return None if Squid.missing() else "squid can open TLS"

    def configure(self):
        self.ca = self.lab.pki.ca
        self.common("", "")


ALL = [Weir, Nginx, NginxUnbuffered, Squid, SquidTunnel]
