"""Figures as they come in, and what becomes of them: a table, a JSON file,
and whether a must was missed."""

import json
import os
import platform
import statistics


WORDS = {True: "met   ", False: "MISSED", None: "UNKNOWN"}


def rounded(value):
    if value is None:
        return "–"
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:.{digits}f}"


class Report:
    """`is_strict`: a must that could not be measured is a missed one."""

    def __init__(self, is_strict=False):
        self.is_strict = is_strict
        self.figures = {}  # name: {proxy: [a value for each round]}
        self.units = {}
        self.shown = {}  # name: which of the rounds' values the table has
        self.musts = []
        self.notes = []

    def figure(self, name, unit, proxy, value, shown=statistics.median):
        """`shown`: min, of what the machine's other work only adds to."""
        self.units[name] = unit
        self.shown[name] = shown
        self.figures.setdefault(name, {}).setdefault(proxy, []).append(value)

    def must(self, name, is_met, text):
        self.musts.append({"name": name, "met": bool(is_met), "text": text})

    def unmeasured(self, name, why):
        """A must of which nobody knows whether it is met."""
        self.musts.append({"name": name, "met": None, "text": why})

    def note(self, text):
        if text not in self.notes:
            self.notes.append(text)

    def value(self, name, proxy):
        values = self.figures.get(name, {}).get(proxy)
        return self.shown[name](values) if values else None

    def rounds(self, above, below):
        """Of two figures, each (name, proxy): the values of each; None where
        one of them lacks a round."""
        tops, bottoms = (
            self.figures.get(name, {}).get(proxy, [])
            for name, proxy in (above, below)
        )
        if not tops or len(tops) != len(bottoms) or 0 in bottoms:
            return None
        return tops, bottoms

    def quotient(self, above, below):
        """The median of the rounds' own, as a machine that others use is not
        as fast in each; None where a round is lacking."""
        rounds = self.rounds(above, below)
        if rounds is None:
            return None
        return statistics.median(t / b for t, b in zip(*rounds))

    def sure_quotient(self, above, below):
        """For a must: the lesser of that and of what the leasts make. A proxy
        that costs more raises both."""
        rounds = self.rounds(above, below)
        if rounds is None:
            return None
        tops, bottoms = rounds
        return min(min(tops) / min(bottoms), self.quotient(above, below))

    def ratio(self, name, other="nginx"):
        return self.quotient((name, "weir"), (name, other))

    def missed(self):
        is_met = (True,) if self.is_strict else (True, None)
        return [m for m in self.musts if m["met"] not in is_met]

    def table(self):
        proxies = []
        for values in self.figures.values():
            proxies += [p for p in values if p not in proxies]
        first = [p for p in ("weir", "nginx") if p in proxies]
        proxies = first + [p for p in proxies if p not in first]
        has_ratio = proxies[:2] == ["weir", "nginx"]
        rows = [["", *proxies, *(["weir / nginx"] if has_ratio else [])]]
        for name in self.figures:
            unit = f", {self.units[name]}" if self.units[name] else ""
            cells = [rounded(self.value(name, p)) for p in proxies]
            if has_ratio:
                cells.append(rounded(self.ratio(name)))
            rows.append([name + unit, *cells])
        rows.insert(1, ["---"] * len(rows[0]))
        return "\n".join("| " + " | ".join(r) + " |" for r in rows)

    def text(self):
        lines = []
        if self.figures:
            lines += [self.table(), ""]
        lines += [f"note: {text}" for text in self.notes]
        for must in self.musts:
            word = WORDS[must["met"]]
            lines.append(f"must {word} {must['name']}: {must['text']}")
        return "\n".join(lines)

    def as_json(self, about):
        def summary(values):
            return {
                "median": statistics.median(values),
                "min": min(values),
                "max": max(values),
                "rounds": values,
            }

        figures = [
            {
                "name": name,
                "unit": self.units[name],
                "values": {p: summary(v) for p, v in values.items()},
                "weir/nginx": self.ratio(name),
            }
            for name, values in self.figures.items()
        ]
        machine = {"kernel": platform.release(), "cpus": os.cpu_count()}
        return json.dumps(
            {
                **about,
                "machine": machine,
                "figures": figures,
                "musts": self.musts,
                "notes": self.notes,
            },
            indent=1,
            ensure_ascii=False,
        )
