"""Choose the source of trajectories that a composed configuration names."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from joblib import cpu_count

from sirve.data.observe import Observe
from sirve.data.own.import_data import from_file
from sirve.data.simulated.recipe import make_recipe
from sirve.data.simulated.source import Simulated
from sirve.data.sizes import lengths, require_sizes
from sirve.data.source import Source, Wanted
from sirve.errors import UserError


def open_source(
    config: dict[str, Any], observe: Observe, trust: Sequence[str] | None
) -> tuple[Source, dict[str, Any]]:
    """Return the source of trajectories, and the configuration completed with a file's sizes.

    ``trust`` names the packages a system may come from, None allows any. Raises UserError.
    """
    sim, names = config["sim"], config["names"]
    if sim["system"] is not None:
        require_sizes(config)
        return Simulated(make_recipe(config, observe, trust)), config
    if config["data"]["frames"] != "float32":
        raise UserError(
            "data.frames is for simulated fields; those of a file become float32, leave it out"
        )
    source = from_file(sim, Path(str(config["data"]["root"])))
    names = {**names, "sim": source.infos["train"].name}
    return source, {**config, "names": names, "sim": source.completed(sim, observe.stride)}


def wanted_of(config: dict[str, Any], observe: Observe) -> Wanted:
    """Return the data that a completed configuration needs."""
    sim, data = config["sim"], config["data"]
    return Wanted(
        states={split: (n - 1) * observe.stride + 1 for split, n in lengths(sim).items()},
        counts=sim["trajectories"],
        root=Path(data["root"]),
        block=data["block"],
        workers=data["workers"] or cpu_count(),
    )
