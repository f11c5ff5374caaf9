"""Figures of a run as PNG files, for papers and READMEs."""

from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from sirve.report.compare.scores import entries, errors_chart
from sirve.report.compare.sections import sections
from sirve.report.ensemble import read_ensemble
from sirve.report.figures import curves, images
from sirve.report.figures.chart import Chart
from sirve.report.figures.draw import STYLE, draw, phase, save
from sirve.report.figures.inside import inside_charts
from sirve.report.figures.learning import learning_chart
from sirve.report.inside.load import load_inside
from sirve.report.load import Run
from sirve.report.stats import Pick, early, forecast, pick, spans, thin
from sirve.report.style import MODEL_COLOUR, TRUTH, moments

FIELDS = 3  # channels of a field that are drawn, at most
_TIMES = 6  # images in a strip of frames


def write_figures(run: Run, folder: Path) -> list[Path]:
    """Write every figure that applies to ``run`` into ``folder``; return the files."""
    folder.mkdir(exist_ok=True)
    median = pick([run], 1)[0]
    with matplotlib.rc_context(STYLE):
        figures = {"rollout": draw_forecast(run, median)}
        if run.kind == "vector" and run.shape[0] > 1:
            figures["phase"] = _phase(run, median)
        figures |= {name: draw(chart) for name, chart in run_charts(run).items()}
        return [save(figure, folder / f"{name}.png") for name, figure in figures.items()]


def run_charts(run: Run) -> dict[str, Chart]:
    """Return every chart of curves that applies to ``run``, by the name of its PNG."""
    charts = {"error": errors_chart(entries(sections([run])[0]), curves.POINTS)}
    ensemble = read_ensemble(run)
    if ensemble is not None:
        charts["ensemble"] = curves.ensemble_chart(run, ensemble)
    if run.invariants:
        charts["invariants"] = curves.invariants_chart(run)
    training = curves.training_chart(run)
    if training is not None:
        charts["training"] = training
    learning = learning_chart(run)
    if learning is not None:
        charts["learning"] = learning
    return charts | inside_charts(run, load_inside(run.path))


def draw_forecast(run: Run, start: Pick) -> Figure:
    """Draw one forecast with its truth, and for a field with the difference."""
    if run.kind == "vector":
        shown = forecast(run, start, thin(run.steps, 3000))
        return draw(curves.channels_chart(run, shown))
    label = curves.time_label(run)
    if run.kind == "field":
        shown = forecast(run, start, thin(run.steps, 600))
        rows = images.forecast_rows(run, shown, FIELDS)
        return images.over_time(rows, shown.time, (0, run.shape[1]), label)
    shown = forecast(run, start, early(run.steps, _TIMES))
    return images.strip(images.forecast_rows(run, shown, 1), moments(shown.time), label)


def _phase(run: Run, start: Pick) -> Figure:
    shown = forecast(run, start, thin(run.steps, 3000))
    paths = [("truth", shown.truth, TRUTH), (run.model, shown.prediction, MODEL_COLOUR)]
    return phase(paths, run.channels[:3], spans([shown], 0.1))
