"""Show when memory can pay: the limit of a forecast against the states that it may know.

python scripts/study/limit.py RUN [RUN ...] [--figure limit.png] [--starts 16] [--members 8]

RUN is the folder of a finished run of a simulated system, or a folder above several. The true
equations are fitted to the last k = 1, 2, 4, 8, ... states of its contexts (docs/memory.md); with
``model=persistence`` a run takes no training. The output, in Markdown: nRMSE by k and step, the
mean square misfit, and the effective memory of the model. Where a column does not fall, a longer
memory cannot pay.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from scripts.study.markdown import markdown_table
from sirve.errors import refusing
from sirve.pipeline.limit import Options, limit_of
from sirve.report.figures.draw import STYLE
from sirve.report.load import Run, find_runs
from sirve.report.style import digits


def table(run: Run, found: dict[str, Any]) -> str:
    """Return the Markdown table of one limit: a row for each k, then the model."""
    steps = list(found["effective_memory"])
    head = [f"{run.sim}: states known", *(f"step {h}" for h in steps), "χ²"]
    rows = [
        [k, *(digits(errors[h]) for h in steps), digits(found["chi2"][k])]
        for k, errors in found["nrmse"].items()
    ]
    memory = [digits(found["effective_memory"][h]) for h in steps]
    rows.append([f"effective memory of {run.model}", *memory, ""])
    return markdown_table(head, rows)


def figure(found: Sequence[tuple[Run, dict[str, Any]]]) -> Figure:
    """Draw the limit against the number of states: a panel a run, a line a step."""
    drawing = Figure(figsize=(3.4 * len(found), 3.0), layout="constrained")
    axes = drawing.subplots(1, len(found), sharey=True, squeeze=False)[0]
    for panel, (run, limit) in zip(axes, found, strict=True):
        for h in limit["effective_memory"]:
            errors = [limit["nrmse"][str(k)][h] for k in limit["frames"]]
            panel.loglog(limit["frames"], errors, marker="o", label=f"step {h}")
        panel.set(title=run.sim, xlabel="states known, k")
        panel.legend()
    axes[0].set_ylabel("nRMSE of the true equations")
    return drawing


@refusing
def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Show when memory can pay.")
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN")
    parser.add_argument("--figure", type=Path, help="a PNG file to write")
    parser.add_argument("--starts", type=int, help="test starts that are fitted; all by default")
    parser.add_argument("--members", type=int, default=Options.members)
    options = parser.parse_args(arguments)
    chosen = Options(members=options.members, starts=options.starts)
    found = [(run, limit_of(run.path, chosen)) for run in find_runs(options.runs)]
    print("\n".join(table(run, limit) for run, limit in found), end="")
    if options.figure:
        with matplotlib.rc_context(STYLE):
            figure(found).savefig(options.figure, dpi=150)


if __name__ == "__main__":
    sys.exit(main())
