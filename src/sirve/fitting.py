"""How the weights of a forecaster are found, checked before any work."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sirve.cores import Core
from sirve.cores.lift import Lift
from sirve.door import build
from sirve.errors import UserError, nearest
from sirve.ridge import Ridge

KINDS = ("ridge", "gradient", "gradient+ridge")


@dataclass(frozen=True)
class Fit:
    """``kind`` and what it needs.

    ridge: random recurrent weights, the readout in closed form. gradient: all weights, by
    gradient descent. gradient+ridge: the same, then the readout in closed form. A core of which
    only the readout is fitted is always fitted in closed form, and one without weights is not
    fitted: then ``kind`` is ridge, and none.
    """

    kind: str
    ridge: Ridge
    settings: Sequence[dict[str, Any]]  # of the random weights

    @staticmethod
    def of(config: Mapping[str, Any], core: Core, trust: Sequence[str] | None) -> "Fit":
        """What a composed configuration asks for; raises UserError."""
        ridge = build(config["ridge"], Ridge, place="ridge", trust=trust)
        kind = config["fit"]
        if kind not in KINDS:
            raise UserError(f"fit={kind} is unknown; {nearest(str(kind), KINDS)}")
        if not any(p.requires_grad for p in core.parameters()):
            return Fit("none", ridge, ())
        if core.closed_form:
            kind = "ridge"
        if "ridge" in kind and not isinstance(core.readout, Lift):
            raise UserError(
                f"fit={kind} needs a linear readout, a sirve.cores.lift.Lift, which "
                f"{type(core).__name__} does not have; take fit=gradient"
            )
        settings = ridge.settings(core) if kind == "ridge" else [{}]
        return Fit(kind, ridge, settings)
