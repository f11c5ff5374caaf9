"""Building objects from configuration: other classes are refused, and nothing is called."""

from typing import Any

import pytest
import torch

from simulators import Lorenz, Simulator
from sirve.cores import GRU, Cell, Core, Recurrent
from sirve.errors import UserError
from sirve.io.instantiate import TRUSTED, build

GOOD = {"_target_": "sirve.cores.Recurrent", "cell": {"_target_": "sirve.cores.GRU"}, "hidden": 4}


def test_builds_an_object_with_nested_nodes_and_late_arguments() -> None:
    core = build(GOOD, Core, place="model", trust=TRUSTED, shape=(3,), boundary=None)
    assert isinstance(core, Recurrent)
    assert isinstance(core.layers[0].cell, GRU)  # type: ignore[union-attr]
    assert core.shape == (3,)
    sim = build({"_target_": "simulators.Lorenz", "rho": 20.0}, Simulator, place="sim.system")
    assert sim == Lorenz(rho=20.0)


def test_passes_arguments_by_position() -> None:
    weight = torch.nn.Parameter(torch.ones(2))
    node = {"_target_": "torch.optim.AdamW", "lr": 0.5}
    optimizer = build(node, torch.optim.Optimizer, [weight], place="optimizer")
    assert optimizer.param_groups[0]["params"] == [weight]


CANARY: list[str] = []


class Canary:
    """A class that records its calls."""

    def __init__(self, *_: Any, **__: Any) -> None:
        CANARY.append("called")


HERE = f"{__name__}.Canary"

REFUSED = [
    ({"_target_": "os.system", "command": "true"}, Core, "is not a kind of Core"),
    ({"_target_": "builtins.open", "file": "x"}, Core, "is not a kind of Core"),
    ({"_target_": "torch.load", "f": "x"}, Core, "is not a kind of Core"),
    ({"_target_": "simulators.Lorenz"}, Core, "is not a kind of Core"),
    ({"_target_": "sirve.cores.Core"}, Core, "concrete"),
    ({"_target_": "sirve.cores.Recurent"}, Core, "cannot import"),
    ({"_target_": "no.such.module"}, Core, "cannot import"),
    ({"_target_": ""}, Core, "cannot import"),
    ({"_target_": 3}, Core, "has no _target_"),
    ({"hidden": 3}, Core, "has no _target_"),
    (None, Core, "has no _target_"),
    ({**GOOD, "hiden": 3}, Core, "did you mean 'hidden'?"),
    ({**GOOD, "_args_": [1]}, Core, "model._args_: a name that begins with _"),
    ({**GOOD, "_partial_": True}, Core, "a name that begins with _"),
    (
        {**GOOD, "cell": {"_target_": "simulators.Lorenz"}},
        Core,
        "model.cell: .* is not a kind of Cell",
    ),
    ({**GOOD, "hidden": {"_target_": "sirve.cores.GRU"}}, Core, "model.hidden"),
    ({**GOOD, "hidden": "many"}, Core, "hidden=many must be"),
    ({"_target_": "sirve.cores.GRU", "reset": "never"}, Cell, 'take "before" or "after"'),
    ({"_target_": HERE}, Core, "is not a kind of Core"),
    ({**GOOD, "cell": {"_target_": HERE}}, Core, "is not a kind of Cell"),
]


@pytest.mark.parametrize(("node", "expected", "reason"), REFUSED)
def test_refuses_in_one_line_and_calls_nothing(node: Any, expected: type, reason: str) -> None:
    with pytest.raises(UserError, match=reason) as caught:
        build(node, expected, place="model", shape=(3,))
    assert "\n" not in str(caught.value)
    assert not CANARY


UNTRUSTED = [
    "os.system",
    "json.JSONDecoder",
    "sirve_evil.Core",  # a prefix of letters is not a package
    "sirve.io.instantiate.import_module",  # an alias within a trusted module
    "sirve.cores.recurrent.nn.ModuleList",
    "torch.nn.GRU",
]


@pytest.mark.parametrize("target", UNTRUSTED)
def test_a_checkpoint_may_not_name_classes_of_other_packages(target: str) -> None:
    with pytest.raises(UserError, match=r"outside the trusted packages|is not a|cannot import"):
        build({"_target_": target}, torch.nn.Module, place="model", trust=TRUSTED)
    assert not CANARY


def test_trust_is_checked_before_the_import(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sirve.io.instantiate.import_module", lambda _: pytest.fail("imported"))
    with pytest.raises(UserError, match="outside the trusted packages"):
        build({"_target_": "evil.Core"}, Core, place="model", trust=TRUSTED)
