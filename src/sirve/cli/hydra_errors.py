"""Hydra's errors in one line each, with what was perhaps meant."""

import difflib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from sirve.errors import one_line

_HERE = Path(__file__).resolve().parents[1]
# In the wheel conf/ lies in the package, in a checkout at its top.
CONF = _HERE / "conf" if (_HERE / "conf").is_dir() else _HERE.parents[1] / "conf"


def explain(error: Exception) -> str:
    """Hydra's message in one line, with the nearest key for a misspelt one."""
    text = str(error)
    misspelt = re.search(r"Could not override '([\w.@/-]+)'", text)
    if misspelt:
        key, known = misspelt.group(1), list(_known_keys())
        if key in known:  # the first value of two has become its structure
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
    """Every dotted key of the configuration that the command line's choices compose."""
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
