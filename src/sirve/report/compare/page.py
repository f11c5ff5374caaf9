"""The page that compares runs: words and numbers from here, everything else by ``compare*.js``."""

from collections.abc import Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from sirve.io.files import write_text
from sirve.report.compare.scores import Entry, columns, curve, entries, ranked, rows
from sirve.report.compare.sections import Section, differing, sections
from sirve.report.compare.states import BUDGET, shown, states
from sirve.report.compare.verdict import RULE, verdict
from sirve.report.frames import colour_table, json_text
from sirve.report.load import MODEL, Run
from sirve.report.page import asset, document
from sirve.report.states import Look
from sirve.report.style import THRESHOLD, TRUTH, count, run_style, units

ASSETS = (
    "page.css",
    *(
        f"compare/{n}"
        for n in ("compare.css", "compare.js", "compare_plots.js", "compare_states.js")
    ),
)
_ON = 6  # models shown at first, at most
_MAPS = {"value": "inferno", "signed": "RdBu_r", "error": "PuOr_r"}
_LONG = 80  # characters of a setting, at most
_KEYS = 200  # settings, at most


def write_comparison(runs: Sequence[Run], out: Path, budget: int = BUDGET) -> Path:
    """Write the page that compares ``runs`` to ``out``: one file that loads nothing.

    However many runs there are it stays below 20 MB, or less with a smaller ``budget`` of
    characters for states: fewer starts, times and cells are pictured, which the page says.
    """
    parts = sections(runs)
    found = [entries(section) for section in parts]
    order = [ranked(some)[0] for some in found]
    able = [shown(s, some, best) for s, some, best in zip(parts, found, order, strict=True)]
    pictures = states(able, budget)
    head = {"threshold": THRESHOLD, "truth": TRUTH}
    data = [head | {"maps": {key: colour_table(name) for key, name in _MAPS.items()}}]
    for section, some, best, pictured in zip(parts, found, order, pictures, strict=True):
        data.append(_section(section, some, best) | {"states": pictured})
    write_text(out, document("Comparison of runs", _body(runs, parts, data), ASSETS))
    return out


def _body(runs: Sequence[Run], parts: Sequence[Section], data: Sequence[dict[str, Any]]) -> str:
    verdicts = "".join(
        f'<li><button type="button" value="{k}">{escape(section.title)}</button>'
        f"<span>{verdict(section)}</span></li>"
        for k, section in enumerate(parts)
    )
    systems = "".join(
        f'<option value="{k}">{escape(section.title)}</option>' for k, section in enumerate(parts)
    )
    names = ["page", *(f"section-{k}" for k in range(len(parts)))]
    scripts = "".join(
        f'<script type="application/json" id="{name}">{json_text(content)}</script>'
        for name, content in zip(names, data, strict=True)
    )
    return Template(asset("compare/compare.html")).substitute(
        heading=f"{count(len(runs))} {'runs' if len(runs) > 1 else 'run'} compared",
        verdicts=verdicts,
        systems=systems,
        rule=RULE,
        words=(
            "nRMSE: root mean square error in standard deviations of the training data. Valid "
            f"time: how long the error stays at or below {THRESHOLD}; median [95 % interval] over "
            "initial conditions and seeds."
        ),
        data=scripts,
    )


def looks(section: Section) -> list[tuple[Run, Look]]:
    """Every run with its name, the colour of its model and the dash of its seed."""
    found = []
    for g, group in enumerate(section.groups):
        for s, run in enumerate(group.runs):
            several = len(group.runs) > 1
            name = f"{group.label}, seed {run.metrics.get('seed', '?')}" if several else group.label
            found.append((run, (name, *run_style(g, s))))
    return found


def _section(section: Section, found: Sequence[Entry], order: Sequence[Entry]) -> dict[str, Any]:
    first = section.runs[0]
    models = [one for one in order if one.name == MODEL]
    keys, values = differing(section.groups)
    return {
        "title": section.title,
        "alike": section.alike,
        "unit": units(first.metrics.get("time_unit")),
        "ceiling": first.drawn_ceiling,
        "entries": [
            {
                "name": one.label,
                "colour": one.colour,
                "dash": one.dash,
                "model": one.name == MODEL,
                "on": one.name != MODEL or one in models[:_ON],
            }
            for one in found
        ],
        "columns": columns(section),
        "rows": rows(section, found),
        "curves": [curve(one) for one in found],
        "settings": {
            "keys": [key[:_LONG] for key in keys[:_KEYS]],
            "values": [[v if v is None else v[:_LONG] for v in some[:_KEYS]] for some in values],
        },
    }
