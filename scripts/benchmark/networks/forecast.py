"""Speed of free rollouts, compared with torch.nn in a loop and JAX's ``lax.scan``."""

import argparse
import sys
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor, nn

from sirve.cores import GRU, LSTM, Core, Recurrent
from sirve.cores.fast import fused
from sirve.cores.lift import Lift
from sirve.cores.recurrent import Layer

from .rounds import rounds, spread_text

CELLS = {"gru": GRU(), "lstm": LSTM()}
BATCHES = (1, 64, 1024)
CHANNELS = 3
COMPARED = 50  # first steps, which must be equal in all programs
WORK = 4_000_000  # approximate batch x units x steps of a run


def make(cell: str, hidden: int, dtype: torch.dtype) -> Recurrent:
    """Return a core with bounded rollouts that stay away from 0: numbers below 1e-38 are slow."""
    torch.manual_seed(0)
    core = Recurrent((CHANNELS,), CELLS[cell], hidden=hidden).to(dtype).requires_grad_(False)
    readout = core.readout
    assert isinstance(readout, Lift)
    for parameter in (*only_layer(core).w.parameters(), *readout.parameters()):
        nn.init.normal_(parameter, std=0.3)
    readout.weight[:, hidden:] = -torch.eye(CHANNELS)
    core.scale.fill_(0.1)
    return core


def only_layer(core: Recurrent) -> Layer:
    (layer,) = core.layers
    assert isinstance(layer, Layer)
    return layer


def library(core: Recurrent, x: Tensor, steps: int) -> Callable[[], Tensor]:
    """Call nn.GRU (whose reset gate acts after the matrix) or nn.LSTM at each step."""
    kind = nn.GRU if isinstance(only_layer(core).cell, GRU) else nn.LSTM
    network = kind(CHANNELS, only_layer(core).hidden, batch_first=True).to(x.dtype)

    def run() -> Tensor:
        y, state = x, None
        for _ in range(steps):
            h, state = network(y, state)
            y = core.mean(y, torch.cat([h, y], dim=2))
        return y

    return run


def programs(core: Recurrent, batch: int, steps: int) -> dict[str, Callable[[], Any]]:
    dtype = core.scale.dtype
    torch.manual_seed(1)
    y, state = core(torch.randn(batch, 10, CHANNELS, dtype=dtype))
    y = y[:, -1:].clone()

    def ours(compiled: bool) -> Callable[[], Tensor]:
        def run() -> Tensor:
            with patch.object(fused, "COMPILED", compiled):
                return core.roll(y, state, steps)[0]

        return run

    few = min(steps, 200)  # steps of the slow programs; each step costs the same
    found: dict[str, Callable[[], Any]] = {
        "buffers": ours(False),
        "plain": lambda: Core.roll(core, y, state, few)[0],
        "torch.nn": library(core, y, few),
    }
    if fused.COMPILED:
        found = {"compiled": ours(True)} | found
    if find_spec("jax"):
        from . import scans

        own = [part.numpy() for part in state[0]]
        found["jax"] = scans.roll_out(core, y[:, 0].numpy(), own, steps)
    return found


def require_equal(runs: dict[str, Callable[[], Any]], tolerance: float) -> None:
    """Raise AssertionError where two programs do not compute the same numbers."""
    expected = runs["plain"]()[:, :COMPARED].numpy()
    for label in set(runs) & {"compiled", "buffers", "jax"}:
        y = np.asarray(runs[label]())
        y = y.swapaxes(0, 1) if label == "jax" else y
        error = np.abs(y[:, : expected.shape[1]] - expected).max()
        assert error < tolerance, f"{label} differs from the plain loop by {error}"


def measure(options: argparse.Namespace) -> dict[str, Any]:
    torch.set_num_threads(1)
    for module, extra in (("jax", "bench"), ("numba", "fast")):
        if not find_spec(module):
            print(f'{module} is left out: pip install ".[{extra}]"', file=sys.stderr)
    if find_spec("jax"):
        import jax

        jax.config.update("jax_enable_x64", True)
    print(f"Microseconds a step, {options.hidden} units; ratio: compiled / jax.\n")
    print("| | batch | compiled | buffers | plain loop | torch.nn in a loop | jax | ratio |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|")
    results: dict[str, Any] = {}
    with torch.inference_mode():
        for dtype in (torch.float32, torch.float64):
            for cell in [options.only] if options.only else CELLS:
                for batch in BATCHES:
                    name = f"{cell} {str(dtype).removeprefix('torch.')}"
                    core = make(cell, options.hidden, dtype)
                    steps = options.steps or max(50, min(1000, WORK // (batch * options.hidden)))
                    runs = programs(core, batch, steps)
                    require_equal(runs, 1e-4 if dtype == torch.float32 else 1e-10)
                    rows = rounds(runs, options.repeats, "jax")
                    results[f"{name} {batch}"] = rows
                    print(f"| {name} | {batch} | {line(rows, steps)} |", flush=True)
    return results


def line(rows: dict[str, Any], steps: int) -> str:
    cells = []
    for label in ("compiled", "buffers", "plain", "torch.nn", "jax"):
        count = min(steps, 200) if label in ("plain", "torch.nn") else steps
        row = rows.get(label)
        cells.append(f"{1e6 / count * row['seconds']['median']:.3g}" if row else "")
    ratio = rows.get("compiled", {}).get("ratio")
    return " | ".join([*cells, spread_text(ratio) if ratio else ""])
