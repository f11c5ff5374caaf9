"""The page that lays what is inside several networks over each other."""

from collections.abc import Sequence
from dataclasses import replace
from html import escape
from pathlib import Path

import matplotlib

from sirve.io.files import write_text
from sirve.report.compare.page import looks
from sirve.report.compare.sections import Section, sections
from sirve.report.figures import save
from sirve.report.inside import plots, stills
from sirve.report.inside.load import Inside, measured, reach_curves, system_exponents
from sirve.report.inside.text import BEFORE, BELT, REACH
from sirve.report.load import Run
from sirve.report.page import document, note, plot
from sirve.report.states import Look
from sirve.report.stats import Curve
from sirve.report.stills import STYLE
from sirve.report.style import MISSING, count
from sirve.report.text import table

Named = Sequence[tuple[Look, Run, Inside]]


def write_inside(runs: Sequence[Run], found: Sequence[Inside], out: Path) -> list[Path]:
    """Write the page ``out`` and, beside it, its figures as PNG; return them all."""
    out.parent.mkdir(parents=True, exist_ok=True)
    inside = {run.path: one for run, one in zip(runs, found, strict=True)}
    parts, written = ["<h1>Inside the networks</h1>"], [out]
    for k, section in enumerate(sections(runs)):
        named = [(look, run, inside[run.path]) for run, look in looks(section)]
        parts.append(f"<h2>{escape(section.title)}</h2>")
        for key, title, words, curves in _reaches(named):
            parts += [f"<h3>{title}</h3>", note(words)]
            parts.append(plot(plots.reach_figure(curves), f"{key}-{k}"))
            path = out.with_name(f"{out.stem}-{_file(section)}-{key}.png")
            with matplotlib.rc_context(STYLE):
                written.append(save(stills.reach(curves), path))
        parts.append(_exponents(named))
    write_text(out, document("Inside the networks", "\n".join(filter(None, parts))))
    return written


def _reaches(named: Named) -> list[tuple[str, str, str, list[Curve]]]:
    """Key, title, words and curves: of the trained networks, and of the same before training."""
    trained, initial = [], []
    for (name, colour, _), _, found in named:
        trained += reach_curves(replace(found, initial={}), name, colour)
        initial += reach_curves(replace(found, initial={}, reach=found.initial), name, colour)
    words = REACH + (BELT if any("C" in found.reach for *_, found in named) else "")
    both = [
        ("reach", "How far back the gradient reaches", words, trained),
        ("reach-before", "The same before training", words + BEFORE, initial),
    ]
    return [one for one in both if one[-1]]


def _exponents(named: Named) -> str:
    """A table: the exponents of every network, below those of the system."""
    settled = [(look, run, one.exponents) for look, run, one in named if one.exponents]
    if not settled:
        return ""
    most = max(found.value.shape[1] for _, _, found in settled)
    values, errors = system_exponents(settled[0][1])
    known = [measured(v, e) for v, e in zip(values, errors, strict=True)]
    rows = [("baseline", ["the system", "", *known, *[MISSING] * (most - len(known))])]
    for (name, *_), _, found in settled:
        cells = [measured(v, e) for v, e in zip(found.value[-1], found.error[-1], strict=True)]
        cells += [""] * (most - len(cells))
        rows.append(("model", [escape(name), count(found.time[-1]), *cells]))
    head = ["1/time, with 95 % intervals", "time", *(f"exponent {i + 1}" for i in range(most))]
    return f"<h3>Lyapunov exponents</h3>{table(head, rows)}"


def _file(section: Section) -> str:
    return "".join(c if c.isalnum() else "-" for c in section.title).strip("-")
