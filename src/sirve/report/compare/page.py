"""The page that compares runs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sirve.io.files import write_text
from sirve.report.compare.scores import Entry, columns, entries, errors_chart, ranked, rows
from sirve.report.compare.sections import Section, differing, sections
from sirve.report.compare.states import BUDGET, drawable, states
from sirve.report.compare.verdict import RULE, verdict
from sirve.report.figures.images import colour_table
from sirve.report.load import MODEL, Run
from sirve.report.pages import render
from sirve.report.style import THRESHOLD, TRUTH, count, units

_ON = 6  # models that are chosen at first, at most
_MAPS = {"value": "inferno", "signed": "RdBu_r", "error": "PuOr_r"}
_LONG = 80  # characters of a setting, at most
_KEYS = 200  # settings, at most


def write_comparison(runs: Sequence[Run], out: Path, budget: int = BUDGET) -> Path:
    """Write the page that compares ``runs`` to ``out``: one file that loads nothing.

    However many runs there are it stays below 20 MB, or less with a smaller ``budget`` of
    characters for states: the page then shows fewer starts, times and cells, and says so.
    """
    parts = sections(runs)
    heading = f"{count(len(runs))} {'runs' if len(runs) > 1 else 'run'} compared"
    verdicts = [verdict(section) for section in parts]
    content = explorer(parts, budget)
    title = "Comparison of runs"
    page = render(
        "compare.html", **content, title=title, heading=heading, verdicts=verdicts, rule=RULE
    )
    write_text(out, page)
    return out


def explorer(parts: Sequence[Section], budget: int, points: int = 250) -> dict[str, Any]:
    """Return what the template explorer.html needs: the data of its sections.

    ``points`` is the number of points of an error curve, at most.
    """
    found = [entries(section) for section in parts]
    order = [ranked(some)[0] for some in found]
    able = [drawable(s, some, best) for s, some, best in zip(parts, found, order, strict=True)]
    data = [
        _section(section, some, best, points) | {"states": drawn}
        for section, some, best, drawn in zip(
            parts, found, order, states(able, budget), strict=True
        )
    ]
    page = {"threshold": THRESHOLD, "truth": TRUTH, "sections": len(data)}
    page |= {"maps": {key: colour_table(name) for key, name in _MAPS.items()}}
    pictured = [one["states"] for one in data]
    portrait = any(one["kind"] == "vector" and one["shape"][0] > 2 for one in pictured)
    return {"page": page, "sections": data, "portrait": portrait}


def _section(
    section: Section, found: Sequence[Entry], order: Sequence[Entry], points: int
) -> dict[str, Any]:
    first = section.runs[0]
    models = [one for one in order if one.name == MODEL]
    keys, values = differing(section.groups)
    return {
        "title": section.title,
        "conditions": section.conditions,
        "unit": units(first.metrics.get("time_unit")),
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
        "errors": errors_chart(found, points).data(),
        "settings": {
            "keys": [key[:_LONG] for key in keys[:_KEYS]],
            "values": [[v if v is None else v[:_LONG] for v in some[:_KEYS]] for some in values],
        },
    }
