"""Prints the summary at the end of a run: a table of scores, and where the results are."""

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from sirve.metrics import THRESHOLD
from sirve.report.style import units


def show(metrics: dict[str, Any], run: Path, report: Path, tracked: str | None) -> None:
    """Print the scores of the model and the baselines."""
    unit = units(metrics["time_unit"])
    title = f"{metrics['sim']} · {metrics['model']}: valid time in {unit}"
    table = Table(title=title, title_justify="left")
    table.add_column("", no_wrap=True)
    table.add_column("valid for", justify="right", no_wrap=True)
    table.add_column("95 % interval", justify="right", no_wrap=True)
    horizons = list(metrics["scores"]["model"]["nrmse"])[:3]
    for horizon in horizons:
        table.add_column(f"nRMSE@{horizon}", justify="right", no_wrap=True)
    for name, scores in metrics["scores"].items():
        time = scores["valid_time"][str(THRESHOLD)]
        table.add_row(
            metrics["model"] if name == "model" else name,
            f"{'≥ ' if _reaches_end(time, metrics) else ''}{time['median']:.3g}",
            f"{time['low']:.3g} to {time['high']:.3g}",
            *(_number(scores["nrmse"][h]) for h in horizons),
            style="bold" if name == "model" else None,
        )
    console = Console()
    console.print(table)
    console.print(
        f"Valid for: median time until the error exceeds {THRESHOLD} standard deviations, over "
        f"{metrics['steps']} steps of {metrics['dt']:g}.",
        highlight=False,
    )
    if "ensemble" in metrics:
        ensemble = metrics["ensemble"]
        console.print(
            f"The spread of its {ensemble['members']} sampled forecasts stays below that error for "
            f"{ensemble['trusted_time']['median']:.3g} {unit}.",
            highlight=False,
        )
    ceiling = (metrics["limits"].get("ceiling") or {}).get(str(THRESHOLD))
    if ceiling is not None:
        more = "≥ " if ceiling["censored"] else ""
        console.print(
            f"The reference solution is reliable up to {more}{ceiling['median']:.3g} {unit}; "
            "longer valid times are not meaningful.",
            highlight=False,
        )
    size = f"{metrics['parameters']:,} parameters, fit={metrics['fit']['kind']}"
    lines = [f"model    {size}", f"report   {report}", f"run      {run}"]
    lines += [f"tracked  {tracked}"] if tracked else []
    for line in lines:
        console.print(line, soft_wrap=True, highlight=False)


def _reaches_end(time: dict[str, Any], metrics: dict[str, Any]) -> bool:
    """Return whether the median forecast was still valid at the end of the test."""
    length = metrics["steps"] * metrics["dt"] / metrics["unit"]
    return bool(time["median"] >= length * (1 - 1e-9))


def _number(value: float | None) -> str:
    return "diverged" if value is None else f"{value:.2g}"
