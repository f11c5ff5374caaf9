"""The report of one run: the page of a comparison with one run, and the run's own sections."""

from sirve.report import words
from sirve.report.compare.page import explorer
from sirve.report.compare.sections import sections
from sirve.report.compare.verdict import run_verdict
from sirve.report.figures.learning import sentence
from sirve.report.load import Run
from sirve.report.pages import render
from sirve.report.pictures import run_charts

_BUDGET = 4_000_000  # characters of states
_GATES = (
    "Along the median forecast. Up to the dotted line the network reads the context, then its own "
    "predictions."
)


def report_page(run: Run) -> str:
    """Return the whole report as one HTML document that loads nothing."""
    charts = run_charts(run)
    inside = (
        ("reach", "How far back the gradient reaches", words.reach(run)),
        ("gates", "Gates and memory", _GATES),
        ("memory", "Does the memory drift?", words.drift(run)),
        ("exponents", "Lyapunov exponents", words.exponents(run)),
    )
    return render(
        "report.html",
        **explorer(sections([run]), _BUDGET, points=600),
        title=f"{run.sim} · {run.model}",
        verdict=run_verdict(run),
        facts=words.facts(run),
        charts=charts,
        learning=sentence(run),
        ensemble=words.ensemble_table(run),
        inside=[one for one in inside if one[0] in charts],
        more=words.more_scores(run),
        config=run.config,
    )
