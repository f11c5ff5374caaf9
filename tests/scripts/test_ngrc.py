"""scripts/study/ngrc.py: the published score, and a rotation, which its features forecast."""

import numpy as np
import pytest

from scripts.study import ngrc
from sirve.cores import NGRC


def test_score_counts_the_start_and_divides_by_all_variances() -> None:
    truth = np.zeros((ngrc.STEPS, 3))
    expected = 2 * np.sqrt(ngrc.STEPS / (ngrc.STEPS + 1)) / np.sqrt(5.0)
    assert np.isclose(ngrc.nrmse(truth, truth + 2, 5.0), expected)
    assert ngrc.nrmse(truth, truth * np.nan, 5.0) == np.inf


@pytest.mark.parametrize(
    "model",
    [ngrc.published, ngrc.qr_model(NGRC((3,), degree=2, delays=2), [{}])],
    ids=["gram", "qr"],
)
def test_rotation_is_forecast(model: ngrc.Model) -> None:
    angle = 0.1 * np.arange(ngrc.STATES + 2 + ngrc.STEPS)
    wave = 10 * np.stack([np.cos(angle), np.sin(angle), np.cos(angle + 1)], axis=1)
    past, future = wave[: -ngrc.STEPS], wave[-ngrc.STEPS :]
    assert ngrc.nrmse(future, model(past), 1.0) < 1e-3


def test_orbit_has_the_statistics_of_lorenz() -> None:
    """z has the mean 23.55 and the standard deviation 8.63 of long orbits, for any solver."""
    z = ngrc.orbit(*ngrc.DATA["RK23, 1e-3"])[ngrc.WARM :, 2]
    assert len(z) == ngrc.STRETCHES * ngrc.STATES + ngrc.STEPS + 1
    assert abs(z.mean() - 23.55) < 0.5
    assert abs(z.std() - 8.63) < 0.5
