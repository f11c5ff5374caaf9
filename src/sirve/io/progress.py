"""Progress bars."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.progress import track as rich_track

T = TypeVar("T")


def track(items: Iterable[T], what: str, total: int) -> Iterator[T]:
    """Yield ``items`` while a bar with the label ``what`` counts them."""
    yield from rich_track(items, description=what, total=total)
