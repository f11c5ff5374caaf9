"""Puts the report of one run together."""

from collections.abc import Sequence
from functools import cache
from html import escape
from importlib.resources import files
from string import Template

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from sirve.report import plots, states, text
from sirve.report.ensemble import ensemble_figure, ensemble_table, read_ensemble
from sirve.report.frames import FRAMES, json_text, player
from sirve.report.inside import plots as inside_plots
from sirve.report.inside import text as inside_text
from sirve.report.inside.load import (
    Inside,
    load_inside,
    memory_curves,
    reach_curves,
    system_exponents,
)
from sirve.report.load import MODEL, Run, number
from sirve.report.stats import Forecast, Pick, error_curves, forecasts, pick, training_curves
from sirve.report.style import MODEL_COLOUR, THRESHOLD, units


def report_page(run: Run) -> str:
    """The whole report as one HTML document that loads nothing."""
    parts = [
        f"<h1>{escape(run.sim)} · {escape(run.model)}</h1>",
        f'<p class="verdict">{text.verdict(run)}</p>',
        text.facts(run),
        _error(run),
        _states(run),
        _ensemble(run),
        _invariants(run),
        _training(run),
        _inside(run, load_inside(run.path)),
        _scores(run),
        _config(run),
    ]
    return document(f"{run.sim} · {run.model}", "\n".join(filter(None, parts)))


def document(title: str, body: str, assets: Sequence[str] = ("page.css", "page.js")) -> str:
    """A complete page with styles, scripts and Plotly inside."""
    return Template(asset("page.html")).substitute(
        title=escape(title),
        css="".join(asset(name) for name in assets if name.endswith(".css")),
        body=body,
        plotly=get_plotlyjs(),
        script="".join(asset(name) for name in assets if name.endswith(".js")),
    )


@cache
def asset(name: str) -> str:
    return files("sirve.report").joinpath(name).read_text("utf-8")


def plot(figure: go.Figure, name: str) -> str:
    """HTML of a figure with its data; ``name`` is its identifier in the page."""
    height = int(figure.layout.height)
    return (
        f'<div class="plot" data-spec="{name}" style="height:{height}px"></div>'
        f'<script type="application/json" id="{name}">{json_text(figure.to_json())}</script>'
    )


def chooser(picks: Sequence[Pick]) -> str:
    """The list of forecasts to choose from; nothing where there is only one."""
    if len(picks) < 2:
        return ""
    options = "".join(
        f'<option value="{k}">{escape(p.label)}</option>' for k, p in enumerate(picks)
    )
    return f'<label class="chooser">Forecast shown: <select>{options}</select></label>'


def note(words: str) -> str:
    return f'<p class="note">{words}</p>'


def time_name(run: Run) -> str:
    return units(run.metrics.get("time_unit"))


def holds(run: Run) -> tuple[float, float, float] | None:
    """Median, low and high of the model's valid time, where all three are known."""
    values = [
        number(run.score(MODEL, "valid_time", str(THRESHOLD), k)) for k in ("median", "low", "high")
    ]
    median, low, high = values
    if median is None or low is None or high is None or not low <= median <= high:
        return None
    return median, low, high


def forecast_views(
    models: Sequence[tuple[states.Look, Sequence[Forecast]]],
    run: Run,
    name: str,
) -> str:
    """The states of the forecasts beside the truth, in the form that suits them."""
    if run.kind == "vector":
        return plot(states.channel_figure(models, run.channels, time_name(run)), name)
    if run.kind == "field":
        return plot(states.heatmap_figure(models, run.channels, time_name(run)), name)
    named = [(look[0], shown) for look, shown in models]
    return player(named, run.channels, time_name(run), name)


def read_forecasts(run: Run, picks: Sequence[Pick]) -> list[Forecast]:
    """The states of ``picks``, at no more times than can be told apart."""
    limit = {"vector": 1500, "field": 300, "frame": FRAMES}[run.kind]
    return forecasts(run, picks, limit, crowded=run.kind == "frame")


def shown_channels(run: Run) -> str:
    """A remark where not every channel is shown."""
    most = {"vector": states.ROWS, "field": states.FIELDS, "frame": 3}[run.kind]
    total = run.shape[0]
    return note(f"The first {most} of {total} channels.") if total > most else ""


def _error(run: Run) -> str:
    words = "Root mean square over channels and cells, in standard deviations of the training data"
    words = words if run.kind != "vector" else words.replace(" and cells", "")
    words += "; median over the forecasts, and the middle half of them." if run.n > 1 else "."
    figure = plots.error_figure(error_curves(run), time_name(run), holds(run), run.drawn_ceiling)
    return f"<h2>Error against time</h2>{note(words)}{plot(figure, 'error')}"


def _states(run: Run) -> str:
    picks = pick(run, 3 if run.kind == "vector" else 0)
    shown = read_forecasts(run, picks)
    look = (run.model, MODEL_COLOUR, "solid")
    view = forecast_views([(look, shown)], run, "states")
    parts = ["<h2>Forecast beside the truth</h2>", chooser(picks), shown_channels(run), view]
    if run.kind == "frame":
        words = "The first two images share one range of colours. The times lie closer early on."
        parts.append(note(words))
    if run.kind == "vector" and run.shape[0] > 1:
        parts += ["<h2>Phase portrait</h2>", note("The same forecast, as a path.")]
        parts.append(plot(states.phase_figure(shown, run.model, run.channels), "phase"))
    return f'<div class="forecasts">{"".join(parts)}</div>'


def _ensemble(run: Run) -> str:
    found = read_ensemble(run)
    if found is None:
        return ""
    words = (
        "Futures drawn from the distribution that the model gives for each next state. Where it "
        "knows what it does not know, the spread of the members is as large as the error of their "
        f"mean; beyond the time at which the spread passes {THRESHOLD}, it does not trust itself. "
        "Root mean squares over the forecasts, in standard deviations of the training data."
    )
    figure = plot(ensemble_figure(run, found, time_name(run)), "ensemble")
    return f"<h2>Ensemble</h2>{note(words)}{figure}{ensemble_table(run)}"


def _invariants(run: Run) -> str:
    if not run.invariants:
        return ""
    words = (
        "Change since the last known state: median over the forecasts, and the middle half of them."
    )
    figure = plots.invariants_figure(run, time_name(run))
    return f"<h2>What should stay constant</h2>{note(words)}{plot(figure, 'invariants')}"


def _training(run: Run) -> str:
    if not training_curves(run):
        return ""
    return f"<h2>Training</h2>{plot(plots.training_figure(run), 'training')}"


def _inside(run: Run, found: Inside) -> str:
    """What was measured inside the network, each with a picture and what it means."""
    if not found:
        return ""
    parts = ["<h2>Inside the network</h2>"]
    if found.reach:
        figure = inside_plots.reach_figure(reach_curves(found, run.model, MODEL_COLOUR))
        parts += ["<h3>How far back the gradient reaches</h3>", note(inside_text.reach(run))]
        parts.append(plot(figure, "reach"))
    if found.memory:
        figure = inside_plots.gates_figure(found, run.step, time_name(run))
        words = "Along the median forecast; the network reads the context up to the dotted line, "
        parts += ["<h3>Gates and memory</h3>", note(f"{words}and then its own predictions.")]
        parts.append(plot(figure, "gates"))
    if curves := memory_curves(found, run):
        figure = plots.error_figure(curves, time_name(run))
        parts += [
            "<h3>Does the memory drift?</h3>",
            note(inside_text.drift(run)),
            plot(figure, "memory"),
        ]
    if found.exponents is not None:
        figure = inside_plots.exponents_figure(found.exponents, system_exponents(run))
        parts += ["<h3>Lyapunov exponents</h3>", note(inside_text.exponents(run))]
        parts.append(plot(figure, "exponents"))
    return "\n".join(parts)


def _scores(run: Run) -> str:
    words = (
        "nRMSE: root mean square error in standard deviations of the training data. Valid time: "
        f"how long the error stays at or below {THRESHOLD}; median over the forecasts. “Never "
        "crossed” counts those that outlasted the test. Diverged: not finite, or beyond 10 "
        "standard deviations."
    )
    return f"<h2>Scores</h2>{text.score_table(run)}{note(words)}{text.more_scores(run)}"


def _config(run: Run) -> str:
    content = escape(run.config) if run.config else "not recorded"
    body = f"<details><summary>config.yaml</summary><pre>{content}</pre></details>"
    return f"<h2>Configuration</h2>{body}"
