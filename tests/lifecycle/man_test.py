"""The manual pages say what is there: each directive and each variable once,
with its contexts, arguments and default, and nothing else."""

import os
import re
import shutil
import subprocess

import pytest

from lib.weir import BINARY, ROOT

MAN = os.path.join(ROOT, "man")
OBJS = os.path.dirname(BINARY)
UNITS = os.path.join(OBJS, "tests", "unit", "units")
PAGES = sorted(os.listdir(MAN))

# tree.c's, which knows no tables.
INCLUDE = ("include", ["any"], 1, 1)

# The table leaves room for options in any number; they stand once each.
OPTIONS = {"listen"}


def page(name):
    with open(os.path.join(MAN, name)) as f:
        return f.read()


@pytest.fixture(scope="module")
def tables():
    if not os.path.exists(UNITS):
        pytest.fail(f"no {UNITS}: make unit")
    text = subprocess.run(
        [UNITS, "tests/unit/proc/tables_test.c", "print"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return [line.split("\t") for line in text.splitlines()]


def arguments(words):
    """The least and the most that an .It line lets a directive have."""
    least = most = depth = 0
    is_joined = False
    for word in words:
        if word in (";", "{"):
            break
        if word in ("Oo", "Oc"):
            depth += 1 if word == "Oo" else -1
        elif word == "...":
            most = 255
        elif word in ("|", "Ns", ":"):
            is_joined = True
        elif word not in ("Ar", "Cm", "No", "Li"):
            if not is_joined:
                least += depth == 0
                most += 1
            is_joined = False
    return least, min(most, 255)


def documented():
    """{name: (contexts, least, most, default)} of weir.conf.5."""
    found = {}
    items = re.findall(
        r"^\.It Ic (\w+)(.*)\n((?:.*\n)*?)(?=\.It |\.El)",
        page("weir.conf.5"),
        re.M,
    )
    for name, rest, text in items:
        assert name not in found, f"{name} is documented twice"
        contexts = re.search(r"^Context: (.*)\.$", text, re.M)
        default = re.search(r"^Default: (.*)\.$", text, re.M)
        assert contexts, f"{name} has no contexts"
        found[name] = (
            contexts[1].split(", "),
            *arguments(rest.split()),
            default and default[1],
        )
    return found


def directives(tables):
    """The same from the tables, a name's contexts of all parts together."""
    found = {}
    for kind, name, *rest in tables:
        if kind == "directive":
            contexts, least, most, _, default = rest
            before = found[name][0] if name in found else []
            found[name] = (
                before + contexts.split(","), int(least), int(most), default,
            )  # fmt: skip
    return found


def as_number(text):
    """60s, 100ms, 32k, 512, on: as the tables print them."""
    if re.fullmatch(r"\d+ms", text):
        return f"{int(text[:-2]) / 1000:g}"
    match = re.fullmatch(r"(\d+)([skm]?)", text)
    if match is None:
        return text
    unit = {"": 1, "s": 1, "k": 1024, "m": 1024 * 1024}[match[2]]
    return str(int(match[1]) * unit)


def test_every_directive_is_documented_and_no_other(tables):
    names = {*directives(tables), INCLUDE[0]}
    assert set(documented()) == names


def test_contexts(tables):
    there = directives(tables)
    for name, (contexts, *_) in documented().items():
        want = there[name][0] if name in there else INCLUDE[1]
        assert sorted(contexts) == sorted(want), name


def test_arguments(tables):
    there = directives(tables)
    for name, (_, least, most, _) in documented().items():
        want = there[name][1:3] if name in there else INCLUDE[2:]
        assert least == want[0], f"{name}: {least} arguments at least"
        if most == 255:
            assert want[1] > least + 1, f"{name}: not any number"
        elif name in OPTIONS:
            assert most <= want[1], name
        else:
            assert most == want[1], f"{name}: {most} arguments at most"


def test_defaults(tables):
    compared = 0
    for name, (*_, want) in directives(tables).items():
        default = documented()[name][3]
        if not want.startswith("-"):  # none, or another directive's
            assert default is not None, f"{name} has no default"
            assert as_number(default) == want, name
            compared += 1
    assert compared > 20


def test_every_variable_is_documented_and_no_other(tables):
    section = page("weir.conf.5").split("\n.Sh VARIABLES\n")[1]
    section = section.split("\n.Sh ")[0]
    found = []
    for line in re.findall(r"^\.It Va (.*)$", section, re.M):
        if line.startswith("$1 "):
            found.append(("capture", "capture"))
            continue
        kind = "prefix" if " Ns Ar name" in line else "-"
        found += [(name, kind) for name in re.findall(r"\$(\w+)", line)]
    there = [(row[1], row[2]) for row in tables if row[0] == "variable"]
    assert sorted(found) == sorted(there)


# LOG FORMATS and PATTERNS, which say what the code does


def section(title):
    return page("weir.conf.5").split(f"\n.Sh {title}\n")[1].split("\n.Sh ")[0]


def sources():
    """The C files, the pieces of each string literal put together."""
    text = ""
    for room in ("core", "modules"):
        for base, _, names in os.walk(os.path.join(ROOT, room)):
            for name in sorted(names):
                with open(os.path.join(base, name)) as f:
                    text += f.read()
    return re.sub(r'(?<!\\)"\s*"', "", text)


def built_in_format(name):
    found = re.search(rf'{name}_format\[\] =\s*"(.*)\\n";', sources())
    return found[1].replace('\\"', '"')


def test_default_format():
    text = section("LOG FORMATS").split(".Bd -literal\n")[1].split(".Ed")[0]
    assert " ".join(text.split()) == built_in_format("default")


def test_json_format():
    items = re.findall(
        r"^\.It Li (\w+)\n\.Va \$(\w+)(.*(?:\na number.*)?)",
        section("LOG FORMATS"), re.M,
    )  # fmt: skip
    said = [
        f'"{key}":${name}' if "a number" in rest else f'"{key}":"${name}"'
        for key, name, rest in items
    ]
    assert "{" + ",".join(said) + "}" == built_in_format("json")


def causes():
    """What the section puts in quotes, without what stands for another."""
    text = section("LOG FORMATS").split(".Ss Causes\n")[1]
    for line in re.findall(r"^\.(?:It )?Dq (.*)", text, re.M):
        line = line.replace(r"\(dq", "").replace(" :", ":")
        for cause in re.split(r" , | [;,.]$", line):
            parts = re.split(r"(?: ?Ns)? ?\bAr \w+ ?(?:Ns |No )?", cause)
            yield from (part.strip(" :") for part in parts)


def test_causes_are_those_of_weir():
    known = sources()
    found = [c for c in causes() if len(c) > 3]
    assert len(found) > 35
    assert [c for c in found if c not in known] == []


def test_patterns(weir):
    text = section("PATTERNS").split(".Bd -literal -offset indent\n")[1]
    rows = [
        [cell.split() for cell in re.split("  +", line)]
        for line in text.split(".Ed")[0].splitlines()
    ]
    assert len(rows) > 5
    for (pattern,), matched, others in rows:
        w = weir(cls=f"allowed_hosts {pattern};", start=False)
        for host in matched + others:
            done = w.run("-E", "box", "GET", f"http://{host}/")
            assert (done.returncode == 0) == (host in matched), (pattern, host)


@pytest.mark.parametrize("name", PAGES)
def test_mandoc_has_nothing_to_say(name):
    """But for pages that it refers to and that are not installed here."""
    assert shutil.which("mandoc"), "Debian's mandoc is missing"
    done = subprocess.run(
        ["mandoc", "-Tlint", "-Wstyle", os.path.join(MAN, name)],
        capture_output=True,
        text=True,
    )
    said = [
        line
        for line in done.stdout.splitlines()
        if "referenced manual not found" not in line
    ]
    assert said == []


def test_the_example_is_a_configuration(weir):
    text = page("weir.conf.5").split("\n.Sh EXAMPLES\n")[1]
    text = re.search(r"\.Bd .*\n((?:.*\n)*?)\.Ed", text)[1]
    done = weir(conf=text, start=False).run("-t")
    assert done.returncode == 0, done.stderr


def test_every_option_is_documented():
    text = page("weir.8").split(".Sh PROCESSES")[0]
    listed = set(re.findall(r"^\.It Fl (\w)", text, re.M))
    usage = subprocess.run([BINARY, "-h"], capture_output=True, text=True)
    there = set(re.findall(r"^  -(?:\?,-)?(\w)", usage.stderr, re.M))
    assert listed == there


def test_install_brings_the_pages(tmp_path):
    makefile = os.path.join(OBJS, "Makefile")
    if not os.path.exists(makefile):
        pytest.skip("the program was built elsewhere")
    subprocess.run(
        ["make", "-f", makefile, "install", f"DESTDIR={tmp_path}",
         "PREFIX=/opt/some"],
        check=True, capture_output=True,
    )  # fmt: skip
    prefix = tmp_path / "opt" / "some"
    for name in PAGES:
        text = (prefix / f"share/man/man{name[-1]}" / name).read_text()
        assert "/usr/local/weir" not in text
    for name in ("weir.service", "weir.logrotate"):
        text = (prefix / "conf" / f"{name}.default").read_text()
        assert "/opt/some/" in text and "/usr/local/weir" not in text
    assert (prefix / "ca").is_dir() and (prefix / "logs").is_dir()
