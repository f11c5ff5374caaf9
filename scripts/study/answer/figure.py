"""The figure of a study: the lead of the recurrent network, with intervals."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from .comparison import Comparison

KINDS = {
    "memoryless": ("memoryless ablation", "#0b57d0", "o"),
    "stacked": ("stacked ablation", "#d55e00", "s"),
    "rival": ("best other", "#009e73", "^"),
}


def plot_lead(comparisons: Sequence[Comparison], path: Path) -> None:
    """Plot how far each recurrent network is ahead (right of the line) or behind (left)."""
    times = [c for c in comparisons if c.result.case.score == "valid_time"]
    errors = [c for c in comparisons if c.result.case.score == "nrmse"]
    figure = Figure(figsize=(13, 1.6 + 0.55 * max(len(times), len(errors))), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    _panel(left, times, False)
    left.set_xlabel("lead in valid time, Lyapunov times")
    _panel(right, errors, True)
    right.set_xlabel("error of the other / error of the recurrent network")
    handles, labels = (left if times else right).get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    figure.legend(
        unique.values(), unique.keys(), loc="outside upper center", ncols=3, frameon=False
    )
    figure.savefig(path, dpi=130, bbox_inches="tight")


def _panel(axes: Axes, comparisons: Sequence[Comparison], ratio: bool) -> None:
    for y, found in enumerate(comparisons):
        for k, (role, (label, colour, marker)) in enumerate(KINDS.items()):
            if role not in found.others:
                continue
            middle, low, high = found.others[role][1]
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
    axes.set_yticks(range(len(comparisons)), [_two_lines(c.result.case.title) for c in comparisons])
    axes.invert_yaxis()
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x", alpha=0.25)


def _two_lines(title: str) -> str:
    head, _, rest = title.partition(",")
    return f"{head},\n{rest.strip()}" if rest else title
