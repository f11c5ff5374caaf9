"""The page that compares what is inside several networks."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import matplotlib

from sirve.io.files import write_text
from sirve.report.compare.sections import Section, sections
from sirve.report.figures.chart import Chart, Curve
from sirve.report.figures.draw import STYLE, draw, save
from sirve.report.figures.inside import reach_chart, reach_curves
from sirve.report.inside.load import Inside, measured, system_exponents
from sirve.report.load import Run
from sirve.report.pages import render
from sirve.report.style import MISSING, count, run_style
from sirve.report.words import BEFORE, BELT, REACH, Table

Named = Sequence[tuple[str, str, Run, Inside]]  # name and colour of each network


@dataclass(frozen=True)
class Part:
    """The networks of one system: name, heading, note and chart of each figure, and a table."""

    title: str
    charts: Sequence[tuple[str, str, str, Chart]]
    exponents: Table | None


def write_inside(runs: Sequence[Run], found: Sequence[Inside], out: Path) -> list[Path]:
    """Write the page ``out`` and, beside it, its figures as PNG; return them all."""
    out.parent.mkdir(parents=True, exist_ok=True)
    inside = {run.path: one for run, one in zip(runs, found, strict=True)}
    parts, written = [], [out]
    for k, section in enumerate(sections(runs)):
        named = [(*look, inside[look[2].path]) for look in _looks(section)]
        charts = []
        for key, title, words, curves in _reaches(named):
            chart = reach_chart(curves)
            charts.append((f"{key}-{k}", title, words, chart))
            path = out.with_name(f"{out.stem}-{_file(section)}-{key}.png")
            with matplotlib.rc_context(STYLE):
                written.append(save(draw(chart), path))
        parts.append(Part(section.title, charts, _exponents(named)))
    write_text(out, render("inside.html", {}, title="Inside the networks", parts=parts))
    return written


def _looks(section: Section) -> list[tuple[str, str, Run]]:
    """Return the name and the colour of every network of a section."""
    found = []
    for g, group in enumerate(section.groups):
        for run in group.runs:
            several = len(group.runs) > 1
            name = f"{group.label}, seed {run.metrics.get('seed', '?')}" if several else group.label
            found.append((name, run_style(g, 0)[0], run))
    return found


def _reaches(named: Named) -> list[tuple[str, str, str, list[Curve]]]:
    """Return key, title, note and curves: of the trained networks, and before training."""
    trained, initial = [], []
    for name, colour, _, found in named:
        trained += reach_curves(replace(found, initial={}), name, colour)
        initial += reach_curves(replace(found, initial={}, reach=found.initial), name, colour)
    words = REACH + (BELT if any("C" in found.reach for *_, found in named) else "")
    both = [
        ("reach", "How far back the gradient reaches", words, trained),
        ("reach-before", "The same before training", words + BEFORE, initial),
    ]
    return [one for one in both if one[-1]]


def _exponents(named: Named) -> Table | None:
    """Return a table of the exponents of the system and of every network."""
    settled = [(name, run, one.exponents) for name, _, run, one in named if one.exponents]
    if not settled:
        return None
    most = max(found.value.shape[1] for _, _, found in settled)
    values, errors = system_exponents(settled[0][1])
    known = [measured(v, e) for v, e in zip(values, errors, strict=True)]
    rows = [("baseline", ["the system", "", *known, *[MISSING] * (most - len(known))])]
    for name, _, found in settled:
        cells = [measured(v, e) for v, e in zip(found.value[-1], found.error[-1], strict=True)]
        cells += [""] * (most - len(cells))
        rows.append(("model", [name, count(found.time[-1]), *cells]))
    head = ["1/time, with 95 % intervals", "time", *(f"exponent {i + 1}" for i in range(most))]
    return Table("Lyapunov exponents", head, rows)


def _file(section: Section) -> str:
    return "".join(c if c.isalnum() else "-" for c in section.title).strip("-")
