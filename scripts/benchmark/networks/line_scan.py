"""``resgru`` on a periodic line in JAX: the same equations under ``lax.scan``, compiled as a whole.

Weights come from a core of sirve, so that both compute the same loss.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from torch import Tensor

from sirve.cores import ResidualRecurrent
from sirve.cores.lift import Lift
from sirve.training.objectives.squared_error import SquaredError


def weights(core: ResidualRecurrent) -> dict[str, Any]:
    """Return the weights (kernel, inputs, outputs) and biases of the core's convolutions."""

    def pair(lift: Lift) -> tuple[Any, Any]:
        kernel = lift.weight.numpy(force=True).transpose(2, 1, 0)
        bias = 0.0 if lift.bias is None else jnp.asarray(lift.bias.numpy(force=True))
        return jnp.asarray(kernel), bias

    found: dict[str, Any] = {"body": [pair(lift) for lift in core.body.lifts]}  # type: ignore[arg-type]
    for name in ("last", "w", "u", "readout"):
        found[name] = pair(getattr(core, name))
    return found


def convolve(p: Any, x: Any) -> Any:
    """Convolve x (B, N, C) on a circle: a gather and a matrix product, as in sirve.

    With ``lax.conv_general_dilated`` the whole step takes about five times as long on a CPU.
    """
    (width, inputs, outputs), n = p[0].shape, x.shape[1]
    margin = width // 2
    wide = jnp.concatenate([x[:, n - margin :], x, x[:, :margin]], axis=1)
    rows = jnp.concatenate([wide[:, k : k + n] for k in range(width)], axis=2)
    return rows @ p[0].reshape(width * inputs, outputs) + p[1]


def gelu(x: Any) -> Any:
    return jax.nn.gelu(x, approximate=False)


def step(p: Any, scale: Any, h: Any, x: Any) -> tuple[Any, Any]:
    """Return h and the prediction after x (B, N, 1), h (B, N, hidden)."""
    first, *rest = p["body"]
    a = gelu(convolve(first, jnp.concatenate([x, h], axis=2)))
    for lift in rest:
        a = a + gelu(convolve(lift, a))
    two, (u, _) = 2 * h.shape[2], p["u"]
    wx = convolve(p["w"], a)
    z, r = jnp.split(jax.nn.sigmoid(wx[..., :two] + h @ u[0][:, :two]), 2, axis=2)
    h = (1 - z) * h + z * jnp.tanh(wx[..., two:] + (r * h) @ u[0][:, two:])
    phi = jnp.concatenate([gelu(convolve(p["last"], a)), h], axis=2)
    return h, x + scale * convolve(p["readout"], phi)


def gradient(
    core: ResidualRecurrent, window: Tensor, objective: SquaredError
) -> Callable[[], float]:
    """Return a function that computes the loss of windows (B, T, 1, N), and its gradient."""
    scale = jnp.asarray(core.scale.numpy())[0]
    x = jnp.asarray(window.numpy())[:, :, 0, :, None].swapaxes(0, 1)  # (T, B, N, 1)
    blank = jnp.zeros((*x.shape[1:3], core.hidden))

    def loss(p: Any) -> Any:
        def forced(h: Any, x: Any) -> Any:
            return step(p, scale, h, x)

        def free(carry: Any, _: Any) -> Any:
            carry = step(p, scale, *carry)
            return carry, carry[1]

        h, y = jax.lax.scan(forced, blank, x[: objective.context])
        _, future = jax.lax.scan(free, (h, y[-1]), None, length=objective.horizon - 1)
        error = jnp.concatenate([y, future]) - x[1:]
        return ((error / scale) ** 2).mean()

    p, both = weights(core), jax.jit(jax.value_and_grad(loss))

    def run() -> float:
        value, found = both(p)
        jax.block_until_ready(found)
        return float(value)

    return run
