"""Measure every system at its shipped settings: a table, and a picture of each.

python scripts/benchmark/systems.py [--out docs]          writes systems.md and systems.png there

Each system of conf/sim is simulated as the test split is, ``TRAJECTORIES`` of them in one block.
"""

import argparse
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import yaml
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from simulators import Simulator
from simulators.lyapunov import exponents
from sirve.cli.hydra_errors import CONF
from sirve.data.simulated.generate import generators
from sirve.data.simulated.recipe import Recipe, family
from sirve.io.files import whole, write_text
from sirve.report.figures.draw import STYLE, tidy

TRAJECTORIES = 16
COLUMNS = 4
HEAD = """# The systems

What `python scripts/benchmark/systems.py` measured ({seconds:.0f} s, one thread). Each system at the settings
of its file in [conf/sim](../conf/sim), {n} trajectories in one block, over the length of the test.

- **invariants**: the largest drift of any of them in any trajectory, relative to its size or to 1;
  what exceeds its tolerance is never written to a dataset;
- **other solver**: how far one of another family, or of half the step, is after one time unit, in
  standard deviations of the state;
- **ms**: for one trajectory of the test, transient included;
- **exponent**: the largest, by QR in tangent space, with its 95 % interval.

The oracles (closed forms, orders of convergence, published constants) are the tests that are named.

![Every system](systems.png)

| system | state | test | solver | invariants | other solver | ms | exponent (1/time) | oracles |
|---|---|--:|---|--:|--:|--:|--:|---|
"""


@dataclass(frozen=True)
class Measured:
    """One row, and the states (n, T, *shape) that it was measured on."""

    name: str
    sim: Simulator
    x: np.ndarray
    dt: float
    cells: list[str]


def measure(name: str, config: dict[str, Any]) -> Measured:
    """Simulate as the test split is, and look."""
    systems = family(config["system"], None)
    sim, dt, states = systems.sim, config["dt"], config["context"] + config["steps"]
    rngs = generators(
        Recipe(name, {"test": systems}, dt, {"test": states}), "test", 0, TRAJECTORIES
    )
    start = time.perf_counter()
    x, _ = systems.simulate(rngs, dt, states)
    cost = (time.perf_counter() - start) / TRAJECTORIES
    cells = [
        f"[{name}](../conf/sim/{name}.yaml)",
        " x ".join(map(str, sim.shape)),
        f"{states} x {dt:g}",
        sim.solver,
        drift(sim, x),
        apart(sim, x[:, -1]),
        f"{1000 * cost:.2g}",
        exponent(sim, dt),
        f"[test_{name}.py](../tests/simulators/test_{name}.py)",
    ]
    return Measured(name, sim, x, dt, cells)


def drift(sim: Simulator, x: np.ndarray) -> str:
    """The largest relative drift of an invariant, and its name."""
    found = {}
    for name, value in sim.invariants(x).items():
        first = value[:, :1]
        found[name] = float((np.abs(value - first) / np.maximum(1.0, np.abs(first))).max())
    if not found:
        return ""
    worst = max(found, key=lambda name: found[name])
    return f"{found[worst]:.1e} ({worst})"


def apart(sim: Simulator, x: np.ndarray) -> str:
    """The other solver after one time unit, from the last states."""
    twin = sim.twin()
    if twin is None:
        return "exact"
    t = sim.transient + np.array([0.0, 1.0])
    gap = np.abs(sim.trajectories(x, t) - twin.trajectories(x, t)).max()
    return f"{gap / x.std():.1e}"


def exponent(sim: Simulator, dt: float) -> str:
    """The largest, where the system says that it is chaotic."""
    if sim.lyapunov is None:
        return ""
    vector = len(sim.shape) == 1
    found = exponents(sim, 1, 10 * dt, 250 if vector else 60, 64 if vector else 16)
    return f"{found.value[0]:.3g} ± {found.error[0]:.1g}"


def draw(ax: Axes, row: Measured) -> None:
    """A phase portrait, an image of space and time, or the last frame."""
    x, sim = row.x[0], row.sim
    scene = sim.scene(x)
    ax.set_title(row.name.replace("_", " "), loc="left")
    ax.set_box_aspect(1)
    names = [channel.name for channel in sim.channels]
    if len(sim.shape) == 3:
        ax.imshow(x[-1, 0].T, origin="lower", cmap="inferno", interpolation="nearest")
    elif len(sim.shape) == 2 or sim.shape[0] > 12:
        image = x.reshape(len(x), -1)[: min(len(x), 300)]
        ax.imshow(image.T, origin="lower", cmap="inferno", aspect="auto", interpolation="nearest")
    elif scene is not None:
        path = scene.discs[:, :, :2]
        for body in range(path.shape[1]):
            ax.plot(*path[:200, body].T, linewidth=0.7)
        left, bottom, side = scene.window
        ax.set(xlim=(left, left + side), ylim=(bottom, bottom + side))
    else:
        ax.plot(x[:, 0], x[:, -1], linewidth=0.5)
        ax.set(xlabel=names[0], ylabel=names[-1])
    if len(sim.shape) > 1 or scene is not None or sim.shape[0] > 12:
        ax.set(xticks=[], yticks=[])
    else:
        tidy(ax)


def picture(rows: Sequence[Measured], path: Path) -> None:
    """All systems on one page."""
    with matplotlib.rc_context(STYLE):
        lines = -(-len(rows) // COLUMNS)
        figure = Figure(figsize=(2.1 * COLUMNS, 2.2 * lines), layout="constrained")
        axes = figure.subplots(lines, COLUMNS, squeeze=False).ravel()
        for ax, row in zip(axes, rows, strict=False):
            draw(ax, row)
        for ax in axes[len(rows) :]:
            ax.set_axis_off()
        with whole(path) as temporary:
            figure.savefig(temporary, dpi=120, format="png", facecolor="white")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Measure every system at its shipped settings.")
    parser.add_argument("--out", type=Path, default=Path("docs"), help="the folder to write to")
    options = parser.parse_args(arguments)
    start = time.perf_counter()
    rows = []
    for path in sorted((CONF / "sim").glob("*.yaml")):
        config = yaml.safe_load(path.read_text())
        if re.search(r"^simulators\.", str((config["system"] or {}).get("_target_"))):
            rows.append(measure(path.stem, config))
            print(" | ".join(rows[-1].cells), flush=True)
    head = HEAD.format(seconds=time.perf_counter() - start, n=TRAJECTORIES)
    table = "".join(f"| {' | '.join(row.cells)} |\n" for row in rows)
    write_text(options.out / "systems.md", head + table)
    picture(rows, options.out / "systems.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
