"""A checkpoint that a run can resume from."""

from pathlib import Path
from typing import Any, TypeVar

from sirve.errors import UserError
from sirve.io import checkpoints

T = TypeVar("T")

SAVER = "Saver"  # the callback's name: the key of its state in a checkpoint


class Saved:
    """The training state in a checkpoint: steps, seconds, best validation score.

    Raises UserError for a file that a trainer would not have left.
    """

    def __init__(self, path: Path) -> None:
        content = checkpoints.load(path)
        state = _entry(path, _entry(path, content, "callbacks", dict), SAVER, dict)
        for key, kind in _TRAINERS.items():
            _entry(path, content, key, kind)
        self.path, self.step = path, _entry(path, content, "global_step", int)
        self.done = _entry(path, state, "done", bool)
        self.seconds = _entry(path, state, "seconds", float)
        self.processor = _entry(path, {"processor": 0.0} | state, "processor", float)
        self.best = _entry(path, state, "best", float)
        self.has_best = self.best < float("inf")
        for seconds in (self.seconds, self.processor):
            if self.step < 0 or not 0 <= seconds < float("inf"):
                raise UserError(f"{path} counts steps {self.step}, seconds {seconds}; {_OTHER}")


_OTHER = "use another checkpoint"
_TRAINERS: dict[str, type[Any]] = {
    "state_dict": dict,
    "loops": dict,
    "optimizer_states": list,
    "lr_schedulers": list,
}


def _entry(path: Path, content: dict[str, Any], key: str, kind: type[T]) -> T:
    """Return the value under ``key``; raise UserError where its type is wrong."""
    found = content.get(key)
    if not isinstance(found, kind) or (kind is int and isinstance(found, bool)):
        raise UserError(f"{path} has no {key} that a trainer would have left; {_OTHER}")
    return found
