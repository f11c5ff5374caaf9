"""What must not reach a run's files: literal secrets, and values from the environment.

config.yaml, W&B and a sweep's multirun.yaml keep ``${oc.env:NAME}`` as it is written. So a secret
is safe where it is such a reference, and a reference is safe where nothing but its text is kept.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from sirve.errors import UserError

# A key that names a secret: hf_token, wandbApiKey, db.password, but not tokens or token_size.
_SECRET = re.compile(r"passw|passphrase|secret|credential|api_?key|(access|private)_?key|token$")
_REFERENCE = re.compile(r"\$\{oc\.env:\w+(,\s*null)?\}")

# Groups whose values are written: into the dataset, the checkpoints, the scores.
WRITTEN = (
    "seed",
    "names",
    "sim",
    "model",
    "observe",
    "data",
    "fit",
    "sizes",
    "ridge",
    "varpro",
    "ensemble",
    "inside",
    "objective",
    "optimizer",
    "trainer",
)
FREE = ("data.root",)


def is_secret(key: str) -> bool:
    """Whether a part of a dotted key says that its value is a secret."""
    parts = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", key).lower().replace("-", "_").split(".")
    return any(_SECRET.search(part) for part in parts)


def refuse_literals(config: Any, place: str = "") -> None:
    """UserError for a secret given as itself; its value is in no message."""
    for key, value in _leaves(config, place):
        harmless = value is None or value == "" or isinstance(value, bool)
        reference = isinstance(value, str) and _REFERENCE.fullmatch(value)
        if is_secret(key) and not harmless and not reference:
            raise UserError(
                f"{key}: a secret would be written to the run's files; give it as "
                f"'{key}=${{oc.env:NAME}}', quoted for the shell"
            )


def refuse_references(settled: Mapping[str, Any]) -> None:
    """UserError for a reference to the environment whose value, not its text, would be written.

    ``settled`` is the configuration with only these references left in it.
    """
    for key, value in _leaves(settled):
        written = key.partition(".")[0] in WRITTEN and key not in FREE
        if written and isinstance(value, str) and "${oc.env:" in value:
            raise UserError(
                f"{key}: what {value} gives would be written to the run's files; write the value "
                "itself (references can stand in runs, data.root, logger and keys of your own)"
            )


def _leaves(value: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """Every value that is no list or dict, with its dotted key."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _leaves(item, f"{place}.{key}" if place else str(key))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _leaves(item, place)
    else:
        yield place, value
