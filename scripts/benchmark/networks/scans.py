"""The same networks in JAX: cells of the same equations under ``lax.scan``, compiled as a whole.

Weights come from a core of sirve, so that both compute the same numbers.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from sirve.cores import GRU, Recurrent
from sirve.cores.lift import Lift

from .forecast import only_layer

Weights = dict[str, Any]


def weights(core: Recurrent) -> Weights:
    layer, readout = only_layer(core), core.readout
    assert isinstance(readout, Lift)
    lifts = {"w": layer.w.weight, "b": layer.w.table()[:, -1], "u": layer.u.weight}
    named = lifts | {"v": readout.table()}
    return {name: jnp.asarray(part.numpy(force=True)) for name, part in named.items()}


def gru(p: Weights, state: Any, x: Any) -> Any:
    (h,) = state
    two = 2 * h.shape[1]
    wx = x @ p["w"].T + p["b"]
    z, r = jnp.split(jax.nn.sigmoid(wx[:, :two] + h @ p["u"][:two].T), 2, axis=1)
    candidate = jnp.tanh(wx[:, two:] + (r * h) @ p["u"][two:].T)
    return ((1 - z) * h + z * candidate,)


def lstm(p: Weights, state: Any, x: Any) -> Any:
    h, c = state
    f, i, new, o = jnp.split(x @ p["w"].T + p["b"] + h @ p["u"].T, 4, axis=1)
    c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(new)
    return jax.nn.sigmoid(o) * jnp.tanh(c), c


def _predict(p: Weights, scale: Any, h: Any, x: Any) -> Any:
    one = jnp.ones((*x.shape[:-1], 1), x.dtype)
    return x + scale * (jnp.concatenate([h, x, one], axis=-1) @ p["v"].T)


def roll_out(
    core: Recurrent, x: np.ndarray, state: list[np.ndarray], steps: int
) -> Callable[[], Any]:
    """Return a function that computes free steps (steps, B, C) from x (B, C)."""
    cell = gru if isinstance(only_layer(core).cell, GRU) else lstm
    p, scale = weights(core), jnp.asarray(core.scale.numpy())
    start = (jnp.asarray(x), tuple(map(jnp.asarray, state)))

    @jax.jit
    def run(carry: Any) -> Any:
        def step(carry: Any, _: Any) -> Any:
            x, state = carry
            state = cell(p, state, x)
            x = _predict(p, scale, state[0], x)
            return (x, state), x

        return jax.lax.scan(step, carry, None, length=steps)[1]

    return lambda: run(start).block_until_ready()


def trainer(core: Recurrent, window: np.ndarray, rate: float) -> Callable[[], float]:
    """Return a function that does one step of Adam on windows (B, T, C) and returns the loss."""
    cell = gru if isinstance(only_layer(core).cell, GRU) else lstm
    scale, hidden = jnp.asarray(core.scale.numpy()), only_layer(core).hidden
    x = jnp.asarray(window.swapaxes(0, 1))
    blank = tuple(
        jnp.zeros((x.shape[1], hidden), x.dtype) for _ in range(only_layer(core).cell.states)
    )

    def loss(p: Weights) -> Any:
        def step(state: Any, x: Any) -> Any:
            state = cell(p, state, x)
            return state, state[0]

        h = jax.lax.scan(step, blank, x[:-1])[1]
        return (((_predict(p, scale, h, x[:-1]) - x[1:]) / scale) ** 2).mean()

    @jax.jit
    def step(p: Weights, m: Weights, v: Weights, k: Any) -> Any:
        value, g = jax.value_and_grad(loss)(p)
        m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, g)
        v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, g)

        def updated(p: Any, m: Any, v: Any) -> Any:
            return p - rate * (m / (1 - 0.9**k)) / (jnp.sqrt(v / (1 - 0.999**k)) + 1e-8)

        return jax.tree.map(updated, p, m, v), m, v, k + 1, value

    p = weights(core)
    zero = jax.tree.map(jnp.zeros_like, p)
    carry = [p, zero, zero, jnp.asarray(1.0, x.dtype)]

    def run() -> float:
        *carry[:], value = step(*carry)
        return float(value)

    return run
