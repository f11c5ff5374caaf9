"""Kuramoto-Sivashinsky on 64 points by ETDRK4, to a given error over one Lyapunov time."""

from functools import cache
from typing import Any

import numpy as np

TRAJECTORIES, STATES, ERROR = 64, 300, 1e-5
DT = 0.5
STEPS = [1, 2, 3, 4, 6, 8, 10, 12, 16, 20, 24, 28, 32, 40, 48, 64]  # in each interval DT


def prepare(trajectories: int, states: int) -> dict[str, np.ndarray]:
    from simulators import KuramotoSivashinsky

    rngs = [np.random.default_rng([0, i]) for i in range(trajectories)]
    x0 = KuramotoSivashinsky().simulate(rngs, DT, 1)[:, 0]
    t = DT * np.arange(states)
    first = t[: 1 + int(1 / 0.048 / DT)]
    return {"x0": x0, "t": t, "reference": KuramotoSivashinsky(step=DT / 256).solve(x0, first)}


def sirve() -> Any:
    from simulators import KuramotoSivashinsky

    return lambda x0, t, steps: KuramotoSivashinsky(step=DT / steps).trajectories(x0, t)


def exponax() -> Any:
    import exponax
    import jax

    jax.config.update("jax_enable_x64", True)

    @cache
    def compiled(steps: int, states: int) -> Any:
        step = exponax.stepper.KuramotoSivashinskyConservative(1, 22.0, 64, DT / steps, order=4)
        rollout = exponax.rollout(
            exponax.RepeatedStepper(step, steps), states - 1, include_init=True
        )
        return jax.jit(jax.vmap(rollout))

    return lambda x0, t, steps: np.asarray(compiled(steps, len(t))(x0))


SOLVERS: dict[str, dict[str, Any]] = {
    "sirve": {"build": sirve, "accuracies": STEPS},
    "exponax ETDRK4, vmapped": {"build": exponax, "accuracies": STEPS, "needs": "exponax"},
}
