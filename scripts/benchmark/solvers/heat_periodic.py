"""Heat with periodic boundary and the continuous Laplacian; both solvers are exact in time."""

from typing import Any

import numpy as np

TRAJECTORIES, STATES, ERROR = 64, 60, 1e-12


def prepare(trajectories: int, states: int) -> dict[str, np.ndarray]:
    """Return initial states and the reference, a matrix exponential along each axis."""
    from scipy.linalg import dft, expm

    from simulators import Heat

    sim = Heat(boundary="periodic", laplacian="spectral")
    n, t = sim.size[0], np.arange(states, dtype=float)
    x0 = np.stack([sim.initial(np.random.default_rng([0, i])) for i in range(trajectories)])
    fourier, k = dft(n, scale="sqrtn"), 2 * np.pi * np.fft.fftfreq(n)
    line = (fourier.conj().T * -(k**2) @ fourier).real
    flow = np.stack([expm(sim.diffusivity * time * line) for time in t])
    return {"x0": x0, "t": t, "reference": np.einsum("tij,bcjk,tlk->btcil", flow, x0, flow)}


def sirve() -> Any:
    from simulators import Heat

    return lambda x0, t, _: Heat(boundary="periodic", laplacian="spectral").trajectories(x0, t)


def exponax() -> Any:
    import exponax
    import jax

    jax.config.update("jax_enable_x64", True)
    step = exponax.stepper.Diffusion(2, 32.0, 32, 1.0, diffusivity=0.5)

    @jax.jit
    def run(x0: Any, t: Any) -> Any:
        return jax.vmap(exponax.rollout(step, len(t) - 1, include_init=True))(x0)

    return lambda x0, t, _: np.asarray(run(x0, t))


SOLVERS: dict[str, dict[str, Any]] = {
    "sirve": {"build": sirve},
    "exponax Diffusion, vmapped": {"build": exponax, "needs": "exponax"},
}
