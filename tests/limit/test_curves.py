"""The curve over the number of states: its ceiling, its cache, its refusals, and what it means."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from problems import problem

from simulators import Diffusion, Lorenz
from sirve.errors import UserError
from sirve.limit import Limit, compute, curves, effective_memory, frame_counts, least_squares

LINE = Diffusion(size=(16,), waves=4, diffusivity=2e-3)


@pytest.mark.parametrize("sim, dt", [(Lorenz(), 0.02), (LINE, 1.0)], ids=["chaotic", "linear"])
def test_without_noise_the_whole_state_is_known(sim: Lorenz, dt: float) -> None:
    found = compute(problem(sim, dt, noise=0.0), [1, 8])
    assert found.error.max() < 1e-9
    assert np.isnan(found.chi2).all()


def test_frame_counts_are_powers_of_two_and_the_context() -> None:
    for context in range(1, 70):
        counts = frame_counts(context)
        assert counts[-1] == context and len(set(counts)) == len(counts)
        assert all(a == 2**i for i, a in enumerate(counts[:-1]))


def test_the_curve_falls_and_chi2_is_near_one() -> None:
    found = compute(problem(LINE, 1.0, context=16, starts=32))
    assert (np.diff(found.nrmse, axis=0) <= 0).all()
    raw = np.sqrt((found.error**2).mean(1))
    assert (raw[1:] < 1.1 * raw[:-1]).all() and (raw[-1] < 0.6 * raw[0]).all()
    assert abs(found.chi2[-1] - 1) < 0.1


def test_it_is_computed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    p = problem(LINE, 1.0)
    first = compute(p, [1, 2], cache=tmp_path)
    (path,) = tmp_path.glob("*.h5")
    monkeypatch.setattr(curves, "method", None)
    again = compute(problem(LINE, 1.0), [1, 2], cache=tmp_path)
    assert all(np.array_equal(getattr(first, n), getattr(again, n)) for n in curves._ARRAYS)
    assert Limit.read(path).frames.tolist() == [1, 2]
    others = [replace(p, dt=2.0), replace(p, seen=p.seen + 1), problem(LINE, 1.0, noise=0.2)]
    keys = {curves.content(other, [1, 2], 8, 0) for other in (p, *others)}
    keys |= {curves.content(p, [1], 8, 0), curves.content(p, [1, 2], 4, 0)}
    assert len(keys) == 6 and path.stem in keys


def test_what_cannot_be_fitted_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="9 states are not within the context of 8; take from 1"):
        compute(problem(LINE, 1.0), [9])
    monkeypatch.setattr(least_squares, "MOST", 2)
    with pytest.raises(UserError, match="the 3 coordinates of system cannot be fitted"):
        compute(problem(Lorenz(), 0.02, starts=1, training=8, context=2), [1])


FRAMES, CURVE = np.array([1, 2, 8, 32]), np.array([0.8, 0.4, 0.2, 0.05])


def test_a_limit_has_its_own_memory() -> None:
    for k, error in zip(FRAMES, CURVE, strict=True):
        assert effective_memory(FRAMES, CURVE, error) == pytest.approx(k)
    assert effective_memory(FRAMES, CURVE, 0.9) == 1
    assert effective_memory(FRAMES, CURVE, np.inf) == 1
    assert effective_memory(FRAMES, CURVE, 0.01) == 32
    assert effective_memory(FRAMES, CURVE, np.sqrt(0.4 * 0.2)) == pytest.approx(4)
    assert np.isnan(effective_memory(FRAMES, np.full(4, 0.3), 0.3))


def test_a_better_forecast_has_more_memory() -> None:
    found = [effective_memory(FRAMES, CURVE, e) for e in np.geomspace(0.01, 1, 50)]
    assert (np.diff(found) <= 0).all()
