"""The configuration: every option composes and builds; YAML repeats Python's defaults."""

import dataclasses
import inspect
import pkgutil
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from support import CONF, SYSTEMS, configure, members, model_node, on_frames, quick

from simulators import Simulator
from sirve.cores import Core
from sirve.data.observe import Observe
from sirve.data.simulated.recipe import describe, families
from sirve.io.instantiate import build
from sirve.pipeline import checks
from sirve.tracking.wandb_tracker import Tracker
from sirve.training.objectives.squared_error import SquaredError

GROUPS = sorted(path.name for path in CONF.iterdir() if path.is_dir())
OPTIONS = [(group, name) for group in GROUPS for name in members(group)]
ELSEWHERE = ("slurm", "file")  # one needs a plugin, the other a file


BUILT = [option for option in OPTIONS if option[1] not in ELSEWHERE]
QUICK = {group: (group, name) for group, name in reversed(BUILT)}  # the first of each group


@pytest.mark.parametrize(("group", "name"), quick(BUILT, *QUICK.values()))
def test_every_option_composes_and_builds(group: str, name: str) -> None:
    config = configure(f"{group}={name}")
    systems = families(config["sim"]["system"], config["sim"]["splits"], None)
    info = build(config["observe"], Observe, place="observe").info(
        describe("x", systems["train"], config["sim"]["dt"])
    )
    if group != "model" or not on_frames(name):
        build(config["model"], Core, place="model", shape=info.shape, boundary=info.boundary)
    checks.sizes(config, build(config["objective"], SquaredError, place="objective"))
    build(config["logger"], Tracker, place="logger")
    weight = torch.nn.Parameter(torch.ones(3, 3))
    build(config["optimizer"], torch.optim.Optimizer, [weight], place="optimizer")


@pytest.mark.parametrize("model", quick(members("model"), "gru", "convgru", "resgru_noisy"))
def test_the_quick_way_to_the_node_of_a_model_gives_that_node(model: str) -> None:
    assert model_node(model) == configure(f"model={model}")["model"]


def nodes(value: Any, place: str) -> list[tuple[str, dict[str, Any]]]:
    """Every node with a ``_target_`` of ours in a file, with its place."""
    if not isinstance(value, dict):
        return []
    own = str(value.get("_target_", "")).startswith(("sirve.", "simulators."))
    found = [(place, value)] if own else []
    return found + [n for k, v in value.items() for n in nodes(v, f"{place}.{k}")]


def all_nodes() -> list[Any]:
    files = sorted(path for group in GROUPS for path in (CONF / group).glob("*.yaml"))
    return [
        pytest.param(node, path, id=f"{path.parent.name}/{place}")
        for path in files
        for place, node in nodes(yaml.safe_load(path.read_text()), path.stem)
    ]


@pytest.mark.parametrize(("node", "path"), all_nodes())
def test_yaml_and_python_have_the_same_parameters_and_defaults(
    node: dict[str, Any], path: Path
) -> None:
    cls = pkgutil.resolve_name(node["_target_"])
    late = {"shape", "boundary", "covariates"} if issubclass(cls, Core) else {"scene"}
    parameters = {k: p for k, p in inspect.signature(cls).parameters.items() if k not in late}
    assert set(node) - {"_target_"} == set(parameters), f"{path} and {cls} differ in parameters"
    sized_by_model = {"cell", "frames"}  # what makes a model
    for key, parameter in parameters.items():
        value = node[key]
        if key in sized_by_model or (isinstance(value, str) and value.startswith("${")):
            continue
        if isinstance(value, dict) and "_target_" in value:  # a node, compared by itself
            assert parameter.default is not inspect.Parameter.empty
            continue
        default = parameter.default
        default = list(default) if isinstance(default, tuple) else default
        # PyYAML reads 1.0e-12 and its like as numbers, as Hydra does
        assert value == default, f"{path}: {key}"


def test_every_simulator_and_cell_has_its_yaml() -> None:
    import simulators
    from sirve import cores

    text = "\n".join(p.read_text() for g in ("sim", "model") for p in (CONF / g).glob("*.yaml"))
    for module, base in ((simulators, Simulator), (cores, cores.Cell), (cores, Core)):
        for name, cls in vars(module).items():
            if isinstance(cls, type) and issubclass(cls, base) and not inspect.isabstract(cls):
                assert f"{module.__name__}.{name}\n" in text, f"{name} has no YAML"


def test_simulators_are_frozen_dataclasses_of_plain_numbers() -> None:
    for name in SYSTEMS:
        sim = build(configure(f"sim={name}")["sim"]["system"], Simulator, place="sim.system")
        assert dataclasses.is_dataclass(sim)
        assert sim == build(configure(f"sim={name}")["sim"]["system"], Simulator, place="sim")
