"""The recipe of a simulated dataset: everything that fixes its bits."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

from simulators import Distribution, Family, SimulationError, Simulator
from sirve.data.dataset import SPLITS, digest
from sirve.data.info import Info
from sirve.data.observe import Observe
from sirve.data.sizes import lengths, require_whole
from sirve.errors import UserError, cut, nearest, one_line
from sirve.io.files import require_name
from sirve.io.instantiate import build
from sirve.runs.provenance import code_of


@dataclass(frozen=True)
class Recipe:
    """The systems of each split, the number of states and the time between them, block and seed.

    Trajectory i of a split is drawn from ``SeedSequence(seed, spawn_key=(split, i))``, and blocks
    of constant size are integrated together. So the bits of a trajectory depend on the recipe, the
    library versions, the split and i, but not on the workers or the number of trajectories.
    """

    name: str
    families: Mapping[str, Family]
    dt: float
    states: Mapping[str, int]
    seed: int = 0
    block: int = 16
    frames: Literal["float32", "float64"] = "float32"  # type in which fields are stored

    @cached_property
    def infos(self) -> dict[str, Info]:
        """The description of each split; raises UserError if their channels differ."""
        infos = {
            split: replace(describe(self.name, self.families[split], self.dt), frames=self.frames)
            for split in SPLITS
        }
        train = infos["train"]
        for split, info in infos.items():
            if (info.channels, len(info.shape)) != (train.channels, len(train.shape)):
                raise UserError(f"sim.splits.{split} has other channels than train; leave it out")
        return infos

    @property
    def config(self) -> dict[str, Any]:
        """The recipe as JSON types; its digest names the folder."""
        train = self.families["train"]
        return {
            "name": self.name,
            "system": _target(train.sim),
            "code": code_of(type(train.sim)),
            "parameters": {split: self.infos[split].parameters for split in SPLITS},
            "dt": float(self.dt),
            "transient": {split: self.families[split].sim.transient for split in SPLITS},
            "states": {split: self.states[split] for split in SPLITS},
            "seed": self.seed,
            "block": self.block,
            **({"frames": self.frames} if self.frames != "float32" else {}),
        }

    @property
    def folder(self) -> str:
        """The name of the dataset's folder, ``<name>-<hash>``."""
        require_name(self.name)
        return f"{self.name}-{digest(self.config)}"

    @staticmethod
    def of(config: Mapping[str, Any], trust: Sequence[str] | None) -> "Recipe":
        """Build a recipe from the ``config`` of an untrusted manifest; raises UserError."""
        if config.get("system") == "recorded":
            raise UserError(
                "this dataset was copied from a file: run the command that imported it again"
            )
        try:
            for name, value, least in (
                ("seed", config["seed"], 0),
                ("block", config["block"], 1),
                *((f"states.{split}", config["states"][split], 1) for split in SPLITS),
            ):
                require_whole(f"this dataset's {name}", value, least)
            require_name(config["name"])
            families = {
                split: family(
                    {"_target_": config["system"], **_renamed(config["parameters"][split])}, trust
                )
                for split in SPLITS
            }
            found = Recipe(
                config["name"],
                families,
                config["dt"],
                config["states"],
                config["seed"],
                config["block"],
                config.get("frames", "float32"),
            )
            same = found.config == config
        except UserError:
            raise
        except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
            why = one_line(repr(error))
            raise UserError(f"this dataset's recipe is damaged ({why}); delete it") from error
        if not same:
            raise UserError(
                f"the equations of {cut(str(config['system']))} have changed since this dataset "
                "was made, so it cannot be made again; run the command to make a new one"
            )
        return found


def make_recipe(config: Mapping[str, Any], observe: Observe, trust: Sequence[str] | None) -> Recipe:
    """Return the recipe of a composed configuration; raises UserError."""
    sim, data = config["sim"], config["data"]
    require_frames(data["frames"])
    return Recipe(
        config["names"]["sim"],
        families(sim["system"], sim["splits"], trust),
        sim["dt"],
        {split: (n - 1) * observe.stride + 1 for split, n in lengths(sim).items()},
        data["seed"],
        data["block"],
        data["frames"],
    )


def require_frames(value: Any) -> None:
    """Raise UserError unless ``value`` is a type in which frames can be stored."""
    if value not in ("float32", "float64"):
        raise UserError(f"data.frames={value}; take float32, or float64 for every digit")


def family(
    node: Mapping[str, Any], trust: Sequence[str] | None, place: str = "sim.system"
) -> Family:
    """Build the systems of a configuration such as ``{_target_: ..., rho: 28}``.

    With ``rho: {uniform: [26, 32]}`` each trajectory draws its own value. ``trust`` names the
    packages the system may come from, None allows any. Raises UserError, naming ``place``.
    """
    draws, plain = {}, {}
    for key, value in node.items():
        if isinstance(value, Mapping):
            try:
                draws[key] = Distribution.from_config(value, key)
            except ValueError as error:
                raise UserError(f"{place}.{error}") from error
        else:
            plain[key] = value
    sim = build(
        {**plain, **{key: draw.middle for key, draw in draws.items()}},
        Simulator,
        place=place,
        trust=trust,
    )
    try:
        return Family(sim, draws)
    except ValueError as error:
        raise UserError(f"{place}: {error}") from error


def families(
    system: Mapping[str, Any], splits: Mapping[str, Any], trust: Sequence[str] | None
) -> dict[str, Family]:
    """Build the systems of each split, with changes such as ``{test: {rho: {uniform: [32, 36]}}}``.

    Raises UserError.
    """
    found = dict.fromkeys(SPLITS, family(system, trust))
    for split, changes in splits.items():
        place = f"sim.splits.{split}"
        if split not in SPLITS:
            raise UserError(f"{place}: no such split; {nearest(split, SPLITS)}")
        if changes is None:
            continue
        if not isinstance(changes, Mapping) or "_target_" in changes:
            raise UserError(f"{place}={changes} must be parameters of sim.system")
        found[split] = family({**system, **changes}, trust, place)
    return found


def describe(name: str, family: Family, dt: float) -> Info:
    """Describe the data of a family; the unit of time is 1/lambda_1, a period, or a step.

    Raises UserError if the Lyapunov exponent cannot be computed.
    """
    sim = family.sim
    try:
        exponent = sim.lyapunov
    except SimulationError as error:
        raise UserError(
            f"sim.system: the Lyapunov exponent of {name} cannot be computed ({error}); "
            "change its parameters"
        ) from error
    if exponent is not None:
        time_unit, unit = "lyapunov time", 1 / exponent
    elif sim.period is not None:
        time_unit, unit = "period", sim.period
    else:
        time_unit, unit = "step", dt
    return Info(
        name=name,
        shape=sim.shape,
        channels=tuple(c.name for c in sim.channels),
        units=tuple(c.unit for c in sim.channels),
        boundary=sim.boundary,
        dt=dt,
        time_unit=time_unit,
        unit=unit,
        solver=sim.solver,
        parameters={
            key: {family.draws[key].kind: list(family.draws[key].values)}
            if key in family.draws
            else _to_json(value, getattr(type(sim), key, None))
            for key, value in sim.parameters.items()
        },
    )


def _renamed(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters under the names they have now; before version 0.2 boundary was walls."""
    return {"boundary" if key == "walls" else key: value for key, value in parameters.items()}


def _target(sim: Simulator) -> str:
    return f"{type(sim).__module__}.{type(sim).__qualname__}"


def _to_json(value: Any, default: Any) -> Any:
    """Return a parameter as JSON types; 28 becomes 28.0 if the default is real."""
    if isinstance(default, float) and isinstance(value, int):
        return float(value)
    return json.loads(json.dumps(value))
