"""Hydra's errors in one line each, with the nearest right key, and the new names of old keys."""

import difflib
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from sirve.errors import UserError, one_line

_HERE = Path(__file__).resolve().parents[1]
# In the wheel conf/ lies in the package, in a checkout at its top.
CONF = _HERE / "conf" if (_HERE / "conf").is_dir() else _HERE.parents[1] / "conf"


# Old key: new key, for the key itself and for all keys below it; the first that fits counts.
RENAMED = {
    "ridge.few": "fit.screening_size",
    "ridge.keep": "fit.finalists",
    "ridge": "fit",
    "varpro.moving": "fit.trainable",
    "varpro.few": "fit.readout_size",
    "varpro.steps": "fit.updates",
    "varpro": "fit",
    "search": "hparams_search",
    "sim.training.steps": "training.updates",
    "sim.training": "training",
    "trainer.steps": "trainer.updates",
    "objective.growth": "objective.horizon_curriculum",
    "sim.system.walls": "sim.system.boundary",
    "sim.walls": "sim.boundary",
    "model.connections": "model.connectivity",
}
RENAMED_CHOICES = {
    "ridge=default": "fit=ridge",
    "varpro=lm": "fit=varpro",
    "varpro=soap": "fit=varpro_soap",
    "fit=gradient+ridge": "fit=gradient_ridge",
}
RENAMED_IN_GRID = {"gain": "input_scaling", "radius": "spectral_radius", "memory": "time_scale"}
_IN_GRID = re.compile(rf"\b({'|'.join(RENAMED_IN_GRID)})\b(?=\s*[:=])")


def renamed(argument: str) -> str | None:
    """Return one line that gives the new form of an argument with an old name, else None."""
    text = argument.lstrip("+~")
    sign = argument.removesuffix(text)
    if text in RENAMED_CHOICES:
        new = RENAMED_CHOICES[text]
        return f"{text} is now called {new}: give {sign}{new}"
    key, equals, value = text.partition("=")
    for old, new in RENAMED.items():
        if key == old or key.startswith(f"{old}."):
            key = new + key.removeprefix(old)
            line = f"{text.partition('=')[0]} is now called {key}"
            break
    else:
        line = ""
    text = f"{key}{equals}{value}"
    found = _IN_GRID.search(text) if key.partition(".grid")[0] == "fit" else None
    if found:
        line = line or f"{found[1]} is now called {RENAMED_IN_GRID[found[1]]}"
        text = _IN_GRID.sub(lambda match: RENAMED_IN_GRID[match[1]], text)
    return one_line(f"{line}: give {sign}{text}") if line else None


def refuse_renamed(arguments: Sequence[str]) -> None:
    """Raise UserError for the first argument that has an old name."""
    for line in filter(None, map(renamed, arguments)):
        raise UserError(line)


def explain(error: Exception) -> str:
    """Return Hydra's message in one line, with the nearest key for a misspelt one."""
    text = str(error)
    misspelt = re.search(r"Could not override '([\w.@/-]+)'", text)
    if misspelt:
        key, known = misspelt.group(1), list(_known_keys())
        if key in known:  # the first of two values sets the structure
            return f"'{key}' is given twice, and the second does not fit the first; give it once"
        close = difflib.get_close_matches(key, known, n=1, cutoff=0.6)
        remedy = f"did you mean '{close[0]}'?" if close else "see `--cfg job` for all keys"
        return f"unknown key '{key}'; {remedy}"
    choice = re.search(r"Could not find '([\w./-]+)/([^'/]+)'", text)
    if choice:
        group, name = choice.groups()
        if group.startswith("hydra/"):
            return f"{group} '{name}' is not installed; pip install 'sirve[slurm]' brings Slurm's"
        names = sorted(path.stem for path in (CONF / group).glob("*.yaml"))
        return f"unknown {group} '{name}'; choose from: {', '.join(names)}"
    missing = re.search(r"Environment variable '(\w+)' not found", text)
    if missing:
        return f"the environment has no {missing.group(1)}; set it, or write the value"
    return one_line(text)


def _known_keys() -> Iterator[str]:
    """Yield every dotted key of the configuration that the command line's choices give."""
    from hydra import compose
    from hydra.core.global_hydra import GlobalHydra
    from hydra.initialize import initialize_config_dir

    GlobalHydra.instance().clear()
    groups = {path.name for path in CONF.iterdir() if path.is_dir()}
    chosen = [a for a in sys.argv[1:] if a.partition("=")[0] in groups and "," not in a]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("train", overrides=chosen)

    def walk(node: Any, prefix: str) -> Iterator[str]:
        for key, value in node.items():
            yield prefix + key
            if isinstance(value, dict):
                yield from walk(value, f"{prefix}{key}.")

    yield from walk(OmegaConf.to_container(config, resolve=False), "")
