"""Checkpoints that are whole, checked, and hold plain types only."""

import logging
import os
from pathlib import Path
from typing import Any

import torch
from lightning_fabric.plugins.io.torch_io import TorchCheckpointIO

from sirve.errors import Stopped, UserError, one_line
from sirve.io import checkpoint_format, checkpoint_sizes
from sirve.io.files import sha256, whole, write_text

BEST, LAST, PREVIOUS = "best.ckpt", "last.ckpt", "previous.ckpt"


class WholeCheckpointIO(TorchCheckpointIO):
    """Writes beside the target, fsyncs, replaces; ``<name>.sha256`` lies beside each checkpoint.

    Lightning's own save goes through the temporary folder and a move, which is not atomic between
    devices, and ``torch.load`` does not notice a flipped bit.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None
    ) -> None:
        save(checkpoint, Path(path))

    def load_checkpoint(
        self, path: Any, map_location: Any = None, weights_only: bool | None = True
    ) -> dict[str, Any]:
        return load(Path(path), map_location)

    def remove_checkpoint(self, path: Any) -> None:
        Path(path).unlink(missing_ok=True)
        _sidecar(Path(path)).unlink(missing_ok=True)


def save(checkpoint: dict[str, Any], path: Path) -> None:
    """Write a checkpoint and its checksum; a good last.ckpt that it replaces is kept as previous.

    Killed at any instant, every file under a final name is whole and agrees with its side-car,
    which for one rename holds the checksums of the old file and of the new. Raises Stopped where
    the disk refuses; what was there before is then untouched.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole(path) as temporary:
            _write(checkpoint, temporary)
            if path.name == LAST and (known := _good(path)):
                _keep(path, path.with_name(PREVIOUS), known)
            line = _line(sha256(temporary), path)
            write_text(_sidecar(path), line + _known(path))
        write_text(_sidecar(path), line)
    except OSError as error:
        raise Stopped(
            f"{path} cannot be written ({error.strerror}); make room or choose another folder, the "
            "checkpoints before it are intact"
        ) from error


def intact(path: Path) -> bool:
    """Whether a checkpoint is there and agrees with its side-car."""
    return _good(path) is not None


def load(path: Path, map_location: Any = "cpu") -> dict[str, Any]:
    """Read a checkpoint, never a pickle; UserError if it is missing or damaged."""
    if not path.is_file():
        raise UserError(f"{path} does not exist; name a run folder or a .ckpt file")
    if not _sidecar(path).exists():
        logging.getLogger(__name__).warning("%s has no checksum beside it: not checked", path)
    elif not intact(path):
        raise UserError(f"{path} is damaged: it differs from its checksum; use another checkpoint")
    try:
        checkpoint_format.require_plain(path)
        content = torch.load(path, map_location=map_location, weights_only=True)
        checkpoint_sizes.require_real(content, path.stat().st_size)
        if not isinstance(content, dict):
            raise ValueError(f"a {type(content).__name__}")
    except Exception as error:  # torch raises many types for a file that is none of its own
        why = str(error) if type(error) is ValueError else type(error).__name__
        raise UserError(
            f"{path} is not a checkpoint of plain types ({one_line(why)}); "
            "what only a pickle could load is refused"
        ) from error
    return content


def _write(checkpoint: dict[str, Any], path: Path) -> None:
    """By Python's own file, whose errors say what is wrong with the disk; torch's do not."""
    try:
        with path.open("wb") as file:
            torch.save(checkpoint, file)
    except RuntimeError as error:  # torch's, on the way out of the other
        if isinstance(error.__context__, OSError):
            raise error.__context__ from None
        raise


def _good(path: Path) -> str | None:
    """The checksum of a checkpoint that agrees with its side-car."""
    checksum = sha256(path) if path.is_file() else None
    return checksum if checksum in _known(path).split() else None


def _keep(path: Path, as_path: Path, checksum: str) -> None:
    """Move a checkpoint, with its side-car, to another name."""
    line = _line(checksum, as_path)
    write_text(_sidecar(as_path), line + _known(as_path))
    os.replace(path, as_path)
    write_text(_sidecar(as_path), line)


def _line(checksum: str, path: Path) -> str:
    return f"{checksum}  {path.name}\n"


def _known(path: Path) -> str:
    """What the side-car says, newest first; empty where there is none."""
    if not _sidecar(path).is_file():  # a pipe would be waited for
        return ""
    try:
        with _sidecar(path).open(encoding="utf-8", errors="replace") as file:
            return file.read(4096)
    except FileNotFoundError:
        return ""


def _sidecar(path: Path) -> Path:
    return path.with_name(path.name + ".sha256")
