"""Gray-Scott, against fixed points, dispersion relation, budget and another method."""

import numpy as np
import pytest
from scipy import fft
from scipy.integrate import simpson, solve_ivp
from scipy.linalg import expm
from support import configure

from simulators import GrayScott

FEED, KILL = np.array([0.04, 0.05, 0.098]), np.array([0.055, 0.055, 0.057])


def generators(count: int) -> list[np.random.Generator]:
    return [np.random.default_rng(i) for i in range(count)]


def uniform() -> tuple[np.ndarray, np.ndarray]:
    """Return the fixed points u and v (3, 2) for ``FEED`` and ``KILL``.

    u v = feed + kill and feed (1 - u) = (feed + kill) v, so u (1 - u) = (feed + kill)^2 / feed.
    """
    root = np.sqrt(1 - 4 * (FEED + KILL) ** 2 / FEED)
    u = np.stack([(1 - root) / 2, (1 + root) / 2], axis=1)
    return u, (FEED + KILL)[:, None] / u


@pytest.mark.parametrize("branch", [0, 1, None])
def test_uniform_states_stay(branch: int | None) -> None:
    sim = GrayScott(size=(8, 8)).each(feed=FEED, kill=KILL)
    if branch is None:
        u, v = np.ones(3), np.zeros(3)
    else:
        u, v = (value[:, branch] for value in uniform())
    x0 = np.broadcast_to(np.stack([u, v], axis=1)[..., None, None], (3, 2, 8, 8))
    x = sim.trajectories(x0, np.array([0.0, 1.0, 10.0]))
    assert np.abs(x - x0[:, None]).max() <= 1e-12


@pytest.mark.parametrize("branch", [0, 1])
@pytest.mark.parametrize(("p", "q"), [(0, 0), (1, 0), (2, 3), (5, 1)])
def test_small_waves_obey_the_dispersion_relation(branch: int, p: int, q: int) -> None:
    """Around a uniform state each wavenumber has its own 2 x 2 matrix.

    The two amplitudes here are a millionth.
    """
    sim = GrayScott(size=(16, 16)).each(feed=FEED, kill=KILL)
    u, v = (value[:, branch] for value in uniform())
    x, y = np.ix_(*sim.coordinates.values())
    wave = np.cos(2 * np.pi * (p * x + q * y) / 0.5)
    small = 1e-6 * np.array([1.0, -0.7])
    rest = np.stack([u, v], axis=1)[..., None, None]
    t = 30.0
    found = sim.trajectories(rest + small[:, None, None] * wave, np.array([0.0, t]))[:, 1] - rest
    k2 = (2 * np.pi / 0.5) ** 2 * (p**2 + q**2)
    for i, (f, k) in enumerate(zip(FEED, KILL, strict=True)):
        matrix = np.array(
            [
                [-(v[i] ** 2) - f - 2e-5 * k2, -2 * u[i] * v[i]],
                [v[i] ** 2, 2 * u[i] * v[i] - f - k - 1e-5 * k2],
            ]
        )
        expected = (expm(t * matrix) @ small)[:, None, None] * wave
        assert np.abs(found[i] - expected).max() <= 1e-4 * np.abs(expected).max() + 1e-14


def test_a_uniform_state_obeys_the_reaction_alone() -> None:
    """Two ordinary differential equations, solved by SciPy."""
    start = np.array([[0.9, 0.3], [0.4, 0.5]])
    x0 = np.broadcast_to(start[..., None, None], (2, 2, 8, 8))
    x = GrayScott(size=(8, 8), step=0.05).trajectories(x0, np.array([0.0, 30.0]))[:, 1]

    def rhs(_: float, w: np.ndarray) -> list[float]:
        u, v = w.tolist()
        return [-u * v**2 + 0.029 * (1 - u), u * v**2 - 0.086 * v]

    for i in range(2):
        ivp = solve_ivp(rhs, (0, 30), start[i], method="DOP853", rtol=1e-12, atol=1e-14)
        assert np.abs(x[i, :, 0, 0] - ivp.y[:, -1]).max() <= 1e-9
    assert np.ptp(x, axis=(2, 3)).max() <= 1e-13


def test_against_another_method() -> None:
    """DOP853 on the values at the points; with an odd number of points no mode is dropped."""
    sim = GrayScott(size=(9, 11), length=0.25, step=0.1)
    x0 = np.stack([sim.initial(rng) for rng in generators(1)])
    k = [2 * np.pi / 0.25 * fft.fftfreq(n, 1 / n) for n in sim.size]
    k2 = k[0][:, None] ** 2 + k[1] ** 2

    def rhs(_: float, flat: np.ndarray) -> np.ndarray:
        u, v = flat.reshape(2, 9, 11)
        du, dv = (d * fft.ifft2(-k2 * fft.fft2(f)).real for d, f in ((2e-5, u), (1e-5, v)))
        r = u * v**2
        return np.stack([du - r + 0.029 * (1 - u), dv + r - 0.086 * v]).ravel()

    ivp = solve_ivp(rhs, (0, 50), x0.ravel(), method="DOP853", rtol=1e-11, atol=1e-13)
    x = sim.trajectories(x0, np.array([0.0, 50.0]))[0, 1]
    assert np.abs(x.ravel() - ivp.y[:, -1]).max() <= 1e-8


def patterned() -> np.ndarray:
    """Return a state with fronts that does not die out, on 16 x 16 points of a quarter domain."""
    return GrayScott(size=(16, 16), length=0.25).simulate([np.random.default_rng(2)], 1.0, 1)[0]


def test_fourth_order_in_time() -> None:
    t = np.array([0.0, 16.0])
    ends = [
        GrayScott(size=(16, 16), length=0.25, step=h).trajectories(patterned(), t)[:, 1]
        for h in (4.0, 2.0, 1.0, 0.5, 0.125)
    ]
    assert ends[-1][0, 1].std() > 0.05  # the pattern has not died out
    errors = [np.abs(end - ends[-1]).max() for end in ends[:-1]]
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert np.abs(orders[-2:] - 4).max() <= 0.25, f"errors {errors}, orders {orders}"


def refined(x: np.ndarray, points: int) -> np.ndarray:
    """Return the same trigonometric polynomial on more points."""
    n = x.shape[-1]
    index = fft.fftfreq(n, 1 / n).astype(int)
    modes = np.zeros((*x.shape[:-2], points, points), complex)
    modes[..., index[:, None] % points, index % points] = fft.fft2(x)
    return fft.ifft2(modes).real * (points / n) ** 2


def test_spectral_convergence_in_space() -> None:
    """Each finer grid gains more than any fixed order would, for a growing maze."""
    t, coarse = np.array([0.0, 50.0]), patterned()
    ends = {
        n: GrayScott(size=(n, n), length=0.25).trajectories(refined(coarse, n), t)[0, 1]
        for n in (16, 20, 24, 32, 48)
    }
    errors = [
        np.abs(ends[n][:, :: n // 4, :: n // 4] - ends[48][:, ::12, ::12]).max() for n in ends
    ]
    assert errors[0] <= 0.01  # the defaults have as many points per length
    assert errors[3] <= 1e-5
    assert (np.array(errors[1:4]) < np.array(errors[:3]) / 3).all(), errors


def test_budget_of_feed_and_removal() -> None:
    """Diffusion does not change the means of u and v: only the mean reactions do."""
    sim = GrayScott().each(feed=np.array([0.029, 0.06]), kill=np.array([0.057, 0.062]))
    t = 0.25 * np.arange(161)
    x = sim.simulate(generators(2), 0.25, 161)
    u, v = np.moveaxis(x.mean((3, 4)), 2, 0)
    reaction = (x[:, :, 0] * x[:, :, 1] ** 2).mean((2, 3))
    feed, out = sim.feed[:, None], (sim.feed + sim.kill)[:, None]
    gained = simpson(feed * (1 - u) - reaction, x=t), simpson(reaction - out * v, x=t)
    np.testing.assert_allclose(u[:, -1] - u[:, 0], gained[0], atol=1e-7)
    np.testing.assert_allclose(v[:, -1] - v[:, 0], gained[1], atol=1e-7)
    assert np.abs(gained).min() > 0.001


@pytest.mark.parametrize("length", [0.25, 0.5, 1.0])
def test_initial_states_lie_between_zero_and_one(length: float) -> None:
    """Up to the error of dropped modes; u and v are sampled independently."""
    for rng in generators(10):
        x = GrayScott(length=length).initial(rng)
        assert np.abs(x.min((1, 2))).max() <= 0.05
        assert np.abs(x.max((1, 2)) - 1).max() <= 0.05
        assert np.abs(np.corrcoef(1 - x[0].ravel(), x[1].ravel())[0, 1]) < 0.95


def test_initial_states_are_periodic() -> None:
    """Bells have periodic images: steps across the edge are like steps elsewhere."""
    x = np.stack([GrayScott().initial(rng) for rng in generators(20)])
    across = np.abs(x[:, :, 0] - x[:, :, -1]).mean()
    assert across == pytest.approx(np.abs(np.diff(x, axis=2)).mean(), rel=0.3)


@pytest.mark.parametrize("pattern", GrayScott.PATTERNS)
def test_shipped_patterns(pattern: str) -> None:
    """The experiments are The Well's six pairs."""
    system = configure(f"experiment=gray-scott-{pattern}")["sim"]["system"]
    rates = {name: system[name] for name in ("feed", "kill")}
    assert rates == GrayScott.PATTERNS[pattern]


def test_bad_parameters() -> None:
    with pytest.raises(ValueError, match="size="):
        GrayScott(size=(4, 8))


@pytest.mark.parametrize("kept", [True, False])
def test_with_the_shortest_wave_a_disturbance_stays_near(kept: bool) -> None:
    """In 20 units of time chemicals diffuse by about one cell, so little changes 12 cells away.

    The grid is too coarse for the pattern. Without its shortest wave the change is far larger.
    """
    sim = GrayScott(size=(48, 48), length=1.5, step=1.0, shortest_wave=kept)
    x = sim.simulate(generators(2), 200.0, 2)[:, 1]
    cells = np.arange(48) - 24
    near = np.exp(-(cells[:, None] ** 2 + cells**2) / 2)
    disturbed = x + 0.05 * near * np.array([-1.0, 1.0])[:, None, None]
    later = sim.trajectories(np.concatenate([x, disturbed]), np.array([0.0, 20.0]))[:, 1]
    change = np.abs(later[2:] - later[:2])
    far = np.maximum(abs(cells)[:, None], abs(cells)) >= 12
    assert (change[..., far].max() <= 1e-3 * change.max()) == kept


@pytest.mark.parametrize("size", [(8, 8), (9, 9), (8, 9)])
def test_with_the_shortest_wave_every_state_is_resolved(size: tuple[int, int]) -> None:
    sim = GrayScott(size=size, shortest_wave=True)
    x = np.random.default_rng(0).normal(size=(3, 2, *size))
    np.testing.assert_allclose(sim.field(sim.modes(x)), x, atol=1e-12)
