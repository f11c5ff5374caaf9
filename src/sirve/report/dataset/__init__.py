"""Pictures of a dataset, to check it before a model learns from it."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from sirve.data.dataset import Dataset
from sirve.data.simulated.verify import PICTURES
from sirve.io.files import whole
from sirve.report.dataset.sample import Sample, load_sample
from sirve.report.figures import dataset as figures
from sirve.report.figures.draw import STYLE, draw, save
from sirve.report.figures.images import film, write_film

FRAMES = 240  # of the film, at most


def look_at(folder: Path, trust: Sequence[str] | None) -> Iterator[Path]:
    """Draw the dataset in ``folder`` into its folder look/, and give each file that was written.

    Its invariants are drawn where its system can be built again from the packages of ``trust``.
    Raises UserError for a damaged dataset.
    """
    sample = load_sample(Dataset(folder), trust)
    out = folder / PICTURES
    out.mkdir(exist_ok=True)
    with matplotlib.rc_context(STYLE):
        for name, figure in _figures(sample):
            yield save(figure, out / f"{name}.png")
    if len(sample.info.shape) == 3:
        with whole(out / "film.mp4") as temporary:
            write_film(temporary, film(figures.rows(sample), FRAMES, gap=True))
        yield out / "film.mp4"


def _figures(sample: Sample) -> Iterator[tuple[str, Figure]]:
    dims = len(sample.info.shape)
    if dims == 1:
        yield "series", draw(figures.series(sample))
        if sample.info.shape[0] > 1:
            yield "phase", figures.phase(sample)
        yield "spectrum", draw(figures.spectrum_in_time(sample))
    else:
        images = figures.strip(sample) if dims == 3 else figures.spacetime(sample)
        yield ("film" if dims == 3 else "spacetime"), images
        yield "spectrum", draw(figures.spectrum_in_space(sample))
    if sample.system is not None:
        found = sample.system.invariants(sample.x.astype(np.float64))
        if found:
            yield "invariants", draw(figures.invariants(sample, found))
