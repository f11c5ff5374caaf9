"""ETDRK4 against closed forms, its coefficients, its limits, and the 2/3 rule."""

from math import factorial

import numpy as np
import pytest
from scipy import fft

from simulators import SimulationError, etdrk
from simulators.etdrk import coefficients, march, resolved

T = 5.3 + np.array([0.0, 0.1, 0.37, 1.0, 4.0])


def last(linear: np.ndarray, nonlinear: etdrk.Nonlinear, v0: np.ndarray, step: float) -> np.ndarray:
    return list(march(linear, nonlinear, v0, np.array([2.0, 4.0]), step))[-1]


def logistic() -> tuple[np.ndarray, etdrk.Nonlinear, np.ndarray, np.ndarray]:
    """dv/dt = a v - v^2 -> v = a / (1 + (a / v0 - 1) exp(-a t))."""
    a, v0 = np.array([[-3.0, -0.5, 0.7, 2.0]]), np.array([[0.5, 1.0, 0.2, 3.0]])
    return a, lambda v: -(v**2), v0, a / (1 + (a / v0 - 1) * np.exp(-2 * a))


def stuart_landau() -> tuple[np.ndarray, etdrk.Nonlinear, np.ndarray, np.ndarray]:
    """dv/dt = (a + i w) v - |v|^2 v: the logistic equation for |v|^2, with a rotating phase."""
    a, w = np.array([[-2.0, -0.3, 0.5, 1.5]]), np.array([[0.5, 4.0, -2.0, 1.0]])
    v0 = np.array([[0.8, 1.1j, -0.5, 0.2 + 0.1j]])
    square = a / (1 + (a / np.abs(v0) ** 2 - 1) * np.exp(-4 * a))
    exact = np.sqrt(square) * v0 / np.abs(v0) * np.exp(2j * w)
    return a + 1j * w, lambda v: -(np.abs(v) ** 2) * v, v0, exact


@pytest.mark.parametrize("problem", [logistic, stuart_landau])
def test_order_four(problem: type) -> None:
    linear, nonlinear, v0, exact = problem()
    steps = 0.1 / 2.0 ** np.arange(5)
    errors = np.array([np.abs(last(linear, nonlinear, v0, h) - exact).max() for h in steps])
    orders = np.log2(errors[:-1] / errors[1:])
    assert np.abs(orders - 4).max() <= 0.25, f"errors {errors}, orders {orders}"
    assert errors[-1] <= 1e-6


def test_exact_for_a_linear_equation() -> None:
    linear = np.array([[-1e6, -30.0, 0.0, 0.7, -0.1 + 9j]])
    v0 = np.array([[1.0, 2.0, 3.0, 4.0, 5.0]])
    v = list(march(linear, np.zeros_like, v0, T, 0.05))
    for t, found in zip(T, v, strict=True):
        np.testing.assert_allclose(found, np.exp(linear * (t - T[0])) * v0, rtol=1e-12, atol=1e-300)


def test_exact_under_a_constant_force_of_any_stiffness() -> None:
    """The weights q, f1 + 4 f2 + f3 are those of the exponential Euler method."""
    linear = np.array([[-1e8, -1e3, -1.0, -1e-5, -1e-14, 0.3]])
    found = last(linear, np.ones_like, np.zeros((1, 6)), 0.05)
    np.testing.assert_allclose(found, np.expm1(2 * linear) / linear, rtol=1e-12)


@pytest.mark.parametrize("z", [0.0, 1e-9, -1e-3, 0.5, -0.5 + 0.5j, -8.0, 3j, -1e3])
def test_coefficients_equal_the_entire_functions(z: complex) -> None:
    """phi_k from its Taylor series near zero and from its recurrence elsewhere."""

    def phi(k: int, z: complex) -> complex:
        if abs(z) <= 1:
            return sum(z**j / factorial(j + k) for j in range(25))
        return np.exp(z) if k == 0 else (phi(k - 1, z) - 1 / factorial(k - 1)) / z

    h, one, two, three = 0.2, phi(1, z), phi(2, z), phi(3, z)
    c = coefficients(np.array([z / h]), h)
    found = np.array([c.half, c.whole, c.q, c.f1, c.f2, c.f3])[:, 0]
    weights = [phi(1, z / 2) / 2, one - 3 * two + 4 * three, two - 2 * three, 4 * three - two]
    expected = [np.exp(z / 2), np.exp(z), *(h * weight for weight in weights)]
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-14)
    assert np.isrealobj(found) == np.isrealobj(z)


def test_trajectories_may_have_different_rates() -> None:
    linear, nonlinear, v0, exact = logistic()
    found = last(linear.T, nonlinear, v0.T, 0.01)
    np.testing.assert_allclose(found, exact.T, rtol=1e-7)


def test_one_set_of_coefficients_for_equal_intervals(monkeypatch: pytest.MonkeyPatch) -> None:
    """Intervals that differ by rounding of the times only share them, others do not."""
    computed = []
    original = coefficients
    monkeypatch.setattr(etdrk, "coefficients", lambda *a: computed.append(a[1]) or original(*a))
    linear, nonlinear, v0, _ = logistic()
    list(march(linear, nonlinear, v0, 1000 + 0.1 * np.arange(300), 0.03))
    np.testing.assert_allclose(computed, [0.025], rtol=1e-9)
    list(march(linear, nonlinear, v0, T, 0.1))
    np.testing.assert_allclose(computed[1:], [0.1, 0.09, 0.1], rtol=1e-9)  # 0.27 / 3 = 0.63 / 7


def test_a_blow_up_raises_at_once_with_the_trajectory() -> None:
    """dv/dt = v^2 from 1 is infinite at t = 1."""
    calls = []

    def square(v: np.ndarray) -> np.ndarray:
        calls.append(v)
        return v**2

    v0 = np.array([[0.1], [1.0]])
    with pytest.raises(SimulationError, match=r"not finite at t=1\.\d*: step=0.01") as found:
        list(march(np.zeros((1, 1)), square, v0, np.array([0.0, 8.0]), 0.01))
    assert found.value.trajectory == 1
    assert len(calls) < 4 * 120


def test_too_many_steps_raise_before_the_first() -> None:
    with pytest.raises(SimulationError, match=r"t=1e\+09 takes 1e\+12 steps"):
        next(march(np.zeros(1), pytest.fail, np.zeros((1, 1)), np.array([0.0, 1e9]), 1e-3))


@pytest.mark.parametrize("n", range(8, 40))
def test_products_of_resolved_waves_do_not_alias(n: int) -> None:
    """A square on n points equals that on 4 n points; with one more wave it would alias."""
    most = resolved(n)
    phase = np.exp(2j * np.pi * np.random.default_rng(n).uniform(size=most + 2))
    for waves, alike in ((most, True), (most + 1, False)):
        v = np.zeros(2 * n, complex)
        v[1 : waves + 1] = phase[1 : waves + 1]
        coarse = fft.rfft(fft.irfft(v[: n // 2 + 1], n=n) ** 2)[: waves + 1] * n
        fine = fft.rfft(fft.irfft(v, n=4 * n) ** 2)[: waves + 1] * 4 * n
        assert np.allclose(coarse, fine, atol=1e-9) == alike
