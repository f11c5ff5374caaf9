"""Balls in a box: the unfolded billiard, closed collisions, and another event finder."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

import simulators.vectors.balls
from simulators import Balls, SimulationError
from simulators.lyapunov import exponents

UNLIKE = Balls(radii=(0.1, 0.17, 0.13), masses=(1.0, 3.0, 0.5), side=1.2, speed=0.9, g=0.7)


def one(**parameters: float) -> Balls:
    return Balls(radii=(0.1,), masses=(1.0,), **parameters)


def samples(sim: Balls, count: int) -> np.ndarray:
    return np.stack([sim.initial(np.random.default_rng([3, i])) for i in range(count)])


def balls(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return centres and velocities, (..., K, 2)."""
    x = x.reshape(*x.shape[:-1], -1, 4)
    return x[..., :2], x[..., 2:]


@settings(derandomize=True, database=None, max_examples=100, deadline=None)
@given(
    x=st.floats(0.1, 0.9),
    y=st.floats(0.1, 0.9),
    vx=st.floats(-3.0, 3.0),
    vy=st.floats(-3.0, 3.0),
)
def test_one_ball_is_the_unfolded_billiard(x: float, y: float, vx: float, vy: float) -> None:
    """In mirrored boxes it flies straight: a triangle wave in each coordinate."""
    t = np.linspace(0.0, 20.0, 101)
    found = one().trajectories(np.array([[x, y, vx, vy]]), 7.0 + t)[0]
    for position, start, speed in ((found[:, 0], x, vx), (found[:, 1], y, vy)):
        unfolded = (start - 0.1 + speed * t) % 1.6
        assert np.abs(position - 0.1 - np.minimum(unfolded, 1.6 - unfolded)).max() <= 1e-12
    np.testing.assert_allclose(np.abs(found[:, 2:]), np.abs([[vx, vy]] * 101), rtol=1e-12)


def test_a_ball_bounces_on_the_floor() -> None:
    """Dropped from the height h, it returns to it every 2 sqrt(2 h / g)."""
    g, h = 9.81, 0.7
    period = 2 * np.sqrt(2 * h / g)
    phase = np.linspace(-0.5, 0.5, 21)[1:-1]  # about the highest point
    t = np.concatenate([[0.0], (np.array([[1.0], [2.0], [20.0]]) + phase).ravel() * period])
    x = one(g=g).trajectories(np.array([[0.5, 0.1 + h, 0.0, 0.0]]), t)[0, 1:].reshape(3, -1, 4)
    height, speed = h - g * (phase * period) ** 2 / 2, -g * phase * period
    assert np.abs(x[..., 1] - 0.1 - height).max() <= 1e-12
    assert np.abs(x[..., 3] - speed).max() <= 1e-11


def test_a_ball_between_floor_and_ceiling() -> None:
    """Thrown up with v it returns after 2 (v - sqrt(v^2 - 2 g H)) / g."""
    g, v, room = 2.0, 3.0, 0.8
    period = 2 * (v - np.sqrt(v**2 - 2 * g * room)) / g
    x = one(g=g).trajectories(np.array([[0.5, 0.1, 0.0, v]]), period * np.array([0.0, 10.25, 11]))
    rise = v * period / 4 - g * (period / 4) ** 2 / 2
    np.testing.assert_allclose(x[0, 1], [0.5, 0.1 + rise, 0.0, v - g * period / 4], atol=1e-12)
    assert abs(x[0, 2, 1] - 0.1) <= 1e-12


@pytest.mark.parametrize(
    ("masses", "after"),
    [((1.0, 1.0), (0.0, 1.0)), ((1.0, 3.0), (-0.5, 0.5)), ((3.0, 1.0), (0.5, 1.5))],
)
def test_head_on(masses: tuple[float, float], after: tuple[float, float]) -> None:
    """Equal balls swap velocities; others get (m1 - m2) / (m1 + m2) and 2 m1 / (m1 + m2)."""
    sim = Balls(radii=(0.1, 0.1), masses=masses, side=4.0)
    x0 = np.array([[1.0, 2.0, 1.0, 0.0, 2.0, 2.0, 0.0, 0.0]])
    x = sim.trajectories(x0, np.array([0.0, 0.75, 0.85, 1.0]))[0]
    np.testing.assert_allclose(x[1, (0, 2, 6)], [1.75, 1.0, 0.0], atol=1e-14)
    np.testing.assert_allclose(x[2, [2, 6]], after, atol=1e-14)
    np.testing.assert_allclose(x[3, [0, 4]], [1.8 + 0.2 * after[0], 2 + 0.2 * after[1]], atol=1e-14)


def test_off_centre() -> None:
    """Two equal balls leave along the line of centres and normal to it."""
    sim = Balls(radii=(0.15, 0.05), masses=(2.0, 2.0), side=4.0)
    b, reach = 0.12, 0.2
    x0 = np.array([[1.0, 2.0, 1.0, 0.0, 2.0, 2.0 + b, 0.0, 0.0]])
    meet = 1.0 - np.sqrt(reach**2 - b**2)
    normal = np.array([np.sqrt(reach**2 - b**2), b]) / reach
    centre, velocity = balls(sim.trajectories(x0, np.array([0.0, meet + 0.5]))[0, -1])
    np.testing.assert_allclose(velocity[1], normal[0] * normal, atol=1e-14)
    np.testing.assert_allclose(velocity[0], [1.0, 0.0] - normal[0] * normal, atol=1e-14)
    expected = [[1.0 + meet, 2.0] + 0.5 * velocity[0], [2.0, 2.0 + b] + 0.5 * velocity[1]]
    np.testing.assert_allclose(centre, expected, atol=1e-14)


def test_momentum_changes_at_walls_only() -> None:
    """Six balls collide in the middle of a wide box: each changes, their sum does not."""
    masses = (1.0, 2.0, 0.3, 5.0, 1.0, 1.0)
    sim = Balls(radii=(0.4, 0.2, 0.1, 0.5, 0.3, 0.3), masses=masses, side=100.0)
    angle = np.pi / 3 * np.arange(6)
    out = np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    noise = np.random.default_rng(0).normal(scale=0.01, size=(8, 6, 2))
    x0 = np.concatenate([50 + 3 * out + noise, -out + noise], axis=-1).reshape(8, -1)
    _, velocity = balls(sim.trajectories(x0, np.linspace(0.0, 8.0, 41)))
    momentum = (np.array(masses)[:, None] * velocity).sum(-2)
    assert np.abs(momentum - momentum[:, :1]).max() <= 1e-13
    energy = (np.array(masses) * (velocity**2).sum(-1)).sum(-1)
    assert np.ptp(energy, axis=1).max() <= 1e-13
    assert np.abs(velocity[:, -1] - velocity[:, 0]).max(-1).min() > 0.1  # each of them collided


def test_a_wall_takes_twice_the_momentum_across_it() -> None:
    x = Balls(side=3.0).trajectories(
        np.array([[0.3, 1, -1, 0.1, 1.5, 1, 0, 0, 2.0, 1, 0, 0]]), np.array([0.0, 0.5])
    )
    gained = balls(x)[1].sum(2)[0, 1] - balls(x)[1].sum(2)[0, 0]
    np.testing.assert_allclose(gained, [2.0, 0.0], atol=1e-14)


def by_root_finding(sim: Balls, x0: np.ndarray, end: float) -> np.ndarray:
    """Solve with SciPy's event location; one event is one gap that closes."""
    radii, masses, k = np.array(sim.radii), np.array(sim.masses), len(sim.radii)

    def fall(_: float, u: np.ndarray) -> np.ndarray:
        v = u.reshape(k, 4)[:, 2:]
        return np.concatenate([v, np.broadcast_to([0.0, -sim.g], (k, 2))], axis=1).ravel()

    gaps = []
    for i in range(k):
        for axis in (0, 1):
            gaps.append((lambda _, u, i=i, a=axis: u[4 * i + a] - radii[i], i, axis))
            gaps.append((lambda _, u, i=i, a=axis: sim.side - radii[i] - u[4 * i + a], i, axis))
        for j in range(i):
            gaps.append(
                (
                    lambda _, u, i=i, j=j: (
                        np.hypot(*(u[4 * i : 4 * i + 2] - u[4 * j : 4 * j + 2]))
                        - radii[i]
                        - radii[j]
                    ),
                    i,
                    (j,),
                )
            )
    for gap, _, _ in gaps:
        gap.terminal, gap.direction = True, -1
    now, u = 0.0, x0.copy()
    while True:
        found = solve_ivp(
            fall, (now, end), u, events=[g for g, _, _ in gaps], max_step=0.02, rtol=1e-12
        )
        now, u = found.t[-1], found.y[:, -1]
        if not found.status:
            return u
        _, i, what = gaps[next(n for n, times in enumerate(found.t_events) if len(times))]
        v = u.reshape(k, 4)[:, 2:]
        if isinstance(what, int):
            v[i, what] *= -1
            continue
        (j,) = what
        line = u[4 * i : 4 * i + 2] - u[4 * j : 4 * j + 2]
        push = 2 * line * ((v[i] - v[j]) @ line) / (line @ line) / (masses[i] + masses[j])
        v[i], v[j] = v[i] - masses[j] * push, v[j] + masses[i] * push


def test_against_root_finding() -> None:
    """Different balls under gravity, about twenty events each, without our formulas."""
    x0 = samples(UNLIKE, 8)
    found = UNLIKE.trajectories(x0, np.array([0.0, 2.5]))[:, -1]
    expected = np.stack([by_root_finding(UNLIKE, x, 2.5) for x in x0])
    assert np.abs(found - expected).max() <= 1e-7


@pytest.mark.parametrize("sim", [Balls(), UNLIKE], ids=["equal", "unlike"])
def test_time_is_reversible(sim: Balls) -> None:
    x0, t = samples(sim, 16), np.array([0.0, 2.0])
    mirror = np.tile([1.0, 1.0, -1.0, -1.0], 3)
    back = sim.trajectories(sim.trajectories(x0, t)[:, -1] * mirror, t)[:, -1] * mirror
    assert np.abs(back - x0).max() <= 1e-6


def test_energy_is_shared_evenly() -> None:
    """Equipartition: on average each ball has a third of the energy, for any mass."""
    sim = Balls(masses=(1.0, 3.0, 0.5))
    x0 = samples(sim, 200)
    x0.reshape(200, 3, 4)[:, 1:, 2:] = 0.0  # all energy is in the first ball
    _, velocity = balls(sim.trajectories(x0, np.linspace(0.0, 200.0, 101))[:, 20:])
    kinetic = np.array(sim.masses) * (velocity**2).sum(-1)
    share = (kinetic / kinetic.sum(-1, keepdims=True)).mean((0, 1))
    np.testing.assert_allclose(share, 1 / 3, atol=0.02)


def test_initial_states() -> None:
    """They have one kinetic energy, lie in the box and do not overlap."""
    x = samples(UNLIKE, 200)[:, None]
    found = UNLIKE.invariants(x)
    assert found["outside"].max() == found["overlap"].max() == 0
    _, velocity = balls(x)
    kinetic = (np.array(UNLIKE.masses) * (velocity**2).sum(-1)).sum(-1) / 2
    np.testing.assert_allclose(kinetic, 0.9**2 * 4.5 / 2, rtol=1e-12)


def test_no_room() -> None:
    crowded = Balls(radii=(0.3,) * 4, masses=(1.0,) * 4)
    with pytest.raises(SimulationError, match=r"no arrangement of radii=.*in side=1\.0"):
        crowded.initial(np.random.default_rng(0))


def test_invariants_notice_a_violation() -> None:
    x = samples(Balls(), 1)[:, None]
    x[0, 0, (0, 1, 4, 5)] = [0.5, 0.1, 0.6, 0.1]
    found = Balls().invariants(x)
    assert found["overlap"][0, 0] == pytest.approx(0.14)
    assert found["outside"][0, 0] == pytest.approx(0.02)


@pytest.mark.slow
def test_the_declared_exponent() -> None:
    found = exponents(Balls(), 1, every=0.5, intervals=200, orbits=128)
    assert found.error[0] <= 0.03
    assert Balls().lyapunov == pytest.approx(found.value[0], abs=0.04)


def test_exponents_come_in_pairs() -> None:
    """The motion is reversible, so exponents come as +-; the two of the energy are zero."""
    value = exponents(Balls(), every=0.5, intervals=100, orbits=32).value
    assert np.abs(value + value[::-1]).max() <= 0.03
    assert np.abs(value[5:7]).max() <= 0.05


def test_the_exponent_of_other_parameters() -> None:
    """Twice the speed gives twice the exponent; one ball is not chaotic."""
    assert Balls(speed=2.0).lyapunov == pytest.approx(2 * 3.21, rel=0.03)
    assert one().lyapunov is one(g=2.0).lyapunov is None


def test_events_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ball at rest on the floor hits it infinitely often in no time."""
    monkeypatch.setattr(simulators.vectors.balls, "EVENTS", 100)
    lying = np.array([[0.5, 0.5, 0.0, 0.0], [0.5, 0.1, 0.0, 0.0]])
    with pytest.raises(SimulationError, match="more than 100 events") as found:
        one(g=1.0).trajectories(lying, np.array([0.0, 1.0]))
    assert found.value.trajectory == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("radii", ()),
        ("radii", (0.5, 0.1, 0.1)),
        ("radii", (0.1, 0.1)),
        ("radii", (0.1, 0.0, 0.1)),
        ("masses", (1.0, -1.0, 1.0)),
        ("g", -1.0),
    ],
)
def test_bad_parameters(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"{name}="):
        Balls(**{name: value})


def test_channels_are_numbered() -> None:
    assert [c.name for c in Balls().channels][:5] == ["x1", "y1", "vx1", "vy1", "x2"]
