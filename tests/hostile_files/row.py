"""One hostile file."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from sirve.data.shards import Info

INFO = Info("x", (3,), tuple("xyz"), ("1",) * 3, None, 0.1, "step", 0.1, "", {"rho": 28.0})


class Row(NamedTuple):
    """How to ``make`` a hostile file in a folder, how to ``read`` it, and why it is refused.

    ``reason`` is None for a valid file.
    """

    make: Callable[[Path], object]
    read: Callable[[Path], object]
    reason: str | None
