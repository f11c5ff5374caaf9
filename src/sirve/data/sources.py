"""From a composed configuration to where its trajectories come from, and how many are wanted."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from joblib import cpu_count

from sirve.data.observe import Observe
from sirve.data.own.bring import from_file
from sirve.data.simulated.recipe import make_recipe
from sirve.data.sizes import lengths, require_sizes
from sirve.data.source import Simulated, Source, Wanted
from sirve.errors import UserError


def source_of(
    config: dict[str, Any], observe: Observe, trust: Sequence[str] | None
) -> tuple[Source, dict[str, Any]]:
    """Where the trajectories come from, and the configuration, completed by what is there."""
    sim, names = config["sim"], config["names"]
    if sim["system"] is not None:
        require_sizes(config)
        return Simulated(make_recipe(config, observe, trust)), config
    if config["data"]["frames"] != "float32":
        raise UserError("data.frames is for what is simulated; fields of a file become float32")
    source = from_file(sim, Path(str(config["data"]["root"])))
    names = {**names, "sim": source.infos["train"].name}
    return source, {**config, "names": names, "sim": source.completed(sim, observe.stride)}


def wanted_of(config: dict[str, Any], observe: Observe) -> Wanted:
    """What is asked of it, in a completed configuration."""
    sim, data = config["sim"], config["data"]
    return Wanted(
        states={split: (n - 1) * observe.stride + 1 for split, n in lengths(sim).items()},
        counts=sim["trajectories"],
        root=Path(data["root"]),
        block=data["block"],
        workers=data["workers"] or cpu_count(),
    )
