"""The configurations in conf/, run as they are: what names the machine (the
port, the directory of secrets, where origins are) is the test's."""

import os

from .weir import ROOT

CONF = os.path.join(ROOT, "conf")


def example(name, origin):
    """The text of conf/NAME, for weir(conf=…, files={"secrets/…": …}), its
    origin being that one."""
    with open(os.path.join(CONF, name)) as f:
        text = f.read()
    for what, by in (
        ("127.0.0.1:3128", "127.0.0.1:{{port}}"),
        ("/run/secrets/", "{{dir}}/secrets/"),
        ("worker_processes  auto", "worker_processes  1"),
        ("egress {", "egress {\n" + where(origin)),
    ):
        assert text.count(what) == 1, what
        text = text.replace(what, by)
    return text


def where(origin):
    names = "".join(f"resolve {n} 127.0.0.1;\n" for n in origin.names)
    return names + (
        f"allow_address 127.0.0.1/32; ports 443 {origin.port};\n"
        f"proxy_ssl_trusted_certificate {origin.pki.ca};\n"
    )
