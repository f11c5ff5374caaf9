"""A checkpoint that a run can resume from."""

from pathlib import Path
from typing import Any, TypeVar

from sirve.errors import UserError
from sirve.io import checkpoints

T = TypeVar("T")

SAVER, CURVE = "Saver", "LearningCurve"  # callbacks' names: the keys of their states


class Saved:
    """The training state in a checkpoint: steps, seconds, best validation score.

    With trainer.updates=auto it has ``points`` of the learning curve, ``first``, the updates of
    its first network, else 0, and ``branched``, whether trunk.ckpt is needed to go on. Its steps,
    seconds and CPU time count all branches.

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
        self.points, self.first, self.branched = list[dict[str, Any]](), 0, False
        if CURVE in content["callbacks"]:
            self._read_curve(path, _entry(path, content["callbacks"], CURVE, dict))
        for seconds in (self.seconds, self.processor):
            if self.step < 0 or not 0 <= seconds < float("inf"):
                raise UserError(f"{path} counts steps {self.step}, seconds {seconds}; {_OTHER}")

    def _read_curve(self, path: Path, state: dict[str, Any]) -> None:
        self.first = _entry(path, state, "first", int)
        for point in _entry(path, state, "points", list):
            found = point if isinstance(point, dict) else {}
            self.points.append({k: _entry(path, found, k, kind) for k, kind in _POINT.items()})
        aside = _entry(path, state, "aside", dict)
        self.step += _entry(path, aside, "updates", int)
        self.seconds += _entry(path, aside, "seconds", float)
        self.processor += _entry(path, aside, "processor", float)
        self.branched = state.get("fork") is not None
        if self.branched:
            for spent in ("seconds", "processor"):
                _entry(path, _entry(path, state, "fork", dict), spent, float)


_OTHER = "use another checkpoint"
_POINT: dict[str, type[Any]] = {"updates": int, "cpu_seconds": float, "valid_log_error": float}
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
