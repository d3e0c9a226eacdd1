"""The bench's own side of a measurement: certificates, the origin, the load
client, and which CPU is whose."""

import contextlib
import json
import os
import shutil
import subprocess
import tempfile

from lib.pki import Pki

from . import bodies, process

DOMAIN = "bench.test"
MIB = 1 << 20
FEW_NAMES = 3
EVENT = b"data: 0\n\n"


class Load:
    """A load client that runs; `hold` ones take turns until the end."""

    def __init__(self, argv, cpu):
        self.process = process.on_cpu(
            cpu,
            lambda: subprocess.Popen(
                argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            ),
        )

    def result(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"load ended with {self.process.wait()}")
        return json.loads(line)

    def again(self, turns=1):
        """One more request on each held connection, each turn; the last
        turn's result."""
        for _ in range(turns):
            self.process.stdin.write("again\n")
            self.process.stdin.flush()
            result = self.result()
        return result

    def end(self):
        """Of a held one: its input's end is its own."""
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()

    def interrupt(self):
        """Ends a loop before its time; what it measured."""
        self.process.terminate()
        result = self.result()
        self.end()
        return result


class Lab:
    def __init__(self, programs, seconds):
        self.programs = programs
        self.seconds = seconds
        self.dir = tempfile.mkdtemp(prefix="weir-bench.")
        os.chmod(self.dir, 0o755)  # for the proxies' own users
        self.files = os.path.join(self.dir, "files")
        self.descriptors = process.raise_descriptors()
        cpus = sorted(os.sched_getaffinity(0))
        self.proxy_cpu = cpus[0]
        self.load_cpu = cpus[1 % len(cpus)]
        self.origin_cpu = cpus[2] if len(cpus) > 2 else self.load_cpu
        self.pki = Pki(os.path.join(self.dir, "pki"), "Bench origins CA")
        self.origin = None
        self.origin_port = None
        self.n_names = FEW_NAMES  # hosts that resolve: h0.bench.test and on
        self.n_dirs = 0
        self.loads = []

    def directory(self, name):
        """A new one, of which proxies of any user may make what they like."""
        self.n_dirs += 1
        path = os.path.join(self.dir, f"{self.n_dirs}-{name}")
        os.mkdir(path)
        os.chmod(path, 0o777)
        return path

    def file(self, name, made):
        """Of the origin's: the bytes of made(), once."""
        path = os.path.join(self.files, name)
        if not os.path.exists(path):
            with open(path, "wb") as out:
                out.write(made())
        return os.path.getsize(path)

    def body(self, kind, size=MIB, is_packed=False):
        """The path of a URL that has a body of that kind."""
        media_type = bodies.KINDS[kind][1]
        if not is_packed:
            self.file(kind, lambda: bodies.body(kind, MIB))
            return f"/body/{kind}/{size}/{media_type}"
        name = f"{kind}{size}.gz"
        n = self.file(name, lambda: bodies.packed(bodies.body(kind, size)))
        return f"/body/{name}/{n}/{media_type}"

    def start(self):
        os.mkdir(self.files)
        self.body("text")  # of which /bytes/N is
        self.file("event.gz", lambda: bodies.packed_start(EVENT))
        certificate, key = self.pki.leaf("*." + DOMAIN)
        program = os.path.join(self.programs, "origin")
        argv = [program, certificate, key, self.files]
        self.origin = process.on_cpu(
            self.origin_cpu,
            lambda: subprocess.Popen(
                argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            ),
        )
        self.origin_port = int(self.origin.stdout.readline())

    def stop(self):
        for load in self.loads:
            if load.process.poll() is None:
                load.process.kill()
                load.process.wait()
        if self.origin is not None:
            self.origin.stdin.close()
            self.origin.stdout.close()
            self.origin.wait()
        shutil.rmtree(self.dir, ignore_errors=True)

    def start_load(self, proxy, cpu=None, **options):
        """Options are those of the load client; True is one without value."""
        given = {
            "port": proxy.port,
            "ca": proxy.ca,
            "domain": DOMAIN,
            **({"connect": self.origin_port} if proxy.is_connect else {}),
            **options,
        }
        argv = [os.path.join(self.programs, "load")]
        for name, value in given.items():
            if value is not None and value is not False:
                argv.append("--" + name.replace("_", "-"))
                argv += [] if value is True else [str(value)]
        for group, pids in (
            ("proxy", proxy.pids()),
            ("origin", [self.origin.pid]),
            ("load", [0]),
        ):
            if pids:
                argv += ["--cpu", f"{group}={','.join(map(str, pids))}"]
        load = Load(argv, self.load_cpu if cpu is None else cpu)
        self.loads.append(load)
        return load

    def load(self, proxy, **options):
        """Runs one to its end; what it measured."""
        load = self.start_load(proxy, **options)
        result = load.result()
        load.end()
        return result

    def timed(self, proxy, **options):
        """A closed loop for the time that the user wants."""
        return self.load(
            proxy,
            seconds=self.seconds,
            warm=min(0.5, self.seconds / 2),
            **options,
        )
