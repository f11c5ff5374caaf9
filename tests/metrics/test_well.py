"""The VRMSE against the code of The Well."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from sirve import metrics

spatial = pytest.importorskip("the_well.benchmark.metrics.spatial")
RNG = np.random.default_rng(0)


@pytest.mark.parametrize("space", [(16,), (8, 12)])
@pytest.mark.parametrize("size", [1.0, 1e-3])
def test_vrmse_equals_the_wells_except_for_epsilon_and_variance(
    space: tuple[int, ...], size: float
) -> None:
    """theirs^2 = ours^2 var / (var N / (N - 1) + 1e-7), var of each channel over N points."""
    truth = size * RNG.normal(size=(3, 5, 1, *space))  # one channel: the mean over them is last
    prediction = truth + 0.3 * size * RNG.normal(size=truth.shape)
    last = (np.moveaxis(x, 2, -1) for x in (prediction, truth))  # they have channels last
    about = SimpleNamespace(n_spatial_dims=len(space))
    theirs = spatial.VRMSE.eval(*map(torch.as_tensor, last), about).numpy()[..., 0]
    points, var = np.prod(space), truth.var(tuple(range(3, truth.ndim)))[..., 0]
    ours = metrics.vrmse(truth, prediction)
    expected = np.sqrt(ours**2 * var / (var * points / (points - 1) + 1e-7))
    np.testing.assert_allclose(theirs, expected, rtol=1e-10)
