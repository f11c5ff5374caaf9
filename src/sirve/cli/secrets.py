"""Keep secrets out of the files of a run.

config.yaml, W&B and the multirun.yaml of a sweep keep a reference ``${oc.env:NAME}`` as text. So a
secret must be given as such a reference, and a reference must not stand where its value would be
written.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from sirve.errors import UserError

# A key that names a secret: hf_token, wandbApiKey, db.password, but not tokens or token_size.
_SECRET = re.compile(r"passw|passphrase|secret|credential|api_?key|(access|private)_?key|token$")
_REFERENCE = re.compile(r"\$\{oc\.env:\w+(,\s*null)?\}")

# Groups whose values are written into the dataset, the checkpoints or the scores.
WRITTEN = (
    "seed",
    "names",
    "sim",
    "model",
    "observe",
    "data",
    "fit",
    "training",
    "ensemble",
    "inside",
    "objective",
    "optimizer",
    "trainer",
)
NOT_WRITTEN = ("data.root",)  # keys in these groups


def is_secret(key: str) -> bool:
    """Return True where a part of a dotted key is the name of a secret."""
    parts = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", key).lower().replace("-", "_").split(".")
    return any(_SECRET.search(part) for part in parts)


def refuse_literals(config: Any, place: str = "") -> None:
    """Raise UserError for a secret whose value is given; the message does not repeat it."""
    for key, value in _leaves(config, place):
        harmless = value is None or value == "" or isinstance(value, bool)
        reference = isinstance(value, str) and _REFERENCE.fullmatch(value)
        if is_secret(key) and not harmless and not reference:
            raise UserError(
                f"{key}: a secret would be written to the run's files; give it as "
                f"'{key}=${{oc.env:NAME}}', quoted for the shell"
            )


def refuse_references(config: Mapping[str, Any]) -> None:
    """Raise UserError for a reference to the environment whose value would be written.

    ``config`` has no other references left in it.
    """
    for key, value in _leaves(config):
        written = key.partition(".")[0] in WRITTEN and key not in NOT_WRITTEN
        if written and isinstance(value, str) and "${oc.env:" in value:
            raise UserError(
                f"{key}: the value of {value} would be written to the run's files; give the value "
                "itself (references can stand in runs, data.root, logger and keys of your own)"
            )


def _leaves(value: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each value that is neither a list nor a dictionary, with its dotted key."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _leaves(item, f"{place}.{key}" if place else str(key))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _leaves(item, place)
    else:
        yield place, value
