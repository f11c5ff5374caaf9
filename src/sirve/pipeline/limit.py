"""The limit of a finished run: what the true equations could forecast from its own contexts."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sirve import metrics
from sirve.data.info import dtype_of
from sirve.data.sizes import require_whole
from sirve.errors import UserError
from sirve.io.files import MB, read_json, write_text
from sirve.limit import Limit, Problem, compute, effective_memory
from sirve.limit.curves import MEMBERS
from sirve.metrics.scores import HORIZONS
from sirve.pipeline.simulated_run import SimulatedRun
from sirve.report import write_report
from sirve.report.load import MODEL, Run, load_run

TRAINING = 256  # trajectories that the prior is estimated from, at most
NUMBERS = 2**27  # of their states, at most
REMEDY = "run its command again"


@dataclass(frozen=True)
class Options:
    """Options of the limit.

    Args:
        frames: numbers of states; none for 1, 2, 4, 8, ... up to the context.
        members: fits of perturbed observations beside the most likely one.
        starts: test starts that are fitted; none for all.
    """

    frames: Sequence[int] = ()
    members: int = MEMBERS
    starts: int | None = None

    def __post_init__(self) -> None:
        require_whole("limit.members", self.members, 0)
        if self.starts is not None:
            require_whole("limit.starts", self.starts, 1)
        if not isinstance(self.frames, list | tuple):
            raise UserError(f"limit.frames={self.frames} must be a list of numbers, as [1,8,30]")
        for k in self.frames:
            require_whole("limit.frames", k, 1)


def problem_of(run: Run, starts: int | None = None) -> Problem:
    """Return the problem of a finished run; raises UserError for data that were not simulated."""
    found = SimulatedRun.of(run)
    recipe, observe = found.recipe, found.observe
    count = int(found.config["sim"]["trajectories"]["train"])
    size = recipe.states["train"] * int(np.prod(recipe.infos["train"].shape))
    training, drawn = found.trajectories("train", min(count, TRAINING, max(3, NUMBERS // size)))
    arrays = found.rollouts
    seen, rows = arrays["context"], slice(0, starts)
    each, seed = np.arange(len(seen)), found.config["data"]["seed"]
    behind = observe.hidden(each, 0 * each, seen.shape, "test", seed)
    seen = seen if behind is None else np.where(behind, np.nan, seen)
    told = [name for name in recipe.families["test"].draws if name in observe.parameters]
    kind = dtype_of(found.info)
    return Problem(
        family=recipe.families["test"],
        observe=observe,
        info=found.info,
        dt=recipe.dt * observe.stride,
        seen=seen[rows],
        truth=arrays["truth"][rows],
        std=arrays["std"],
        training=training[:, :: observe.stride].astype(kind),
        drawn=drawn,
        parameters={name: arrays[f"parameters/{name}"][rows] for name in told},
    )


def limit_of(path: Path, options: Options | None = None) -> dict[str, Any]:
    """Compute the limit of the run in ``path``; write limit.h5, limit.json and into metrics.json.

    The report is written again, with the limit in its figure of errors. The limit is kept beside
    the datasets, so that runs with the same contexts, and repeated calls, compute it once.

    Returns:
        ``frames`` (K,); ``nrmse`` and ``chi2`` by the number of states; ``effective_memory`` of the
        model, in states, by step; ``starts`` and ``members``.

    Raises:
        UserError: no simulated system, or one whose state cannot be fitted here.
    """
    options = options or Options()
    run = load_run(path)
    problem = problem_of(run, options.starts)
    root = Path(SimulatedRun.of(run).config["data"]["root"])
    limit = compute(problem, options.frames or None, options.members, cache=root / "limits")
    found = summary(limit, run.errors[MODEL][: len(problem.seen)])
    found |= {"starts": len(problem.seen), "members": options.members}
    limit.write(path / "limit.h5", members=options.members, sim=run.sim)
    write_text(path / "limit.json", json.dumps(found, indent=1, allow_nan=False) + "\n")
    content = read_json(path / "metrics.json", REMEDY, MB)
    text = json.dumps({**content, "limit": found}, indent=1, allow_nan=False)
    write_text(path / "metrics.json", text + "\n")
    write_report(path)
    return found


def summary(limit: Limit, error: np.ndarray) -> dict[str, Any]:
    """Return the scores of a limit, and the effective memory of a model.

    ``error`` (n, steps) is that of the model.
    """
    curve, model = limit.nrmse, metrics.nrmse(error)
    horizons = [h for h in HORIZONS if h <= curve.shape[1]]
    return {
        "frames": limit.frames.tolist(),
        "nrmse": {
            str(k): {str(h): metrics.or_null(curve[i, h - 1]) for h in horizons}
            for i, k in enumerate(limit.frames)
        },
        "chi2": {
            str(k): metrics.or_null(value)
            for k, value in zip(limit.frames, limit.chi2, strict=True)
        },
        "effective_memory": {
            str(h): metrics.or_null(
                effective_memory(limit.frames, curve[:, h - 1], float(model[h - 1]))
            )
            for h in horizons
        },
    }
