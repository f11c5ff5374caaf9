"""The learning curve of a run with trainer.updates=auto: its points, chart and sentence."""

import numpy as np

from sirve.report.figures.chart import Chart, Curve, Panel
from sirve.report.load import Run, entry, number
from sirve.report.style import MODEL_COLOUR, count, digits, duration

_MOST = 64  # points; each one has twice the updates of the one before
Points = list[tuple[float, float, float]]


def points(run: Run) -> Points:
    """Return (updates, CPU seconds, error) of each network; none without a learning curve.

    The error is the geometric mean over the validation forecasts and their steps, in standard
    deviations.
    """
    found = entry(run.metrics, "fit", "learning_curve")
    rows: Points = []
    for point in found[:_MOST] if isinstance(found, list) else ():
        values = [number(entry(point, k)) for k in ("updates", "cpu_seconds", "valid_log_error")]
        updates, seconds, error = values
        if updates is None or seconds is None or error is None:
            return []
        if not (updates > 0 and abs(error) < 30):
            return []
        rows.append((updates, seconds, 10**error))
    return rows


def learning_chart(run: Run) -> Chart | None:
    """Chart of the validation error against the updates; None without a learning curve."""
    table = np.array(points(run))
    if not len(table):
        return None
    curve = Curve("", table[:, 0], table[:, 2], MODEL_COLOUR, marker="circle")
    panel = Panel([curve], "validation error (standard deviations)", log=True, height=1.5)
    return Chart([panel], "updates of a finished network", log_x=True)


def sentence(run: Run) -> str:
    """Return what the learning curve says of the training; empty without one."""
    rows = points(run)
    if not rows:
        return ""
    updates, seconds, error = rows[-1]
    cost = f"{count(updates)} updates ({duration(seconds)} of CPU time)"
    if len(rows) == 1:
        return f"One network was trained, of {cost}: whether more updates help is not known."
    gain = 1 - error / rows[-2][2]
    change = (
        f"the last doubling, to {cost}, has lowered the error of the validation forecasts by "
        f"{digits(100 * gain)} %"
        if gain > 0
        else f"the last doubling, to {cost}, has not lowered the error of the validation forecasts"
    )
    if entry(run.metrics, "fit", "converged") is True:
        return f"Training has converged: {change}."
    return f"Training has not converged: {change}, and more updates may help further."
