"""Sizes of a dataset, checked before any work."""

from collections.abc import Mapping
from typing import Any

from sirve.data.dataset import SPLITS
from sirve.errors import UserError, cut


def lengths(sim: Mapping[str, Any]) -> dict[str, int]:
    """Return the number of observed states of a trajectory, by split."""
    context = sim["context"]
    return {
        "train": sim["states"],
        "valid": context + sim["valid_steps"],
        "test": context + sim["steps"],
    }


def require_sizes(config: Mapping[str, Any]) -> None:
    """Raise UserError for an invalid size in ``sim`` or ``data``."""
    sim, data = config["sim"], config["data"]
    if not isinstance(data["root"], str):
        raise UserError(
            f"data.root={data['root']} must be a folder's name; quote it if it is a number"
        )
    if not isinstance(sim["trajectories"], dict):
        raise UserError(
            f"sim.trajectories={sim['trajectories']} must be counts, such as "
            "{train: 128, valid: 32, test: 64}; or set sim.trajectories.train alone"
        )
    for keys, group, place in (
        (("context", "steps", "valid_steps", "states"), sim, "sim"),
        (SPLITS, sim["trajectories"], "sim.trajectories"),
        (("block",), data, "data"),
    ):
        for key in keys:
            require_whole(f"{place}.{key}", group[key], least=1)
    if data["workers"] is not None:
        require_whole("data.workers", data["workers"], least=1)
    require_whole("data.seed", data["seed"], least=0)
    if not isinstance(sim["dt"], (int, float)) or not 0 < sim["dt"] < float("inf"):
        raise UserError(f"sim.dt={sim['dt']} must be a positive number")


def require_whole(name: str, value: Any, least: int) -> None:
    """Raise UserError unless ``value`` is a whole number from ``least`` to 2**32 - 1.

    NumPy and torch both take seeds of 32 bits.
    """
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value < 2**32:
        raise UserError(
            f"{name}={cut(str(value))} must be a whole number, at least {least}, below 2**32"
        )
