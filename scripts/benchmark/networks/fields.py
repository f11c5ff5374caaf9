"""Speed of training on fields: a step against its convolutions alone, and lines against PyTorch."""

import argparse
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any
from unittest.mock import patch

import numpy as np
import torch

from sirve.cores import GRU, LSTM, ConvRecurrent, ResidualRecurrent
from sirve.cores.fast import lines
from sirve.cores.recurrent import Layer
from sirve.training.compiling import compiled
from sirve.training.objectives.squared_error import SquaredError

from .rounds import rounds, spread_text
from .steps import adam_step

LINE = "|--:|--:|--:|--:|--:|--:|--:|"


def convolutions(options: argparse.Namespace) -> dict[str, Any]:
    """Compare a ConvLSTM's training step with its convolutions alone, of the same sizes."""
    batch, frames, size, hidden = 4, 10, 64, 32
    torch.manual_seed(0)
    core = ConvRecurrent((1, size, size), LSTM(), "periodic", hidden=hidden)
    x = torch.randn(batch, frames + 1, 1, size, size)
    (layer,) = core.layers
    assert isinstance(layer, Layer)
    wide = torch.randn(batch * frames, 1, size, size)
    h = torch.randn(batch, hidden, size, size, requires_grad=True)

    def alone() -> None:
        for _ in range(frames):
            y = layer.u(h)
            y.backward(y.detach())
        y = layer.w(wide)
        y.backward(y.detach())

    taps = 9 * (hidden * 4 * hidden * frames + 1 * 4 * hidden * frames + (hidden + 1) * frames)
    operations = 3 * 2 * batch * size * size * taps  # forward, and backward to input and weight
    rows = rounds({"step": adam_step(core, x), "alone": alone}, options.repeats, "alone")
    rates = {k: operations / row["seconds"]["median"] / 1e9 for k, row in rows.items()}
    print(f"\nConvLSTM, {batch} windows of {frames} frames {size}², {hidden} channels, float32.\n")
    print("| training step, ms | its convolutions alone, ms | GFLOP/s | share |\n|--:|--:|--:|--:|")
    step, other = (1e3 * rows[k]["seconds"]["median"] for k in ("step", "alone"))
    share = inverse(rows["step"]["ratio"])
    rate = f"{rates['step']:.3g} of {rates['alone']:.3g}"
    print(f"| {step:.3g} | {other:.3g} | {rate} | {spread_text(share)} |")
    return rows


def step_on_a_line(options: argparse.Namespace) -> dict[str, Any]:
    """Compare a training step on a line: sirve's, compiled, with PyTorch's Conv1d, and in JAX."""
    size, context, horizon = 64, 24, 8
    objective = SquaredError(context=context, horizon=horizon)
    print(
        f"\nresgru, {context} + {horizon} frames of {size} points, kernel 5, ms a training step.\n"
    )
    print(
        "| windows | sirve | compiled | Conv1d | jax | sirve / compiled | compiled / jax |\n" + LINE
    )
    results = {}
    for batch in (4, 16):
        torch.manual_seed(0)
        core = ResidualRecurrent((1, size), GRU(), "periodic", 32, depth=4, kernel=5)
        torch.nn.init.normal_(core.readout.weight, std=0.01)
        x = torch.randn(batch, objective.length, 1, size)

        def step(core: ResidualRecurrent = core, x: torch.Tensor = x) -> float:
            loss = objective(core, x)
            loss.backward()
            return float(loss.detach())

        runs = {"sirve": step, "compiled": compiled_step(core, step), "Conv1d": by_pytorch(step)}
        if find_spec("jax"):
            from . import line_scan

            runs["jax"] = line_scan.gradient(core, x, objective)
        losses = [run() for run in runs.values()]
        np.testing.assert_allclose(losses, losses[:1] * len(losses), rtol=1e-4)
        rows = results[str(batch)] = rounds(runs, options.repeats, "compiled")
        cells = [
            f"{1e3 * rows[label]['seconds']['median']:.3g}" if label in rows else ""
            for label in ("sirve", "compiled", "Conv1d", "jax")
        ]
        ratio = spread_text(rows["sirve"]["ratio"])
        other = spread_text(inverse(rows["jax"]["ratio"])) if "jax" in rows else ""
        print(f"| {batch} | {' | '.join(cells)} | {ratio} | {other} |", flush=True)
    return results


def inverse(ratio: dict[str, float]) -> dict[str, float]:
    """Return the spread of 1 / ratio."""
    return {"median": 1 / ratio["median"], "low": 1 / ratio["high"], "high": 1 / ratio["low"]}


def compiled_step(core: ResidualRecurrent, run: Callable[[], float]) -> Callable[[], float]:
    """Return ``run`` with the step of the core compiled, as by trainer.compile=true."""
    with compiled(core, True):
        fast = vars(core)[core.step]

    def quickly() -> float:
        with patch.dict(vars(core), {core.step: fast}):
            return run()

    return quickly


def by_pytorch(run: Callable[[], float]) -> Callable[[], float]:
    """Return ``run`` with F.conv1d instead of matrix products on lines."""

    def slowly() -> float:
        with patch.object(lines, "covers", lambda _: False):
            return run()

    return slowly
