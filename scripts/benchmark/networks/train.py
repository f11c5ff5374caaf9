"""Speed of training: a step against torch.nn and JAX, an epoch against a loop, fields."""

import argparse
import logging
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor, nn

from sirve.cores import LSTM, Recurrent
from sirve.cores.fast import fused
from sirve.data.shards import Info
from sirve.data.states import StatesInMemory
from sirve.data.windows import Windows
from sirve.forecasting.forecaster import Forecaster
from sirve.forecasting.normaliser import Normaliser
from sirve.training.gradient import TrainingData, train
from sirve.training.lightning import Hardware, Monitoring
from sirve.training.module import TrainingModule, TrainingPlan
from sirve.training.objectives.squared_error import SquaredError

from . import fields
from .forecast import CELLS, CHANNELS, make, only_layer
from .rounds import rounds, spread_text
from .steps import RATE, adam_step

BATCH, STATES = 64, 101
LINE = "|---|--:|--:|--:|--:|--:|"


def without_fused(run: Callable[[], float]) -> Callable[[], float]:
    def slowly() -> float:
        with patch.object(fused, "covers", lambda *_: False):
            return run()

    return slowly


def library(core: Recurrent, x: Tensor) -> Callable[[], float]:
    """Train nn.GRU (whose reset gate acts after the matrix) or nn.LSTM in the same core."""
    kind = nn.LSTM if isinstance(only_layer(core).cell, LSTM) else nn.GRU
    network = kind(CHANNELS, only_layer(core).hidden, batch_first=True).to(x.dtype)
    core.layers = nn.ModuleList([network])
    return adam_step(core, x, lambda x: core.mean(x, torch.cat([network(x)[0], x], dim=2)))


def steps(options: argparse.Namespace) -> dict[str, Any]:
    print(
        f"\nA training step, {BATCH} windows of {STATES - 1} states, {options.hidden} units, ms.\n"
    )
    print("| | sirve | plain loop | torch.nn | jax | sirve / jax |\n" + LINE)
    results = {}
    for dtype in (torch.float32, torch.float64):
        for cell in [options.only] if options.only else CELLS:

            def fresh(cell: str = cell, dtype: torch.dtype = dtype) -> Recurrent:
                return make(cell, options.hidden, dtype).requires_grad_()

            torch.manual_seed(1)
            x = 0.1 * torch.randn(BATCH, STATES, CHANNELS, dtype=dtype).cumsum(1)
            runs = {
                "sirve": adam_step(fresh(), x),
                "plain": without_fused(adam_step(fresh(), x)),
                "torch.nn": library(fresh(), x),
            }
            if find_spec("jax"):
                import jax

                from . import scans

                jax.config.update("jax_enable_x64", True)
                runs["jax"] = scans.trainer(fresh(), x.numpy(), RATE)
            losses = [[runs[label]() for _ in range(3)] for label in runs if label != "torch.nn"]
            np.testing.assert_allclose(losses, losses[:1] * len(losses), rtol=1e-4)
            rows = rounds(runs, options.repeats, "jax")
            name = f"{cell} {str(dtype).removeprefix('torch.')}"
            results[name] = rows
            cells = [
                f"{1e3 * rows[label]['seconds']['median']:.3g}" if label in rows else ""
                for label in ("sirve", "plain", "torch.nn", "jax")
            ]
            ratio = rows["sirve"].get("ratio")
            print(
                f"| {name} | {' | '.join(cells)} | {spread_text(ratio) if ratio else ''} |",
                flush=True,
            )
    return results


def forecaster() -> Forecaster:
    """Return a GRU of the main job's size."""
    core = make("gru", 64, torch.float32).requires_grad_()
    info = Info("walk", (CHANNELS,), ("x", "y", "z"), ("1",) * 3, None, 0.02, "step", 1.0, "", {})
    normaliser = Normaliser(np.zeros(CHANNELS), np.ones(CHANNELS), 0)
    return Forecaster(core, normaliser, {}, info, [1.0] * CHANNELS)


def epoch(options: argparse.Namespace) -> dict[str, Any]:
    """Train on each window once: by sirve.training.gradient.train, and by a loop of PyTorch."""
    x = 0.1 * torch.randn(64, 380, CHANNELS, dtype=torch.float64).cumsum(1)
    objective = SquaredError(context=50, horizon=1)
    count = len(x) * (x.shape[1] - objective.length + 1) // BATCH

    def optimizer(parameters: Any) -> torch.optim.Optimizer:
        return torch.optim.AdamW(parameters, RATE)

    def bare() -> None:
        model = forecaster()
        windows = Windows(StatesInMemory(x), objective.length, BATCH, 0)
        descend = optimizer(model.core.parameters())
        for step in range(count):
            descend.zero_grad()
            objective(model.core, model.read(windows[step])).backward()
            descend.step()

    def ours() -> None:
        plan = TrainingPlan(objective, optimizer, count)
        with tempfile.TemporaryDirectory() as folder:
            data = TrainingData(StatesInMemory(x), x[:1, :5].numpy(), x[:1, 5:6].numpy())
            module = TrainingModule(forecaster(), plan)
            train(module, data, Path(folder), Hardware(), [], BATCH, Monitoring(1))

    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    rows = rounds({"fit": ours, "bare": bare}, options.repeats, "bare")
    each = {label: 1e3 / count * row["seconds"]["median"] for label, row in rows.items()}
    print(
        f"\nAn epoch of {count} steps, {BATCH} windows of {objective.length} states, GRU of 64.\n"
    )
    print(
        "| sirve.training.gradient.train, ms a step | bare loop, ms a step | ratio |\n|--:|--:|--:|"
    )
    print(
        f"| {each['fit']:.3g} | {each['bare']:.3g} | {spread_text(rows['fit']['ratio'])} |",
        flush=True,
    )
    return rows


def measure(options: argparse.Namespace) -> dict[str, Any]:
    torch.set_num_threads(1)
    begin = time.perf_counter()
    results = {"steps": steps(options)}
    if not options.only:
        results |= {"epoch": epoch(options), "convolutions": fields.convolutions(options)}
        results |= {"lines": fields.step_on_a_line(options)}
    print(f"\n{time.perf_counter() - begin:.0f} s")
    return results
