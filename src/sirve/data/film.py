"""A camera over a low-dimensional system, whose frames show positions but no velocities."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sirve.data.info import Info
from sirve.data.observe import Observe, Sample, View
from sirve.errors import UserError

NUMBERS = 4_000_000  # most numbers in memory at once
GREY = 0.5  # brightness of the curtain


@dataclass(frozen=True, kw_only=True)
class Film(Observe):
    """Antialiased grey frames (1, size, size) of a system's bars and discs, white on black.

    The brightness of a cell is the share of it that a body covers, clip(1/2 - d / cell, 0, 1) for
    the signed distance d of its centre to the nearest body. This is exact for an edge along the
    grid, and within 5 percent for a disc with a radius of two cells. Rows go down, columns to the
    right. ``curtain`` is the share of the width, in the middle, that a grey curtain hides: a model
    has to remember a body until it comes out again.

    A frame holds no velocity, so one frame alone does not determine the next.
    """

    size: int = 32
    curtain: float = 0.0
    scene: View | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if type(self.size) is not int or not 4 <= self.size <= 1024:
            raise ValueError(f"size={self.size} must be a whole number of cells, 4 to 1024")
        if not 0 <= self.curtain < 1:
            raise ValueError(f"curtain={self.curtain} is a share of the width: take 0 to below 1")

    def of(self, scene: View | None) -> "Film":
        if scene is None:
            raise UserError(
                "observe=film: this system has no picture; take one with bodies in a plane, such "
                "as sim=pendulum or double_pendulum"
            )
        return replace(self, scene=scene)

    def info(self, info: Info) -> Info:
        return self._describe(
            info,
            shape=(1, self.size, self.size),
            channels=("brightness",),
            units=("1",),
            boundary="neumann",
        )

    def require_opens(self, context: int, info: Info, sample: Sample) -> None:
        """Raise UserError if nothing comes out from behind the curtain in any sampled context."""
        x = sample((context - 1) * self.stride + 1) if self.curtain else None
        if x is None:
            return
        if (np.ptp(self.clean(x, info), axis=1) == 0).all():
            raise UserError(
                f"observe.curtain={self.curtain} hides all that moves in all {context} states of "
                "sim.context; take a narrower curtain or a longer sim.context"
            )

    def clean(self, x: np.ndarray, info: Info) -> np.ndarray:
        """Return frames (n, T, 1, size, size) in float32."""
        x = x[:, :: self.stride]
        flat = x.reshape(-1, *x.shape[2:])
        frames = np.empty((len(flat), self.size, self.size), np.float32)
        assert self.scene is not None
        scene = self.scene(flat)
        bodies = max(1, scene.discs.shape[1] + scene.bars.shape[1])
        piece = max(1, NUMBERS // (bodies * self.size**2))
        for first in range(0, len(flat), piece):
            part = slice(first, first + piece)
            frames[part] = self._frames(scene.discs[part], scene.bars[part], scene.window)
        return frames.reshape(*x.shape[:2], 1, self.size, self.size)

    def _frames(self, discs: np.ndarray, bars: np.ndarray, window: Any) -> np.ndarray:
        left, bottom, side = window
        cell = side / self.size
        centres = (np.arange(self.size) + 0.5) * cell
        x, y = (left + centres)[None, :], (bottom + side - centres)[:, None]
        distance = np.full((len(discs), self.size, self.size), np.inf)
        for disc in discs.swapaxes(0, 1):
            cx, cy, radius = disc.T[:, :, None, None]
            np.minimum(distance, np.hypot(x - cx, y - cy) - radius, out=distance)
        for bar in bars.swapaxes(0, 1):
            np.minimum(distance, _to_bar(x, y, *bar.T[:, :, None, None]), out=distance)
        frames = np.clip(0.5 - distance / cell, 0.0, 1.0)
        # The curtain's two edges are antialiased in the same way.
        edge = self.curtain * side / 2 - np.abs(x - left - side / 2)
        hidden = np.clip(0.5 + edge / cell, 0.0, 1.0) if self.curtain else 0.0
        return frames * (1 - hidden) + GREY * hidden


def _to_bar(
    x: np.ndarray,
    y: np.ndarray,
    ax: np.ndarray,
    ay: np.ndarray,
    bx: np.ndarray,
    by: np.ndarray,
    half: np.ndarray,
) -> np.ndarray:
    """Return the signed distance to a bar from a to b, with round ends of radius ``half``."""
    dx, dy = bx - ax, by - ay
    along = ((x - ax) * dx + (y - ay) * dy) / np.maximum(dx**2 + dy**2, np.finfo(float).tiny)
    along = np.clip(along, 0.0, 1.0)
    return np.hypot(x - ax - along * dx, y - ay - along * dy) - half
