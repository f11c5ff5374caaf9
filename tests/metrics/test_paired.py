"""Bootstrap intervals over seeds and starts, and paired differences."""

import numpy as np
import pytest

from sirve.metrics import Interval, bootstrap, median, paired

RNG = np.random.default_rng(0)
INF, NAN = np.inf, np.nan


def test_common_starts_cancel_and_seeds_do_not() -> None:
    starts = RNG.normal(size=200) * 100
    same = paired(np.stack([starts + 3, starts + 3]), starts[None])
    np.testing.assert_allclose(tuple(same), 3, rtol=1e-12)
    apart = paired(np.stack([starts + 2, starts + 4]), starts[None])
    np.testing.assert_allclose(tuple(apart), (3, 2, 4), rtol=1e-12)


def test_the_ratio_is_geometric_and_symmetric() -> None:
    error = np.exp(RNG.normal(size=(3, 50)))
    np.testing.assert_allclose(tuple(paired(2 * error[:1], error[:1], ratio=True)), 2)
    forth, back = paired(error, error[:1], ratio=True), paired(error[:1], error, ratio=True)
    log = np.log(error)
    assert forth.middle == pytest.approx(np.exp(log.mean() - log[0].mean()))
    assert forth.middle == pytest.approx(1 / back.middle)


def test_with_one_seed_it_is_the_normal_interval_of_a_mean() -> None:
    difference = RNG.normal(size=400)
    found = paired(difference[None], np.zeros((1, 400)))
    half = 1.96 * difference.std() / 20
    assert found.middle == pytest.approx(difference.mean())
    assert found.low == pytest.approx(found.middle - half, abs=0.1 * half)
    assert found.high == pytest.approx(found.middle + half, abs=0.1 * half)
    narrow = paired(difference[None], np.zeros((1, 400)), level=0.5)
    assert found.low < narrow.low < narrow.high < found.high


@pytest.mark.parametrize(
    ("a", "b", "difference", "ratio"),
    [
        ([INF, 1.0], [1.0, 1.0], INF, INF),
        ([1.0, 1.0], [1.0, INF], -INF, 0.0),
        ([INF, 1.0], [1.0, INF], NAN, NAN),
        ([1.0, NAN], [1.0, 1.0], NAN, NAN),
        ([0.0, 1.0], [1.0, 1.0], -0.5, 0.0),
        ([0.0, 1.0], [0.0, 1.0], 0.0, NAN),
    ],
)
def test_infinite_and_unknown_scores_give_no_invented_number(
    a: list[float], b: list[float], difference: float, ratio: float
) -> None:
    for found, expected in (
        (paired(np.array([a]), np.array([b])), difference),
        (paired(np.array([a]), np.array([b]), ratio=True), ratio),
    ):
        np.testing.assert_equal(found.middle, expected)
        assert found.low <= found.high
        if np.isnan(expected):  # nan has no bounds
            assert (found.low, found.high) in {(0.0, INF), (-INF, INF)}


def test_tables_of_different_starts_raise() -> None:
    with pytest.raises(ValueError, match=r"\(2, 3\) and \(2, 4\)"):
        paired(np.ones((2, 3)), np.ones((2, 4)))


def test_any_statistic_over_seeds_and_starts() -> None:
    assert bootstrap(np.full((2, 3), 7.0), median) == Interval(7.0, 7.0, 7.0)
