"""Laws of every simulator that the package exports, with default parameters.

A new simulator is tested without a change here: no system is named below.
"""

import inspect
from dataclasses import FrozenInstanceError, fields
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import quick

import simulators
from simulators import SimulationError, Simulator

MEMBERS = [
    value
    for value in vars(simulators).values()
    if inspect.isclass(value) and issubclass(value, Simulator) and not inspect.isabstract(value)
]
FLOATS = [(cls, f) for cls in MEMBERS for f in fields(cls) if type(f.default) is float]
VARYING = [(cls, name) for cls in MEMBERS for name in cls.varying]
BATCH = 5
FLOW = 1e-7  # in standard deviations of the state, over one time unit
UNIT = np.array([0.0, 0.37, 1.0])
OFFSETS = (0.0, 5.3)  # laws must not depend on the first time

member = pytest.mark.parametrize("cls", MEMBERS)
offset = pytest.mark.parametrize("start", OFFSETS)


def generators(count: int, seed: int = 0) -> list[np.random.Generator]:
    return [np.random.default_rng([seed, i]) for i in range(count)]


@cache
def settled(sim: Simulator) -> np.ndarray:
    """Return states after the transient, (BATCH, *shape)."""
    x = sim.simulate(generators(BATCH), 0.1, 2)[:, -1].copy()
    x.flags.writeable = False  # shared by the tests
    return x


@cache
def onward(sim: Simulator) -> np.ndarray:
    """Return a hundred states from the settled ones on, (BATCH, 100, *shape)."""
    x = sim.trajectories(settled(sim), sim.transient + 0.1 * np.arange(1, 101))
    x.flags.writeable = False
    return x


@cache
def scale(sim: Simulator) -> float:
    """Return the standard deviation of the state, the unit of tolerances."""
    return float(onward(sim).std())


def test_members_are_discovered() -> None:
    """An empty list of systems would pass every law below."""
    assert len(MEMBERS) >= 3
    assert len(FLOATS) >= 3


@member
@offset
def test_first_state_is_the_initial_one(cls: type[Simulator], start: float) -> None:
    sim = cls()
    x0 = settled(sim)
    np.testing.assert_array_equal(sim.trajectories(x0, start + UNIT)[:, 0], x0)


@member
@offset
def test_solution_starts_at_the_initial_state(cls: type[Simulator], start: float) -> None:
    """The first row is a copy; the next computed state must continue from it."""
    sim = cls()
    x0 = settled(sim)
    x = sim.trajectories(x0, start + np.array([0.0, 1e-9]))
    assert np.abs(x[:, 1] - x0).max() <= FLOW * scale(sim)
    assert np.abs(sim.solve(x0, start + UNIT)[:, 0] - x0).max() <= 1e-13 * scale(sim)


@member
def test_trajectories_do_not_change_their_arguments(cls: type[Simulator]) -> None:
    sim = cls()
    x0, t = settled(sim).copy(), UNIT.copy()
    before = x0.copy()
    sim.trajectories(x0, t)[:] = 0.0
    np.testing.assert_array_equal(x0, before)
    np.testing.assert_array_equal(t, UNIT)


@member
@pytest.mark.parametrize("batch", [1, 2, BATCH])
@pytest.mark.parametrize("times", [1, 2, 7])
def test_shapes(cls: type[Simulator], batch: int, times: int) -> None:
    sim = cls()
    x0 = np.stack([sim.initial(rng) for rng in generators(batch)])
    x = sim.trajectories(x0, np.linspace(0.0, 0.5, times))
    assert x.shape == (batch, times, *sim.shape)
    assert x.dtype == np.float64
    assert all(v.shape == (batch, times) for v in sim.invariants(x).values())


@member
def test_channels_and_coordinates_match_the_shape(cls: type[Simulator]) -> None:
    sim = cls()
    assert len(sim.channels) == sim.shape[0]
    assert len({c.name for c in sim.channels}) == len(sim.channels)
    assert tuple(len(axis) for axis in sim.coordinates.values()) == sim.shape[1:]
    assert (sim.boundary is None) == (len(sim.shape) == 1)


@member
def test_times_are_python_numbers(cls: type[Simulator]) -> None:
    """A NumPy number would need a pickle to be loaded from a checkpoint."""
    sim = cls()
    assert type(sim.transient) is float
    assert sim.period is None or type(sim.period) is float


@member
@settings(derandomize=True, database=None, max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**63 - 1))
def test_initial_depends_on_the_generator_only(cls: type[Simulator], seed: int) -> None:
    sim = cls()
    rng, again = np.random.default_rng(seed), np.random.default_rng(seed)
    first, second = sim.initial(rng), sim.initial(rng)
    assert first.shape == sim.shape
    assert first.dtype == np.float64
    assert np.isfinite(first).all()
    np.testing.assert_array_equal(first, sim.initial(again))
    np.testing.assert_array_equal(second, sim.initial(again))
    assert (first != second).any()


@member
@offset
def test_flow_property(cls: type[Simulator], start: float) -> None:
    """t0 -> t1 -> t2 equals t0 -> t2."""
    sim = cls()
    x0 = settled(sim)
    t0, t1, t2 = start + UNIT
    halfway = sim.trajectories(x0, np.array([t0, t1]))[:, -1]
    split = sim.trajectories(halfway, np.array([t1, t2]))[:, -1]
    whole = sim.trajectories(x0, np.array([t0, t2]))[:, -1]
    assert np.abs(split - whole).max() <= FLOW * scale(sim)
    assert np.abs(whole - x0).max() > 1e-3 * scale(sim)  # the state moves, so the law is not empty


@member
def test_states_do_not_depend_on_the_other_times(cls: type[Simulator]) -> None:
    sim = cls()
    x0 = settled(sim)
    fine = sim.trajectories(x0, np.linspace(0.0, 1.0, 21))
    coarse = sim.trajectories(x0, np.linspace(0.0, 1.0, 6))
    assert np.abs(fine[:, ::4] - coarse).max() <= FLOW * scale(sim)


@member
def test_invariants_stay_constant(cls: type[Simulator]) -> None:
    sim = cls()
    x = onward(sim).copy()
    sim.require_invariants(x)
    for value in sim.invariants(x).values():
        assert value.shape == (BATCH, 100)
    x[2, 50:] += 1.0  # a trajectory that violates an invariant is named, if there is one
    if any(np.ptp(value[2]) > 1e-3 for value in sim.invariants(x).values()):
        with pytest.raises(SimulationError, match="drifts") as found:
            sim.require_invariants(x)
        assert found.value.trajectory == 2


@member
def test_reference_solver_agrees(cls: type[Simulator]) -> None:
    """It is another method for the same equations; without one, the solution is exact."""
    sim = cls()
    reference = sim.reference_solver()
    if reference is None:
        assert "exact" in sim.solver
        return
    assert reference != sim
    x0 = settled(sim)
    apart = np.abs(sim.trajectories(x0, UNIT) - reference.trajectories(x0, UNIT)).max()
    assert 0 < apart <= 10 * FLOW * scale(sim)


@pytest.mark.parametrize(("cls", "name"), VARYING)
def test_a_batch_of_different_systems_equals_each_alone(cls: type[Simulator], name: str) -> None:
    usual = cls()
    values = float(getattr(usual, name)) * np.array([0.9, 1.0, 1.1]) + np.array([0.0, 0.0, 0.01])
    batch = usual.each(**{name: values})
    x0 = settled(usual)[:3]
    x = batch.trajectories(x0, UNIT)
    for i, value in enumerate(values):
        alone = batch.rows(i)
        assert alone == cls(**{name: value})
        expected = alone.trajectories(x0[i : i + 1], UNIT)
        assert np.abs(x[i] - expected[0]).max() <= FLOW * scale(usual)
        own = alone.invariants(expected)
        for key, path in batch.invariants(x).items():
            np.testing.assert_allclose(path[i], own[key][0], atol=1e-6)


@member
def test_only_parameters_in_varying_may_vary(cls: type[Simulator]) -> None:
    fixed = [f.name for f in fields(cls) if f.name not in cls.varying]
    for name in fixed:
        with pytest.raises(ValueError, match="cannot vary"):
            cls().each(**{name: np.ones(2)})


@member
def test_a_scene_lies_in_its_window(cls: type[Simulator]) -> None:
    sim = cls()
    scene = sim.scene(onward(sim))
    if scene is None:
        return
    left, bottom, side = scene.window
    assert scene.discs.shape[:2] == scene.bars.shape[:2] == (BATCH, 100)
    for centre, radius in ((scene.discs[..., :2], scene.discs[..., 2:3]),):
        assert (centre - radius >= [left, bottom]).all()
        assert (centre + radius <= [left + side, bottom + side]).all()


@member
def test_batch_members_are_independent(cls: type[Simulator]) -> None:
    sim = cls()
    x0 = settled(sim)
    together = sim.trajectories(x0, UNIT)
    alone = np.concatenate([sim.trajectories(x[None], UNIT) for x in x0])
    assert np.abs(together - alone).max() <= FLOW * scale(sim)


@member
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_non_finite_initial_state_raises(cls: type[Simulator], bad: float) -> None:
    """For any component of any trajectory."""
    sim = cls()
    good = settled(sim)
    for component in range(sim.shape[0]):
        x0 = good.copy()
        x0[(-1, component) + (0,) * (len(sim.shape) - 1)] = bad
        with pytest.raises(SimulationError, match="initial state is not finite"):
            sim.trajectories(x0, UNIT)


@pytest.mark.parametrize("cls", MEMBERS)
def test_non_finite_solution_raises(cls: type[Simulator], monkeypatch: pytest.MonkeyPatch) -> None:
    """Also if the solver reports nothing."""
    sim = cls()
    x0 = settled(sim)
    broken = sim.solve(x0, UNIT)
    broken[-1, -1] = np.nan
    monkeypatch.setattr(cls, "solve", lambda self, x0, t: broken)
    with pytest.raises(SimulationError, match=f"{cls.__name__}: a state is not finite"):
        sim.trajectories(x0, UNIT)


@pytest.mark.parametrize(
    ("cls", "name", "value"),
    [(c, f.name, v) for c, f in FLOATS if f.default > 0 for v in (0.0, -1.0, np.nan, np.inf)]
    + [(c, f.name, v) for c, f in FLOATS if f.default <= 0 for v in (np.nan, np.inf)],
)
def test_bad_parameter_raises_with_its_name(cls: type[Simulator], name: str, value: float) -> None:
    """A float that is positive by default must be positive; every float must be finite."""
    with pytest.raises(ValueError, match=rf"\b{name}="):
        cls(**{name: value})


@member
def test_parameters_are_frozen(cls: type[Simulator]) -> None:
    sim = cls()
    assert sim == cls()
    assert sim.parameters == {f.name: getattr(sim, f.name) for f in fields(cls)}
    for name, value in sim.parameters.items():
        with pytest.raises(FrozenInstanceError):
            setattr(sim, name, value)


@member
@pytest.mark.parametrize("states", quick([1, 30], 30))
def test_simulate(cls: type[Simulator], states: int) -> None:
    """States are finite, of the right shape, reproducible, and after the transient."""
    sim = cls()
    x = sim.simulate(generators(3), 0.1, states)
    assert x.shape == (3, states, *sim.shape)
    assert x.dtype == np.float64
    assert np.isfinite(x).all()
    np.testing.assert_array_equal(x, sim.simulate(generators(3), 0.1, states))
    assert (x[0] != x[1]).any()
    sampled = np.stack([sim.initial(rng) for rng in generators(3)])
    assert (sim.transient > 0) == bool((x[:, 0] != sampled).any())


def test_time_continues_after_the_transient() -> None:
    """Otherwise a drive would jump in phase between the dropped and the stored states."""

    class Clock(simulators.Pendulum):
        transient = 3.0

        def solve(self, x0: np.ndarray, t: np.ndarray) -> np.ndarray:
            return np.broadcast_to(t[None, :, None], (len(x0), len(t), 3)).copy()

    x = Clock().simulate(generators(2), 0.5, 4)
    np.testing.assert_array_equal(x[:, 0], np.full((2, 3), 3.0))  # the end of the transient
    np.testing.assert_allclose(x[:, 1:, 0], np.broadcast_to([3.5, 4.0, 4.5], (2, 3)))
