"""The camera: areas, centres and shifts in closed form, and what one frame cannot show."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import recipe

import simulators
from simulators import Distribution, Heat, Simulator
from simulators.scene import Scene
from sirve.data.dataset import SPLITS
from sirve.data.film import GREY, Film
from sirve.data.simulated.recipe import describe
from sirve.data.simulated.source import Simulated
from sirve.errors import UserError

SIDE = 8.0
VISIBLE = [
    cls()
    for cls in vars(simulators).values()
    if isinstance(cls, type)
    and issubclass(cls, Simulator)
    and cls is not Simulator
    and cls().scene(cls().initial(np.random.default_rng(0))) is not None
]
each_visible = pytest.mark.parametrize("sim", VISIBLE, ids=lambda sim: type(sim).__name__)


def disc(x: np.ndarray) -> Scene:
    """A disc x (..., 3), and a bar far outside the window."""
    bars = np.full((*x.shape[:-1], 1, 5), 1e3)
    return Scene(x[..., None, :], bars, (0.0, 0.0, SIDE))


def frame(scene: object, *body: float, size: int = 32, curtain: float = 0.0) -> np.ndarray:
    film = Film(size=size, curtain=curtain, scene=scene)  # type: ignore[arg-type]
    return film.clean(np.array(body)[None, None], None)[0, 0, 0].astype(float)  # type: ignore[arg-type]


@settings(derandomize=True, deadline=None, database=None)
@given(x=st.floats(2.0, 6.0), y=st.floats(2.0, 6.0), radius=st.floats(0.5, 1.9))
def test_area_and_centre_of_a_disc(x: float, y: float, radius: float) -> None:
    picture = frame(disc, x, y, radius)
    cell = SIDE / 32
    assert picture.sum() * cell**2 == pytest.approx(np.pi * radius**2, rel=0.05)
    centres = (np.arange(32) + 0.5) * cell
    assert (picture.sum(0) @ centres) / picture.sum() == pytest.approx(x, abs=0.1 * cell)
    assert SIDE - (picture.sum(1) @ centres) / picture.sum() == pytest.approx(y, abs=0.1 * cell)
    assert picture.min() >= 0.0
    assert picture.max() <= 1.0


def test_a_bar_is_its_rectangle_and_two_half_discs() -> None:
    def bar(x: np.ndarray) -> Scene:
        return Scene(np.full((*x.shape[:-1], 1, 3), -1e3), x[..., None, :], (0.0, 0.0, SIDE))

    for ends in ((2.0, 4.0, 6.0, 4.0), (2.3, 2.1, 5.2, 6.0)):
        length = np.hypot(ends[2] - ends[0], ends[3] - ends[1])
        area = frame(bar, *ends, 0.5, size=64).sum() * (SIDE / 64) ** 2
        assert area == pytest.approx(length + np.pi * 0.25, rel=0.01)


def test_a_shift_by_a_cell_is_a_shift_of_the_frame() -> None:
    """Up in the plane is up in the picture."""
    cell = SIDE / 32
    picture = frame(disc, 3.1, 4.2, 1.0)
    np.testing.assert_allclose(frame(disc, 3.1 + cell, 4.2, 1.0), np.roll(picture, 1, 1), atol=1e-6)
    np.testing.assert_allclose(
        frame(disc, 3.1, 4.2 + cell, 1.0), np.roll(picture, -1, 0), atol=1e-6
    )


def test_the_curtain_hides_bodies() -> None:
    one, other = (frame(disc, 4.0, y, 0.5, curtain=0.5) for y in (2.0, 6.0))
    np.testing.assert_array_equal(one, other)
    assert (one[:, 9:23] == GREY).all()
    np.testing.assert_array_equal(one[:, :8], 0.0)
    assert frame(disc, 1.0, 4.0, 0.5, curtain=0.5).max() == 1.0


@pytest.mark.parametrize("cls", [simulators.Pendulum, simulators.Balls])
def test_a_curtain_that_never_opens_is_refused(cls: type[Simulator]) -> None:
    source = Simulated(recipe(cls()))
    info = source.infos["test"]
    Film(curtain=0.3).of(source.scene).require_opens(5, info, source.sample)
    film = replace(Film(curtain=0.99), scene=lambda x: _in_the_middle(cls(), x))
    with pytest.raises(UserError, match=r"curtain=0.99 hides all that moves in all 5 states"):
        film.require_opens(5, info, source.sample)


def _in_the_middle(sim: Simulator, x: np.ndarray) -> Scene:
    """The scene in a window of four times the width, so that all bodies are near its middle."""
    scene = sim.scene(x)
    assert scene is not None
    left, bottom, side = scene.window
    return Scene(scene.discs, scene.bars, (left - 1.5 * side, bottom - 1.5 * side, 4 * side))


@each_visible
def test_frames_of_every_system(sim: Simulator) -> None:
    """Something is visible and moves, and a film of a part is that part of the film."""
    info = describe("x", recipe(sim).families["train"], 0.1)
    film = Film(size=24).of(sim.scene)
    x = sim.simulate([np.random.default_rng(i) for i in range(3)], 0.1, 12)
    frames = film.clean(x, info)
    assert frames.shape == (3, 12, *film.info(info).shape)
    assert frames.dtype == np.float32
    assert 0.0 <= frames.min() < 0.1 < 0.9 < frames.max() <= 1.0
    assert (np.abs(np.diff(frames, axis=1)).max((2, 3, 4)) > 0.01).all()
    part = replace(film, stride=3).clean(x[1:2, 2:9], info)
    np.testing.assert_array_equal(part, frames[1:2, 2:9:3])


@each_visible
def test_a_frame_does_not_show_velocities(sim: Simulator) -> None:
    names = [channel.name for channel in sim.channels]
    x = sim.simulate([np.random.default_rng(0)], 0.1, 3)
    faster = x.copy()
    faster[..., [i for i, name in enumerate(names) if name.startswith(("omega", "v"))]] *= -1.7
    assert (faster != x).any()
    film = Film().of(sim.scene)
    np.testing.assert_array_equal(
        film.clean(x, None),
        film.clean(faster, None),  # type: ignore[arg-type]
    )


def test_a_system_without_a_picture_is_refused() -> None:
    with pytest.raises(UserError, match="has no picture"):
        Film().of(Simulated(recipe(Heat())).scene)


def test_bodies_that_differ_between_trajectories_are_refused() -> None:
    states = dict.fromkeys(SPLITS, 5)
    alike = recipe(
        simulators.DoublePendulum(),
        states=states,
        draws={"m1": Distribution("uniform", (1.0, 2.0))},
    )
    assert Simulated(alike).scene is not None
    unlike = recipe(
        simulators.DoublePendulum(),
        states=states,
        draws={"l1": Distribution("uniform", (1.0, 2.0))},
    )
    with pytest.raises(UserError, match="draw none of the parameters"):
        _ = Simulated(unlike).scene


@pytest.mark.parametrize(("name", "value"), [("size", 3), ("size", 8.0), ("curtain", 1.0)])
def test_invalid_sizes_are_refused(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"{name}="):
        Film(**{name: value})  # type: ignore[arg-type]
