"""One file of a stranger."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from sirve.data.shards import Info

INFO = Info("x", (3,), tuple("xyz"), ("1",) * 3, None, 0.1, "step", 0.1, "", {"rho": 28.0})


class Row(NamedTuple):
    """``make`` a folder's files, ``read`` them: refused for ``reason``, None for good ones."""

    make: Callable[[Path], object]
    read: Callable[[Path], object]
    reason: str | None
