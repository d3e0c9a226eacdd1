"""docs/recipes.md: a sandbox behind each of its rules reaches an allowed host
through weir, and nothing else; the files that no test can run are of the right
form."""

import json
import os
import subprocess

import pytest

from lib.clients import need
from lib.dns import Dns
from lib.markdown import blocks, section, typed
from lib.netns import MountNs, NetNs

PAGE = "docs/recipes.md"
LINKS, USERS = blocks(PAGE, "nft")
LINKS_CONF, USERS_CONF, *_ = blocks(PAGE, "nginx")
OUTSIDE = "93.184.215.14"  # of nobody here
UID = 2000
REFUSED = {"EHOSTUNREACH", "EPERM"}  # the latter is said of UDP

# Each of [protocol, address, port, source] is reached, or what hinders it.
PROBE = r"""
import errno, json, socket, sys
for kind, address, port, source in json.loads(sys.argv[1]):
    s = socket.socket(type=getattr(socket, kind))
    s.settimeout(45)
    try:
        s.bind((source, 0))
        s.connect((address, port))
        if kind == "SOCK_DGRAM":
            s.send(bytes(12) + b"\1a\0" + b"\0\1\0\1")
            s.recv(100)
        print("reached")
    except OSError as e:
        print(errno.errorcode.get(e.errno, "silence"))
"""


class World:
    """This host, in namespaces of its own, and one address outside."""

    def __init__(self):
        self.net = NetNs(everywhere=False)
        self.mounts = MountNs()

    def sh(self, *lines):
        done = self.mounts.run("sh", "-ec", "\n".join(lines))
        assert done.returncode == 0, done.stdout

    def connect_outside(self):
        self.sh(
            "ip netns add outside",
            "ip link add out0 type veth peer name eth0 netns outside",
            "ip addr add 93.184.215.1/24 dev out0",
            "ip link set out0 up",
            f"ip -n outside addr add {OUTSIDE}/24 dev eth0",
            "ip -n outside link set eth0 up",
            "ip -n outside link set lo up",
            "ip -n outside route add default via 93.184.215.1",
        )

    def probe(self, *what, **where):
        words = [[*w, "0.0.0.0"][:4] for w in what]
        done = self.mounts.run(
            "/usr/bin/python3", "-c", PROBE, json.dumps(words), **where
        )
        return done.stdout.split()

    def close(self):
        self.mounts.close()
        self.net.leave()


@pytest.fixture
def world():
    if os.geteuid() != 0:
        pytest.skip("needs root")
    need("nft", "nsenter")
    w = World()
    w.connect_outside()
    yield w
    w.close()


@pytest.fixture
def api(world, origins):
    """The host that the recipes allow."""
    with world.mounts.inside("outside"):
        return origins("api.example", address=OUTSIDE, port=443)


def nft(world, tmp_path, text):
    path = tmp_path / "rules.nft"
    path.write_text(text)
    world.sh(f"nft -f {path}")


def curl(world, w, sandbox, proxy, **where):
    need("curl")
    done = world.mounts.run(
        "curl", "-sS", "--proxy", proxy, "--cacert", w.ca(sandbox),
        "https://api.example/", **where,
    )  # fmt: skip
    return done.stdout


def test_namespace_behind_a_link(world, api, weir, canaries, tmp_path):
    *setup, load = typed(section(PAGE, "A network namespace"))
    world.sh(*setup)
    assert load.startswith("nft -f ")
    # What a sandbox does that owns its namespace, and a host that would route.
    world.sh(
        "ip -n sbx1 route add default via 10.200.0.1",
        "ip -n sbx1 addr add 10.200.99.9/32 dev lo",
        "ip route add 10.200.99.9/32 dev sbx1",
        "mount -t proc none /proc; echo 1 >/proc/sys/net/ipv4/ip_forward",
    )
    w = weir(egress=LINKS_CONF)
    service = canaries("10.200.0.1", 8080)
    attempts = [
        ("SOCK_STREAM", OUTSIDE, 443),
        ("SOCK_STREAM", "10.200.0.1", 3128, "10.200.99.9"),
        ("SOCK_DGRAM", OUTSIDE, 53),
    ]
    with world.mounts.inside("outside"):
        names = Dns(address=(OUTSIDE, 53))
    assert world.probe(*attempts, net="sbx1") == ["reached"] * 3
    names.close()
    nft(world, tmp_path, LINKS)
    attempts.append(("SOCK_STREAM", "10.200.0.1", service.port))
    assert set(world.probe(*attempts, net="sbx1")) <= REFUSED
    out = curl(world, w, "sbx1", "http://10.200.0.1:3128", net="sbx1")
    assert out == "hello from the origin\n"
    assert [c.sni for c in api.conns if c.sni] == ["api.example"]


def test_user_of_the_host(world, api, weir, canaries, tmp_path):
    w = weir(egress=USERS_CONF)
    outside = ("SOCK_STREAM", OUTSIDE, 443)
    assert world.probe(outside, uid=UID) == ["reached"]
    service = canaries("127.0.0.1", 8080)
    names = Dns(address=("127.0.0.1", 53))
    nft(world, tmp_path, USERS)
    attempts = [
        outside,
        ("SOCK_STREAM", "127.0.0.1", service.port),
        ("SOCK_DGRAM", "127.0.0.1", 53),
    ]
    assert set(world.probe(*attempts, uid=UID)) <= REFUSED
    assert names.questions == []
    names.close()
    out = curl(world, w, "user2000", "http://127.0.0.1:3128", uid=UID)
    assert out == "hello from the origin\n"
    assert world.probe(outside) == ["reached"]  # others as before


def test_compose_file_is_of_the_right_form():
    """It cannot be run here: that what it says of weir fits the configuration
    beside it, and that each network and volume that it names is there."""
    need(module="yaml")
    import yaml

    (text,) = blocks(PAGE, "yaml")
    file = yaml.safe_load(text)
    assert file["networks"]["sandboxes"]["internal"] is True
    weir, agent = file["services"]["weir"], file["services"]["agent-1"]
    assert list(agent["networks"]) == ["sandboxes"]
    for service in (weir, agent):
        assert set(service["networks"]) <= set(file["networks"])
        named = [v.split(":")[0] for v in service["volumes"]]
        assert {v for v in named if v[0] != "."} <= set(file["volumes"])
    address = {
        name: service["networks"]["sandboxes"]["ipv4_address"]
        for name, service in file["services"].items()
    }
    (conf,) = [c for c in blocks(PAGE, "nginx") if address["weir"] in c]
    assert f"listen  {address['weir']}:3128  proxy;" in conf
    assert f"address  {address['agent-1']};" in conf
    proxy = agent["environment"]["https_proxy"]
    assert proxy == f"http://{address['weir']}:3128"


@pytest.mark.parametrize("text", blocks(PAGE, "ini"))
def test_systemd_takes_the_unit(tmp_path, text):
    need("systemd-analyze")
    path = tmp_path / "sandbox.service"
    path.write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", str(path)],
        capture_output=True, text=True,
    )  # fmt: skip
    assert "sandbox.service" not in done.stderr
    assert done.returncode == 0, done.stderr
