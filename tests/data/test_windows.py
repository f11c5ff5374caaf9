"""Windows: each once in an epoch, in an order fixed by the seed, shared by ranks."""

from itertools import islice

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sirve.data.states import StatesInMemory
from sirve.data.windows import Windows, load
from sirve.errors import UserError


def numbered(trajectories: int, states: int) -> StatesInMemory:
    """States x[i, t] = 1000 i + t, so that a window shows its place."""
    return StatesInMemory(
        (1000.0 * torch.arange(trajectories)[:, None] + torch.arange(states))[..., None]
    )


@settings(derandomize=True, deadline=None)
@given(
    trajectories=st.integers(1, 5),
    states=st.integers(4, 12),
    length=st.integers(1, 4),
    ranks=st.integers(1, 3),
    share=st.integers(1, 2),
    epoch=st.integers(0, 2),
)
def test_each_window_occurs_at_most_once_in_an_epoch_over_all_ranks(
    trajectories: int, states: int, length: int, ranks: int, share: int, epoch: int
) -> None:
    x = numbered(trajectories, states)
    count = trajectories * (states - length + 1)
    batch = ranks * share
    if batch > count:
        return
    per_epoch = count // batch
    firsts = []
    for rank in range(ranks):
        windows = Windows(x, length, batch, 0, rank, ranks)
        for window in islice(load(windows, lambda: epoch * per_epoch), per_epoch):
            assert window.shape == (share, length, 1)
            expected = window[:, :1, 0] + torch.arange(length)
            assert torch.equal(window[:, :, 0], expected)
            firsts += window[:, 0, 0].tolist()
    assert len(firsts) == len(set(firsts)) == per_epoch * batch


def take(start: int, count: int, seed: int = 0, workers: int = 0) -> torch.Tensor:
    windows = Windows(numbered(4, 10), 3, 5, seed)
    return torch.stack(list(islice(load(windows, lambda: start, workers), count)))


def test_the_order_depends_only_on_seed_and_position() -> None:
    whole = take(0, 20)
    for start in (1, 6, 7, 13):  # within and between epochs of 6 batches
        assert torch.equal(take(start, 20 - start), whole[start:])
    assert torch.equal(take(3, 17, workers=2), whole[3:])
    assert not torch.equal(take(0, 20, seed=1), whole)
    assert not torch.equal(whole[:6], whole[6:12])


def test_ranks_share_the_batch_of_a_single_process() -> None:
    x = numbered(4, 10)
    alone = Windows(x, 3, 6, 0)[0]
    shares = [Windows(x, 3, 6, 0, rank=rank, ranks=2)[0] for rank in (0, 1)]
    assert torch.equal(torch.cat(shares), alone)


def test_impossible_sizes_are_refused() -> None:
    with pytest.raises(UserError, match=r"batch=9 .* at most 8"):
        Windows(numbered(4, 10), 9, 9, 0)
    with pytest.raises(UserError, match="shared by 2 ranks"):
        Windows(numbered(4, 10), 3, 5, 0, ranks=2)
