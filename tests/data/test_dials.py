"""Cases whose needed memory is a dial: the more it is turned, the less a single frame tells."""

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from support import configure

from simulators import Balls, Family
from sirve.data.observe import Observe
from sirve.data.simulated.generate import generators
from sirve.data.simulated.recipe import describe, families, make_recipe
from sirve.io.instantiate import build

NOISES = (0.03, 0.1, 0.3, 1.0)
NOISY = (
    *("hidden-speed", "hidden-diffusivity", "hidden-wave-speed", "ks-coarse-noisy"),
    *("navier-stokes-noisy", "gray-scott-u-noisy", "shallow-water-height", "pendulum-film-noisy"),
)
COARSE = {  # experiment: cells that are seen as one
    "ks-coarse-noisy": (1, 2, 4, 8, 16),
    "navier-stokes-coarse": (1, 2, 4, 8),
    "burgers-coarse": (1, 2, 4, 8, 16, 32),
}
HIDDEN = {"hidden-speed": "velocity", "hidden-diffusivity": "diffusivity"} | {
    "hidden-wave-speed": "speed"
}
CURTAINS = {
    0.31: 5,
    0.39: 10,
    0.53: 20,
}  # frames for which a ball is out of sight, of balls-curtain
TRAJECTORIES, STATES = 12, 12


@cache
def configured(experiment: str) -> dict[str, Any]:
    return configure(f"experiment={experiment}")


def family_of(experiment: str) -> Family:
    sim = configured(experiment)["sim"]
    return families(sim["system"], sim["splits"], None)["train"]


SIMULATED: dict[str, np.ndarray] = {}


def simulated(experiment: str) -> np.ndarray:
    """A few clean trajectories of the experiment's system, (n, T, *shape)."""
    family, dt = family_of(experiment), configured(experiment)["sim"]["dt"]
    key = repr((family, dt))
    if key not in SIMULATED:
        rngs = [np.random.default_rng([1, i]) for i in range(TRAJECTORIES)]
        SIMULATED[key] = family.simulate(rngs, dt, STATES)[0]
    return SIMULATED[key]


def observation(experiment: str, **changes: Any) -> Observe:
    family = family_of(experiment)
    observe = build(configured(experiment)["observe"], Observe, place="observe")
    scene = family.sim.scene if family.sim.scene(simulated(experiment)) is not None else None
    return replace(observe.of(scene), **changes)


def unknown(experiment: str, observe: Observe) -> float:
    """Return the error of the best linear estimate of the whole state from one noisy frame.

    The estimate is that of least mean square error for the covariance of the simulated states; its
    error is in standard deviations of the state.
    """
    x = simulated(experiment)
    info = describe("x", family_of(experiment), configured(experiment)["sim"]["dt"])
    seen = observe.clean(x, info).astype(np.float64)
    axes = tuple(i for i in range(seen.ndim) if i != 2)
    std = seen.std(axes)
    noise = np.maximum(observe.noise, 1e-6) * std.reshape(-1, *[1] * (seen.ndim - 3))
    hidden = np.isnan(observe.noisy(seen, std, "test", 0))
    rows = np.where(hidden, 0.0, (seen - seen.mean((0, 1))) / noise).reshape(-1, seen[0, 0].size)
    states = x.reshape(len(rows), -1)
    states = (states - states.mean(0)) / x.std()
    told = np.linalg.inv(np.eye(len(rows)) + rows @ rows.T / len(rows))
    return float(np.sqrt(np.trace(told @ (states @ states.T)) / np.trace(states @ states.T)))


def require_rising(errors: list[float], least: float) -> None:
    assert (np.diff(errors) > -1e-6).all(), errors
    assert errors[-1] > errors[0] + least, errors


@pytest.mark.parametrize("experiment", NOISY)
def test_more_noise_tells_less(experiment: str) -> None:
    errors = [unknown(experiment, observation(experiment, noise=noise)) for noise in NOISES]
    require_rising(errors, 0.05)


@pytest.mark.parametrize("experiment", COARSE)
def test_a_coarser_view_tells_less(experiment: str) -> None:
    errors = [unknown(experiment, observation(experiment, coarsen=n)) for n in COARSE[experiment]]
    require_rising(errors, 0.05)


@pytest.mark.parametrize("experiment", ["hidden-speed", "navier-stokes-noisy"])
def test_a_wider_bar_tells_less(experiment: str) -> None:
    bars = (0.0, 0.1, 0.3, 0.5, 0.8)
    require_rising([unknown(experiment, observation(experiment, bar=bar)) for bar in bars], 0.1)


def test_a_wider_curtain_tells_less() -> None:
    curtains = (0.0, *CURTAINS, 0.8)
    errors = [
        unknown("balls-curtain", observation("balls-curtain", curtain=curtain, noise=0.1))
        for curtain in curtains
    ]
    require_rising(errors, 0.05)


@pytest.mark.parametrize("experiment", HIDDEN)
def test_the_same_frame_goes_on_differently_by_the_hidden_parameter(experiment: str) -> None:
    """So no forecast from one frame can be right: within a context they are far apart."""
    name, sim = HIDDEN[experiment], configured(experiment)["sim"]
    family = family_of(experiment)
    ends = np.array(family.draws[name].values)
    assert name not in configured(experiment)["observe"]["parameters"]
    x0 = simulated(experiment)[:1, 0].repeat(2, axis=0)
    times = sim["dt"] * np.arange(sim["context"])
    x = family.sim.each(**{name: ends}).trajectories(x0, times)
    np.testing.assert_array_equal(x[0, 0], x[1, 0])
    apart = np.sqrt(((x[0] - x[1]) ** 2).reshape(len(times), -1).mean(1))
    assert apart.max() > 0.1 * x[0, 0].std()


def occlusions(x: np.ndarray, sim: Balls, curtain: float) -> tuple[np.ndarray, np.ndarray]:
    """Return which balls are out of sight, (balls, T), and the lengths of all whole occlusions."""
    scene = sim.scene(x)
    left, _, side = scene.window
    away = np.abs(scene.discs[..., 0] - left - side / 2)
    hidden = away + scene.discs[..., 2] <= curtain * side / 2
    hidden = np.moveaxis(hidden, 1, 2).reshape(-1, x.shape[1])
    edges = np.diff(hidden.astype(int), axis=1)
    lengths = []
    for row in edges:
        begins, ends = np.flatnonzero(row == 1), np.flatnonzero(row == -1)
        ends = ends[ends > begins[0]] if len(begins) else ends[:0]
        lengths += [end - begin for begin, end in zip(begins, ends, strict=False)]
    return hidden, np.array(lengths)


@pytest.mark.parametrize(("curtain", "frames"), CURTAINS.items())
def test_the_curtain_hides_a_ball_for_so_many_frames(curtain: float, frames: int) -> None:
    config = configured("balls-curtain")
    recipe = make_recipe(config | {"names": {"sim": "balls"}}, observation("balls-curtain"), None)
    sim, context = recipe.families["test"].sim, config["sim"]["context"]
    assert isinstance(sim, Balls)
    count = config["sim"]["trajectories"]["test"]
    states = context + config["sim"]["steps"]
    x = np.concatenate(
        [
            sim.simulate(generators(recipe, "test", first, recipe.block), recipe.dt, states)
            for first in range(0, count, recipe.block)
        ]
    )
    hidden, lengths = occlusions(x, sim, curtain)
    assert len(lengths) > 200
    assert np.median(lengths) == pytest.approx(frames, abs=1 + 0.1 * frames)
    unseen = hidden[:, :context].all(1).mean()
    assert unseen <= (0.0 if curtain <= config["observe"]["curtain"] else 0.03)
    assert hidden[:, context - 1].mean() > 0.05  # balls that only memory can place


def test_the_default_curtain_is_one_of_the_dial() -> None:
    assert CURTAINS[configured("balls-curtain")["observe"]["curtain"]] == 10
