"""Running a real client as a sandbox would: told of the proxy and of the CA,
and of no credential."""

import importlib.util
import os
import shutil
import signal
import subprocess

import pytest

from .wait import DEADLINE
from .weir import BINARY

TOKEN = "t0ken-0123456789-abcdef"
EGRESS = """
secret token env:TOKEN;
host origin.test { bearer $secret_token; }
"""
# The same, but for what is below /no/.
DENYING = """
secret token env:TOKEN;
host origin.test { bearer $secret_token; location /no/ { deny all; } }
"""
PYTHON = "/usr/bin/python3"
# The clients that come from npm: auto/npm puts them there.
NPM = os.environ.get(
    "WEIR_TEST_NPM", os.path.join(os.path.dirname(BINARY), "npm")
)
# Servers that Debian would start: auto/unpacked puts them there.
UNPACKED = os.environ.get(
    "WEIR_TEST_UNPACKED", os.path.join(os.path.dirname(BINARY), "unpacked")
)
NODE_MODULES = os.path.join(NPM, "node_modules")


def missing(what):
    """A client that is not installed, and that auto/test installs."""
    if os.environ.get("WEIR_TEST_COMPLETE"):
        pytest.fail(f"{what} is not installed; auto/packages names it")
    pytest.skip(f"{what} is not installed")


def need(*commands, module=None, node=None):
    """Commands, a module of Python's and one of node's that a test uses."""
    for command in commands:
        if shutil.which(command) is None:
            missing(command)
    if module and importlib.util.find_spec(module) is None:
        missing(f"python3's {module}")
    if node and not os.path.isdir(os.path.join(NODE_MODULES, node)):
        missing(f"{node} in {NODE_MODULES} (auto/npm)")


def environment(w):
    """What README says to set in a sandbox, and nothing else."""
    env = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": w.dir,
        "http_proxy": w.proxy,
        "https_proxy": w.proxy,
        "no_proxy": "",
        "NODE_EXTRA_CA_CERTS": w.ca(),
        "NODE_USE_ENV_PROXY": "1",
    }
    for name in ("SSL_CERT_FILE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO",
                 "REQUESTS_CA_BUNDLE", "PIP_CERT", "npm_config_cafile",
                 "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"):  # fmt: skip
        env[name] = w.ca()
    return env


def end_group(process):
    """Ends a client and all that it started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def attempt(w, *command, stdin="", env=None, cwd=None, deadline=None):
    """Runs a client to its end, however that is; it must see no token."""
    need(command[0])
    process = subprocess.Popen(
        command,
        env={**environment(w), **(env or {})},
        cwd=cwd or w.dir,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        out, err = process.communicate(stdin, deadline or DEADLINE * 3)
    except subprocess.TimeoutExpired:
        end_group(process)
        out, err = process.communicate()
        raise AssertionError(f"no end to it: {err}{out}") from None
    finally:
        end_group(process)
    assert TOKEN not in out + err
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def run(w, *command, **how):
    """What a client that succeeds printed."""
    done = attempt(w, *command, **how)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


def url(origin, path="/"):
    return f"https://origin.test:{origin.port}{path}"
