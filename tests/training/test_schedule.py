"""The learning rate over a training."""

import numpy as np
import pytest

from sirve.training.module import TrainingPlan
from sirve.training.objectives.squared_error import SquaredError


def plan(updates=200, **settings):
    return TrainingPlan(SquaredError(), lambda _: None, updates, **settings)


def rates(plan):
    return np.array([plan.rate(step) for step in range(plan.updates)])


@pytest.mark.parametrize("schedule", ["constant", "cosine", "linear"])
def test_rates_are_positive_shares_after_a_linear_warm_up(schedule):
    found = rates(plan(warmup=20, schedule=schedule))
    flat = rates(plan(warmup=0, schedule=schedule))
    assert np.all(found > 0) and np.all(found <= 1)
    assert np.allclose(found[:20], flat[:20] * np.arange(1, 21) / 20)
    assert np.array_equal(found[20:], flat[20:])


@pytest.mark.parametrize("updates", [1, 7, 100])
@pytest.mark.parametrize("cooldown", [1e-3, 0.25, 0.6, 1])
def test_the_linear_schedule_is_constant_and_then_falls_to_zero_in_equal_steps(updates, cooldown):
    one = plan(updates, warmup=0, schedule="linear", cooldown=cooldown)
    found, last = rates(one), max(1, round(cooldown * updates))
    assert np.all(found[: updates - last + 1] == 1)
    assert np.allclose(found[-last:], np.arange(last, 0, -1) / last)
    assert one.rate(updates) == 0
