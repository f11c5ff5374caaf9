"""A forecast that explodes is drawn without overflow; warnings are errors here."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from matplotlib.figure import Figure
from reports import make_run
from support import quick

from sirve.report import load_run
from sirve.report.figures.images import image
from sirve.report.media import media_of
from sirve.report.pictures import write_figures

WILD = (1e38, -3e38, np.inf, -np.inf, np.nan)


@pytest.mark.parametrize("kind", quick(["vector", "field", "frame"], "field"))
def test_a_forecast_that_explodes_is_drawn(tmp_path: Path, kind: str) -> None:
    run = make_run(tmp_path / "run", kind)
    with h5py.File(run / "rollouts.h5", "r+") as file:
        file.attrs["channels"] = ["q"] * file["truth"].shape[2]
        for k, value in enumerate(WILD, start=1):
            file["prediction"][:, 10 * k : 10 * k + 10] = value
    write_figures(load_run(run), tmp_path / "figures")
    assert (tmp_path / "figures" / "rollout.png").is_file()
    drawn = media_of(run).rollouts
    assert len(drawn) == 5
    assert all(one.picture.stat().st_size > 2000 for one in drawn)
    assert [one.film is not None for one in drawn] == [kind == "frame"] * 5


def test_an_image_shows_what_is_beyond_its_range_in_the_last_colour() -> None:
    ax = Figure().subplots()
    drawn = image(ax, np.array([[0.0, 1.0, *WILD]], "f4"), (0, 1))
    low, high, most, least, *none = drawn.to_rgba(drawn.get_array())[0].tolist()
    assert (low, high) == (least, most)
    assert [colour[3] for colour in (low, high, *none)] == [1, 1, 0, 0, 0]
