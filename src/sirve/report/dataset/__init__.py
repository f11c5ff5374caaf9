"""Pictures of a dataset: what was made, before anything learns from it."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from sirve.data.dataset import Dataset
from sirve.data.simulated.verify import PICTURES
from sirve.io.files import whole
from sirve.report.dataset.images import film, spacetime, spectrum_in_space, strip
from sirve.report.dataset.lines import invariants, phase, series, spectrum_in_time
from sirve.report.dataset.seen import Seen, see
from sirve.report.media import write_film
from sirve.report.stills import STYLE

DPI = 150


def look_at(folder: Path, trust: Sequence[str] | None) -> Iterator[Path]:
    """Draw the dataset in ``folder`` into its folder look/, and give each file that was written.

    Its invariants are drawn where its system can be built again from the packages of ``trust``.
    Raises UserError for what is damaged.
    """
    seen = see(Dataset(folder), trust)
    out = folder / PICTURES
    out.mkdir(exist_ok=True)
    with matplotlib.rc_context(STYLE):
        for name, figure in _figures(seen):
            path = out / f"{name}.png"
            with whole(path) as temporary:  # whatever lay there is replaced, not followed
                figure.savefig(temporary, format="png", dpi=DPI, facecolor="white")
            yield path
    if len(seen.info.shape) == 3:
        with whole(out / "film.mp4") as temporary:
            write_film(temporary, film(seen))
        yield out / "film.mp4"


def _figures(seen: Seen) -> Iterator[tuple[str, Figure]]:
    dims = len(seen.info.shape)
    if dims == 1:
        yield "series", series(seen)
        if seen.info.shape[0] > 1:
            yield "phase", phase(seen)
        yield "spectrum", spectrum_in_time(seen)
    else:
        yield ("film", strip(seen)) if dims == 3 else ("spacetime", spacetime(seen))
        yield "spectrum", spectrum_in_space(seen)
    if seen.system is not None and (found := seen.system.invariants(seen.x.astype(np.float64))):
        yield "invariants", invariants(seen, found)
