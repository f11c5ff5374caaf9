"""Leaving rows out of a factorisation gives the same fit as a fit without them."""

import numpy as np
import pytest
import torch

from scripts.study.chaos.leave_block_out import BlockLeftOut

ROWS, FEATURES = 60, 7


@pytest.fixture
def designs() -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(0)
    scale = 10.0 ** rng.uniform(-6, 3, FEATURES)  # columns of very different lengths
    columns = torch.tensor(rng.normal(size=(3, ROWS, FEATURES)) * scale)
    return columns, torch.tensor(rng.normal(size=(3, ROWS)))


@pytest.mark.parametrize("block", [(0, 0), (0, 20), (13, 31), (40, ROWS)])
@pytest.mark.parametrize("ridge", [0.0, 1e-9, 1e-2])
def test_equals_a_fit_of_the_other_rows(
    designs: tuple[torch.Tensor, torch.Tensor], block: tuple[int, int], ridge: float
) -> None:
    columns, targets = designs
    found = BlockLeftOut(columns, targets).solve([1.0, ridge], *block)[:, 1]
    for a, y, w in zip(columns.numpy(), targets.numpy(), found.numpy(), strict=True):
        norm = np.linalg.norm(a, axis=0)
        rest = np.r_[0 : block[0], block[1] : ROWS]
        rows = np.concatenate([a[rest], ridge**0.5 * np.diag(norm)])
        right = np.concatenate([y[rest], np.zeros(FEATURES)])
        expected = np.linalg.lstsq(rows / norm, right, rcond=None)[0]
        np.testing.assert_allclose(w * norm, expected, rtol=1e-9, atol=1e-12)


def test_digits_of_an_ill_conditioned_fit_are_kept() -> None:
    """1, t, t^2, ... t^11: normal equations would lose all digits (condition number 1e16)."""
    t = torch.linspace(0, 1, 200, dtype=torch.float64)
    columns = t[:, None] ** torch.arange(12)
    exact = torch.ones(12, dtype=torch.float64)
    fit = BlockLeftOut(columns[None], (columns @ exact)[None])
    for block in ((0, 0), (50, 90)):
        error = (columns @ fit.solve([1e-30], *block)[0, 0] - columns @ exact).abs().max()
        assert error < 1e-12
