"""The figure of the answer: how far the recurrent network is ahead, with intervals."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from .claims import Verdict

KINDS = {
    "memoryless": ("memoryless twin", "#0b57d0", "o"),
    "stacked": ("stacked twin", "#d55e00", "s"),
    "rival": ("best other", "#009e73", "^"),
}


def draw(verdicts: Sequence[Verdict], path: Path) -> None:
    """Right of the line: the recurrent network is ahead. Left of it: behind."""
    times = [v for v in verdicts if v.result.case.score == "valid_time"]
    errors = [v for v in verdicts if v.result.case.score == "nrmse"]
    figure = Figure(figsize=(13, 1.6 + 0.55 * max(len(times), len(errors))), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    _panel(left, times, False)
    left.set_xlabel("valid time beyond the opponent's, Lyapunov times")
    _panel(right, errors, True)
    right.set_xlabel("error of the opponent over its own")
    handles, labels = (left if times else right).get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    figure.legend(
        unique.values(), unique.keys(), loc="outside upper center", ncols=3, frameon=False
    )
    figure.savefig(path, dpi=130, bbox_inches="tight")


def _panel(axes: Axes, verdicts: Sequence[Verdict], ratio: bool) -> None:
    for y, found in enumerate(verdicts):
        for k, (role, (label, colour, marker)) in enumerate(KINDS.items()):
            if role not in found.beside:
                continue
            middle, low, high = found.beside[role][1]
            if ratio:
                middle, low, high = 1 / middle, 1 / high, 1 / low
            if not np.isfinite([middle, low, high]).all():
                continue
            bars = [[middle - low], [high - middle]]
            axes.errorbar(
                middle, y + 0.22 * (k - 1), xerr=bars, fmt=marker, color=colour, label=label, ms=6
            )
    axes.axvline(1 if ratio else 0, color="#2b2b2b", lw=1)
    axes.set_xscale("log" if ratio else "linear")
    axes.set_yticks(range(len(verdicts)), [_short(v.result.case.title) for v in verdicts])
    axes.invert_yaxis()
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x", alpha=0.25)


def _short(title: str) -> str:
    """A title on two lines."""
    head, _, rest = title.partition(",")
    return f"{head},\n{rest.strip()}" if rest else title
