"""Compares random recurrent networks with published forecasts of chaotic systems.

python scripts/benchmark.py dysts FILE [--seeds 3] [--models gru,esn] [--workers 2]
                                       [--rehearse] [--json FILE]

The last line of the output is a JSON object: the sMAPE of every model over the systems. See
docs/dysts.md.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from joblib import Parallel, delayed, parallel_config

from sirve.errors import nearest, refusing
from sirve.metrics import smape

from .families import FAMILIES
from .published import Published, load, require_fit
from .search import KEPT, choose, forecast

RESAMPLES = 2000  # bootstrap samples of the systems


def forecast_system(
    models: Sequence[str], seeds: int, place: int, tune: np.ndarray, past: np.ndarray, horizon: int
) -> tuple[np.ndarray, list[dict[str, Any]], float]:
    """Forecast one system: (models, seeds, KEPT, scored steps), the choices, and CPU seconds."""
    torch.set_num_threads(1)
    begin, found, chosen = time.process_time(), [], []
    with torch.inference_mode():
        for model in models:
            for seed in range(seeds):
                rng = np.random.default_rng([seed, place])
                choices = choose(FAMILIES[model], tune, horizon - 1, rng)
                found.append(forecast(FAMILIES[model], choices, past, horizon - 1))
                chosen += [{"model": model, "draw": seed, **vars(choice)} for choice in choices]
    shaped = np.stack(found).reshape(len(models), seeds, KEPT, -1)
    return shaped, chosen, time.process_time() - begin


def statistics(scores: np.ndarray) -> dict[str, Any]:
    """Summarise sMAPE (seeds, systems): over systems, then the median over seeds.

    ``interval`` is the 95 % interval of the median by bootstrap over systems. A system whose
    forecast is not finite has no score and is left out.
    """
    scores = scores[:, np.isfinite(scores).all(0)]
    if not scores.size:
        return {}
    which = np.random.default_rng(0).integers(scores.shape[1], size=(RESAMPLES, scores.shape[1]))
    medians = np.median(np.median(scores[:, which], axis=2), axis=0)
    low, high = np.quantile(medians, [0.025, 0.975])
    quartiles = np.median(np.quantile(scores, [0.25, 0.75], axis=1), axis=1)
    return {
        "median": float(np.median(np.median(scores, axis=1))),
        "mean": float(np.median(scores.mean(axis=1))),
        "quartiles": quartiles.tolist(),
        "interval": [float(low), float(high)],
        "seeds": np.median(scores, axis=1).tolist(),
        "systems": scores.shape[1],
    }


def own_rows(model: str, predicted: np.ndarray, truth: np.ndarray) -> dict[str, dict[str, Any]]:
    """Return the rows of one model, from its forecasts (systems, seeds, KEPT, scored steps).

    The first row is the best network alone; then come the pointwise median of the KEPT settings of
    one seed, and that of the best networks of all seeds.
    """
    scores = smape(truth[:, None], predicted[:, :, 0])
    kept = smape(truth[:, None], np.median(predicted, axis=2))
    rows = {model: statistics(scores.T), f"{model}, {KEPT} settings": statistics(kept.T)}
    if predicted.shape[1] > 1:
        draws = smape(truth, np.median(predicted[:, :, 0], axis=1))
        rows[f"{model}, {predicted.shape[1]} draws"] = statistics(draws[None])
    return rows


def row(name: str, found: dict[str, Any]) -> str:
    if not found:
        return f"| {name} | none | | | | | |"
    low, high = found["interval"]
    first, third = found["quartiles"]
    seeds = ", ".join(f"{value:.1f}" for value in found["seeds"])
    return (
        f"| {name} | {found['median']:.1f} | {low:.1f}-{high:.1f} | {seeds} | {found['mean']:.1f} "
        f"| {first:.1f}, {third:.1f} | {found['systems']} |"
    )


def run(published: Published, options: argparse.Namespace) -> tuple[np.ndarray, list[Any], float]:
    """Forecast all systems: (systems, models, seeds, KEPT, scored steps), choices, CPU seconds."""
    with parallel_config(backend="loky", inner_max_num_threads=1):
        found = Parallel(n_jobs=options.workers, return_as="generator")(
            delayed(forecast_system)(
                options.models, options.seeds, place, tune, past, published.horizon
            )
            for place, (tune, past) in enumerate(zip(published.tune, published.past, strict=True))
        )
        results = []
        for name, truth, result in zip(published.names, published.truth, found, strict=True):
            results.append(result)
            each = np.median(smape(truth, result[0][:, :, 0]), axis=1)
            shown = "  ".join(f"{m} {s:5.1f}" for m, s in zip(options.models, each, strict=True))
            print(f"{name:24s} {shown}  {result[2]:.1f} s", file=sys.stderr, flush=True)
    chosen = [
        {"system": name, **choice}
        for name, result in zip(published.names, results, strict=True)
        for choice in result[1]
    ]
    return np.stack([result[0] for result in results]), chosen, sum(r[2] for r in results)


def report(published: Published, options: argparse.Namespace) -> dict[str, Any]:
    begin = time.perf_counter()
    rescored = published.scores()
    names = [model.removesuffix("Model") for model in published.models]
    difference = np.nanmax(np.abs(rescored - published.smape), initial=0.0)
    print(f"largest change of the stored sMAPE when recomputed: {difference:.1e}\n", flush=True)
    if options.rehearse:
        published, names = published.rehearsal(), []
        require_fit(options.file, published)
    predicted, chosen, cpu = run(published, options)
    rows: dict[str, dict[str, Any]] = {}
    for i, model in enumerate(options.models):
        rows |= own_rows(model, predicted[:, i], published.truth)
    for i, name in enumerate(names):
        rows[name] = statistics(rescored[None, :, i])
    print("| | median sMAPE | 95 % | each seed | mean | quartiles | systems |")
    print("|---|--:|--:|--:|--:|--:|--:|")
    print("\n".join(row(name, found) for name, found in rows.items()))
    if options.json:
        lines = {"rows": rows, "chosen": chosen, "names": published.names}
        lines |= {"models": options.models, "prediction": predicted.tolist()}
        options.json.write_text(json.dumps(lines) + "\n")
    return {
        "median_smape": {name: found.get("median") for name, found in rows.items()},
        "mean_smape": {name: found.get("mean") for name, found in rows.items()},
        "rescoring_difference": float(difference),
        "systems": len(published.names),
        "seeds": options.seeds,
        "seconds": round(time.perf_counter() - begin, 1),
        "cpu_seconds": round(cpu, 1),
    }


def _models(text: str) -> list[str]:
    models = text.split(",")
    for model in models:
        if model not in FAMILIES:
            raise argparse.ArgumentTypeError(
                f"'{model}' is not a model; {nearest(model, FAMILIES)}"
            )
    if len(set(models)) < len(models):
        raise argparse.ArgumentTypeError(f"'{text}' names a model twice")
    return models


def _new_file(text: str) -> Path:
    path = Path(text)
    if not path.parent.is_dir() or path.is_dir():
        raise argparse.ArgumentTypeError(f"'{text}' cannot be written; make its folder first")
    return path


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number; give 1 or more")
    return int(text)


@refusing
def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="benchmark.py dysts", description=__doc__.split("\n")[0])
    parser.add_argument("file", type=Path, help="HDF5, of the layout in docs/dysts.md")
    parser.add_argument("--seeds", type=_count, default=3, help="seeds of the weights and settings")
    parser.add_argument("--models", type=_models, default=["gru", "esn"], metavar="MODEL,...")
    parser.add_argument("--workers", type=_count, default=2, help="processes with one thread each")
    parser.add_argument("--rehearse", action="store_true", help="use the tuning series alone")
    parser.add_argument(
        "--json", type=_new_file, help="write all forecasts and choices to this file"
    )
    options = parser.parse_args(arguments)
    print("\n" + json.dumps(report(load(options.file), options)))
