"""Speed of training on fields: a step against its convolutions alone, and lines against PyTorch."""

import argparse
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import torch

from sirve.cores import GRU, LSTM, ConvRecurrent, ResidualRecurrent
from sirve.cores.fast import lines
from sirve.cores.recurrent import Layer
from sirve.training.objectives.squared_error import SquaredError

from .rounds import rounds, spread_text
from .steps import adam_step


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
    share = {k: 1 / v for k, v in rows["step"]["ratio"].items()}
    share["low"], share["high"] = share["high"], share["low"]
    rate = f"{rates['step']:.3g} of {rates['alone']:.3g}"
    print(f"| {step:.3g} | {other:.3g} | {rate} | {spread_text(share)} |")
    return rows


def convolutions_on_a_line(options: argparse.Namespace) -> dict[str, Any]:
    """Compare the convolutions of sirve on a line with those of PyTorch, in the same network."""
    size, context, horizon = 64, 24, 8
    objective = SquaredError(context=context, horizon=horizon)
    print(
        f"\nresgru, {context} + {horizon} frames of {size} points, kernel 5, ms a training step.\n"
    )
    print("| windows | sirve | Conv1d | Conv1d / sirve |\n|--:|--:|--:|--:|")
    results = {}
    for batch in (4, 16):
        torch.manual_seed(0)
        core = ResidualRecurrent((1, size), GRU(), "periodic", 32, depth=4, kernel=5)
        x = torch.randn(batch, objective.length, 1, size)

        def step(core: ResidualRecurrent = core, x: torch.Tensor = x) -> None:
            objective(core, x).backward()

        rows = rounds({"sirve": step, "pytorch": by_pytorch(step)}, options.repeats, "sirve")
        results[str(batch)] = rows
        sirve, pytorch = (1e3 * rows[k]["seconds"]["median"] for k in ("sirve", "pytorch"))
        ratio = spread_text(rows["pytorch"]["ratio"])
        print(f"| {batch} | {sirve:.3g} | {pytorch:.3g} | {ratio} |", flush=True)
    return results


def by_pytorch(run: Callable[[], None]) -> Callable[[], None]:
    """Return ``run`` with F.conv1d instead of matrix products on lines."""

    def slowly() -> None:
        with patch.object(lines, "covers", lambda _: False):
            run()

    return slowly
