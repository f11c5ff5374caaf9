"""Observations: channels, stride and noise; the truth stays clean."""

import numpy as np
import pytest

from simulators import Family, Heat, Lorenz
from sirve.data.moments import Moments
from sirve.data.observe import Channels
from sirve.data.simulated.recipe import describe
from sirve.errors import UserError

INFO = describe("lorenz", Family(Lorenz()), 0.02)
X = np.random.default_rng(0).normal(size=(5, 40, 3)) * [1.0, 10.0, 100.0]


def test_channels_and_stride_are_selected_and_described() -> None:
    observe = Channels(channels=["z", "x"], stride=3)
    info = observe.info(INFO)
    assert info.shape == (2,)
    assert info.channels == ("z", "x")
    assert info.dt == pytest.approx(0.06)
    assert info.unit == INFO.unit  # a Lyapunov time does not depend on the stride
    np.testing.assert_array_equal(observe.clean(X, INFO), X[:, ::3][..., [2, 0]])


def test_a_step_as_unit_of_time_follows_the_stride() -> None:
    info = Channels(stride=4).info(describe("heat", Family(Heat()), 0.5))
    assert (info.time_unit, info.unit, info.dt) == ("step", 2.0, 2.0)


def test_noise_is_in_standard_deviations_and_fixed_for_a_trajectory() -> None:
    observe = Channels(noise=0.01)
    moments = Moments()
    moments.add(X)
    std = moments.std
    large = np.tile(X, (40, 1, 1))
    noise = observe.noisy(large, std, "train", seed=0) - large
    np.testing.assert_allclose(noise.std((0, 1)), 0.01 * std, rtol=0.03)
    again = observe.noisy(large[:3], std, "train", seed=0) - large[:3]
    np.testing.assert_array_equal(again, noise[:3])
    for other in (("valid", 0), ("train", 1)):
        assert not np.array_equal(observe.noisy(large, std, *other) - large, noise)


def test_without_noise_the_clean_states_are_observed() -> None:
    assert Channels().noisy(X, np.ones(3), "test", 0) is X


def test_invalid_observations_are_refused() -> None:
    with pytest.raises(UserError, match="no channel 'w'; choose from: x, y, z"):
        Channels(channels=["w"]).info(INFO)
    with pytest.raises(UserError, match="empty"):
        Channels(channels=[]).info(INFO)
    with pytest.raises(ValueError, match="stride=0"):
        Channels(stride=0)
    with pytest.raises(ValueError, match="noise=-1"):
        Channels(noise=-1)
