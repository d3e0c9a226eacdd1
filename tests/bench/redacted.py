"""A weir whose hosts differ in what is looked for in a body: nothing, the
one secret that they are given, or that and many more."""

from . import bodies
from .lab import DOMAIN

N_SECRETS = 100
HOSTS = {1: 0, 0: 1, N_SECRETS: 2}  # secrets looked for: number of the host

# What looking for secrets may cost, to a body that is passed on.
BODY_LIMITS = {
    "random": 1.15,
    "json": 1.15,
    "code": 1.15,
    "html": 1.15,
    "text": 1.15,
    "base64": 1.6,
    "percent": 2,
    "nested": 2,
}
# Of a kept-alive 1 KiB request, in instructions; the kernel's part, half of
# its CPU time, is not in them, so it is less than half of that in time: of
# 1.060 it was 1.02 to 1.03.
REQUEST_LIMIT = 1.07

HOST = """
host h{number}.{domain} {{
    proxy_set_header  X-Auth-Token  $secret_bench;
    {more}
}}
"""
# What the default passes is looked through here, too.
RANDOM = "location /body/random/ {{ redact {}; }}"


def host(n_secrets, more=""):
    return HOST.format(number=HOSTS[n_secrets], domain=DOMAIN, more=more)


def setup():
    """Options of such a Weir."""
    others = bodies.secrets(N_SECRETS)[1:]
    bound = f"hosts=h{HOSTS[N_SECRETS]}.{DOMAIN}"
    lines, uses = [], []
    for i in range(len(others)):
        lines.append(f"secret  s{i}  env:S{i}  {bound};\n")
        uses.append(f"proxy_set_header  X-{i}  $secret_s{i};\n")
    # Looked for is what the block may attach, be it at a path that nobody asks
    # for: so the requests are the same.
    elsewhere = f"location /elsewhere/ {{ {''.join(uses)} }}"
    return {
        "egress": host(1, RANDOM.format("on"))
        + host(0, f"redact off; {RANDOM.format('off')}")
        + host(N_SECRETS, f"{elsewhere} {RANDOM.format('on')}")
        + "".join(lines),
        "env": {f"S{i}": value for i, value in enumerate(others)},
    }


def check(lab, proxy):
    """What is measured is what the names say: a secret that a body holds is
    masked where it is looked for, and nowhere else."""
    values = bodies.secrets(N_SECRETS)
    size = lab.file("secrets", "\n".join(values).encode)
    for n_secrets, number in HOSTS.items():
        name = f"h{number}.{DOMAIN}"
        with proxy.weir.tunnel(name, lab.origin_port, "one") as client:
            target = f"/body/secrets/{size}/text/plain"
            body = client.get(target, f"{name}:{lab.origin_port}").body.decode()
        found = N_SECRETS - sum(value in body for value in values)
        assert found == n_secrets, f"{name}: {found} of {n_secrets} masked"
