"""How the weights of a forecaster are found, checked before any work."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sirve.cores import Core
from sirve.cores.lift import Lift
from sirve.errors import UserError, nearest, one_line
from sirve.io.instantiate import build
from sirve.training.ridge_search import Ridge
from sirve.training.varpro import VarPro

KINDS = ("ridge", "gradient", "gradient+ridge", "varpro")


def unknown(kind: Any) -> str:
    """Of what is no kind."""
    return f"fit={kind} is unknown; {nearest(str(kind), KINDS)}"


@dataclass(frozen=True)
class Fit:
    """``kind`` and what it needs.

    ridge: random recurrent weights, the readout in closed form. gradient: all weights, by
    gradient descent. gradient+ridge: the same, then the readout in closed form. varpro: recurrent
    weights by variable projection, then the readout in closed form. A core of which only the
    readout is ever fitted is fitted in closed form whatever is asked, and one without weights is
    not fitted: then ``kind`` is ridge, and none.
    """

    kind: str
    ridge: Ridge
    varpro: VarPro
    settings: Sequence[dict[str, Any]]  # of the random weights

    @staticmethod
    def of(config: Mapping[str, Any], core: Core, trust: Sequence[str] | None) -> "Fit":
        """What a composed configuration asks for; raises UserError."""
        ridge = build(config["ridge"], Ridge, place="ridge", trust=trust)
        varpro = build(config["varpro"], VarPro, place="varpro", trust=trust)
        kind = config["fit"]
        if kind not in KINDS:
            raise UserError(unknown(kind))
        if kind == "varpro":
            _require_projectable(core, varpro, config)
        if not any(p.requires_grad for p in core.parameters()):
            return Fit("none", ridge, varpro, ())
        if core.closed_form:
            kind = "ridge"
        if "ridge" in kind and not isinstance(core.readout, Lift):
            raise UserError(
                f"fit={kind} needs a linear readout, a sirve.cores.lift.Lift, which "
                f"{type(core).__name__} does not have; take fit=gradient"
            )
        if "ridge" in kind and core.feedback:
            raise UserError(
                f"fit={kind}: what {type(core).__name__} remembers depends on its own readout, "
                "which no closed form can find then; take fit=gradient"
            )
        settings = ridge.settings(core) if kind == "ridge" else [{}]
        return Fit(kind, ridge, varpro, settings)


def _require_projectable(core: Core, varpro: VarPro, config: Mapping[str, Any]) -> None:
    sim, trainer = config["sim"], config["trainer"]
    try:
        varpro.mover(varpro.weights(core))
        varpro.init_weights(core, 0)
    except ValueError as error:
        raise UserError(f"fit=varpro: {one_line(str(error))}") from error
    if trainer["accelerator"] != "cpu" or trainer["devices"] > 1:
        raise UserError(
            f"fit=varpro runs in one process on the CPU, not trainer.accelerator="
            f"{trainer['accelerator']} with {trainer['devices']} devices; take trainer=cpu"
        )
    count = sim["trajectories"]["train"] * (sim["states"] - varpro.length + 1)
    if varpro.batch > count:
        raise UserError(
            f"varpro.batch={varpro.batch} is more than the {max(count, 0)} windows of "
            f"{varpro.length} states in the training trajectories; ask for less"
        )
