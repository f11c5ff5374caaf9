"""The words of ``sirve evaluate RUN limit=true``, and the limit's place among the scores."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from sirve.errors import UserError, nearest
from sirve.evaluation.score import Scored
from sirve.pipeline.limit import Options, limit_of

NAMES = ("frames", "members", "starts")


def split_words(words: Sequence[Path]) -> tuple[list[Path], Options | None]:
    """Return the files among ``words``, and the options of the limit, None where it is not asked.

    Words are ``limit=true``, ``limit.frames=[1,8,30]``, ``limit.members=8``, ``limit.starts=16``.
    Raises UserError for a word that is none of them.
    """
    files: list[Path] = []
    asked, given = False, dict[str, Any]()
    for word in words:
        name, equals, text = str(word).partition("=")
        if not equals or name.partition(".")[0] != "limit" or word.exists():
            files.append(word)
            continue
        value = _value(str(word), text)
        if name == "limit":
            if not isinstance(value, bool):
                raise UserError(f"{word} must be limit=true or limit=false")
            asked = value
        elif name.removeprefix("limit.") in NAMES:
            given[name.removeprefix("limit.")] = value
        else:
            known = [f"limit.{key}" for key in NAMES]
            raise UserError(f"{name} is unknown; {nearest(name, known)}")
    if not asked:
        return files, None
    return files, Options(**given)


def _value(word: str, text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        raise UserError(f"{word} is no value; give a number, a list as [1,8,30], or true") from None


def with_limit(scored: Scored, path: Path, options: Options) -> Scored:
    """Return the scores of a run with those of its limit; raises UserError for any other file."""
    folder = path if path.is_dir() else path.parent
    if not (folder / "metrics.json").is_file():
        raise UserError(
            f"{path}: limit=true needs the equations of its system; give the folder of a run"
        )
    found = limit_of(folder, options)
    limit = {name: found[name] for name in ("nrmse", "chi2")}
    more = {"limit": limit, "effective_memory": found["effective_memory"]}
    return Scored({**scored.scores, **more}, scored.left_out)
