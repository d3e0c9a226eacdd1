"""Addresses that a sandbox may not reach, with somebody listening at each: in
a namespace where every address leads to one origin, which gets nothing (SPEC
9)."""

import pytest

from lib.wait import until

OPEN, OPEN6 = "93.184.215.14", "2606:2800:220::14"  # of nobody here
RANGES = {
    "this host": "0.0.0.0 :: 127.0.0.1 ::1",
    "this network": "0.1.2.3",
    "private": "10.1.2.3 172.16.0.1 172.31.255.255 192.168.0.1 fd00::1 fc00::1",
    "carrier-grade NAT": "100.64.0.1 100.127.255.255",
    "loopback": "127.0.0.9 127.1.0.1 127.255.255.254",
    "metadata service": "169.254.169.254 169.254.170.2 168.63.129.16"
    " 169.254.170.23 169.254.0.23 100.100.100.200 192.0.0.192 fd00:ec2::254"
    " fd00:ec2::23 fd20:ce::254 fe80::a9fe:a9fe",
    "link-local": "169.254.0.1 fe80::1 febf::1",
    "IETF protocol assignments": "192.0.0.1 2001:1::1",
    "documentation": "192.0.2.1 198.51.100.1 203.0.113.1 2001:db8::1 3fff::1",
    "AS112": "192.31.196.1 192.175.48.1 2620:4f:8000::1",
    "AMT": "192.52.193.1",
    "6to4 relay": "192.88.99.1",
    "benchmarking": "198.18.0.1 198.19.255.255",
    "IPv4-compatible": "::127.0.0.1",
    "NAT64": "64:ff9b::7f00:1 64:ff9b::5db8:d70e 64:ff9b:1::7f00:1",
    "6to4": "2002:7f00:1:: 2002:5db8:d70e::",
    "site-local": "fec0::1",
    "reserved": "240.0.0.1 255.255.255.255 1::1 200::1 4000::1 7fff::1 8000::1"
    " e000::1 fe00::1 ::1:0:0:1 ::ffff:0:7f00:1 ::5db8:d70e:0:0",
    "multicast": "224.0.0.1 ff02::1",
}
MAPPED = {
    "this host": "::ffff:0:0 ::ffff:127.0.0.1", "loopback": "::ffff:127.0.0.9",
    "private": "::ffff:10.1.2.3", "metadata service": "::ffff:169.254.169.254",
}  # fmt: skip
DENIED = [
    (address, why)
    for table in (RANGES, MAPPED)
    for why, addresses in table.items()
    for address in addresses.split()
]


@pytest.fixture
def everywhere(netns, origins):
    return origins(address="::", tls=False)


def authority(name, o):
    return f"[{name}]:{o.port}" if ":" in name else f"{name}:{o.port}"


def status(w, o, name, path="/"):
    host = authority(name, o)
    with w.client() as c:
        return c.get(f"http://{host}{path}", host).status


def test_no_address_of_a_denied_range_is_dialled(weir, everywhere):
    """By a name, and as a literal that allowed_hosts has."""
    o = everywhere
    names = [(a, why, f"n{i}.test") for i, (a, why) in enumerate(DENIED)]
    w = weir(
        egress=f"allow_address {OPEN}/32; resolve open.test {OPEN};"
        + "".join(f"resolve {name} {a};\n" for a, _, name in names),
        cls="allowed_hosts *;",
    )
    for address, why, name in names:
        assert status(w, o, name) == 403, address
        assert status(w, o, address) == 403, address
    assert o.conns == []
    log = w.error_log()
    for _, why, name in names:
        (line,) = [x for x in log.splitlines() if f'"{name}"' in x]
        assert f"is not allowed: {why}" in line
    assert [status(w, o, x) for x in ("open.test", OPEN, OPEN6)] == [200] * 3
    assert len(o.conns) == 3


def test_an_address_of_this_host_is_not_dialled(weir, netns, everywhere):
    """Public ones too, on whatever link, as long as they are there; opened by
    an entry of one address alone."""
    o = everywhere
    netns.add_link("out0")
    netns.add_address(OPEN + "/32", "out0")
    netns.add_address(OPEN6 + "/128", "out0")
    w = weir(
        egress=f"""
        allow_address 93.184.215.0/24 2606:2800::/32 93.184.215.20/32;
        resolve own.test {OPEN} {OPEN6}; resolve later.test 93.184.215.99;
        resolve opened.test 93.184.215.20;
        """,
        cls="allowed_hosts *;",
    )
    for name in ("own.test", OPEN, OPEN6, f"::ffff:{OPEN}"):
        assert status(w, o, name) == 403, name
    w.wait_log(f"address {OPEN} is not allowed: this host")
    assert o.conns == []
    assert status(w, o, "later.test") == 200
    o.conns[0].cut_off()
    for address in ("93.184.215.20", "93.184.215.99"):
        netns.add_address(address + "/32", "out0")
    until(lambda: status(w, o, "later.test") == 403, "the new address")
    assert status(w, o, "opened.test") == 200
    netns.del_address("93.184.215.99/32", "out0")
    until(lambda: status(w, o, "later.test") == 200, "the end of the address")


def test_an_address_that_is_this_hosts_by_a_route_alone(
    weir, netns, everywhere
):
    """The routing table `local`, followed too: also where the route ends with
    its link, of which the kernel says nothing."""
    o = everywhere
    route = ("route", "add", "local", "93.184.215.0/24", "dev")
    netns.ip(*route, "lo")
    w = weir(
        egress=f"""
        allow_address 93.184.0.0/16 93.184.215.20/32;
        resolve own.test {OPEN}; resolve later.test 93.184.216.9;
        """,
        cls="allowed_hosts *;",
    )
    for name in ("own.test", OPEN, "93.184.215.255", f"64:ff9b::{OPEN}"):
        assert status(w, o, name) == 403, name
    w.wait_log(f"address {OPEN} is not allowed: this host")
    assert o.conns == []
    assert status(w, o, "93.184.215.20") == 200
    assert status(w, o, "later.test") == 200
    netns.add_link("out0")
    netns.ip("route", "add", "local", "93.184.216.0/24", "dev", "out0")
    netns.ip("-6", "route", "add", "local", "2606:2800::/32", "dev", "out0")
    until(lambda: status(w, o, "later.test") == 403, "the new route")
    assert status(w, o, OPEN6) == 403
    netns.ip("link", "del", "out0")
    until(lambda: status(w, o, "later.test") == 200, "the end of the route")
    until(lambda: status(w, o, OPEN6) == 200, "the end of the other")


def test_weirs_own_listener_by_every_address(weir, netns):
    """Not even where allow_address has the address itself."""
    netns.add_link("out0")
    netns.add_address(OPEN + "/32", "out0")
    netns.add_address(OPEN6 + "/128", "out0")
    own = ["127.0.0.1", "127.0.0.9", "0.0.0.0", OPEN]
    own6 = ["::1", "::", OPEN6]
    w = weir(
        egress="listen 0.0.0.0:{{port}} proxy; listen [::]:{{port}} proxy;\n"
        "ports 80 {{port}};"
        + "allow_address " + " ".join(
            [a + "/32" for a in own] + [a + "/128" for a in own6]) + ";",
        cls="allowed_hosts *;",
    )  # fmt: skip
    for name in [*own, *own6, "::ffff:127.0.0.1", f"::ffff:{OPEN}"]:
        assert status(w, w, name) == 403, name
    assert w.error_log().count("weir's own listener") == 9
    assert len(w.access_log(9)) == 9, "no request came back in"


def test_no_sandbox_reaches_another(weir, everywhere):
    """By none of the ranges that are opened, by name and literally; ranges
    that are a sandbox's too, and the sandbox's own. proxy_pass and an entry
    of one address may."""
    o = everywhere
    w = weir(
        egress=f"""
        allow_address 10.0.0.0/8 fd00::/8 10.1.0.9/32;
        resolve victim.test 10.1.0.8 {OPEN6}; resolve opened.test 10.1.0.9;
        sandbox victim {{ class test; address 10.1.0.8 {OPEN6}; }}
        sandbox many {{ class test; address 10.2.0.0/16 10.1.0.9; }}
        sandbox box {{ class test; address 127.0.0.1 fd00::7; }}
        host my.test {{ proxy_pass http://10.2.0.1:{o.port}; classes any; }}
        """,
        cls="allowed_hosts *;",
    )
    for name in ("victim.test", "10.1.0.8", "::ffff:10.1.0.8", OPEN6,
                 "10.2.0.0", "10.2.255.255", "fd00::7"):  # fmt: skip
        assert status(w, o, name) == 403, name
    w.wait_log("address 10.1.0.8 is not allowed: a sandbox's")
    assert o.conns == []
    for name in ("10.1.0.7", "10.3.0.0", "fd00::8", "opened.test", "my.test"):
        assert status(w, o, name) == 200, name


def test_a_sandbox_of_all_addresses_closes_none(weir, everywhere):
    """`address 0.0.0.0/0` says who may come, not where a sandbox is."""
    w = weir(
        egress="allow_address 10.0.0.0/8;\n"
        "sandbox one { class test; address 10.1.0.8; }\n"
        "sandbox box { class test; address 0.0.0.0/0; }",
        cls="allowed_hosts *;",
    )
    names = ("10.1.0.8", OPEN, "10.1.0.9")
    assert [status(w, everywhere, x) for x in names] == [403, 200, 200]
