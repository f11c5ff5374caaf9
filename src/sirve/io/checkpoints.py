"""Checkpoints: written as a whole, checked by checksum, and of plain types only."""

import logging
import os
from pathlib import Path
from typing import Any

import torch
from lightning_fabric.plugins.io.torch_io import TorchCheckpointIO

from sirve.errors import Stopped, UserError, one_line
from sirve.io import checkpoint_format, checkpoint_sizes
from sirve.io.files import atomic_file, sha256, write_text

BEST, LAST, PREVIOUS = "best.ckpt", "last.ckpt", "previous.ckpt"
TRUNK = "trunk.ckpt"  # of trainer.updates=auto: where the present branch began


class WholeCheckpointIO(TorchCheckpointIO):
    """Checkpoint storage for Lightning: atomic writes, and a ``<name>.sha256`` for each.

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
        _checksum_file(Path(path)).unlink(missing_ok=True)


def save(checkpoint: dict[str, Any], path: Path) -> None:
    """Write a checkpoint and its checksum; an intact last.ckpt is kept as previous.ckpt.

    If the process is killed at any instant, every file under a final name is complete and agrees
    with its checksum file, which during a rename holds the checksums of both the old and the new
    file. Raises Stopped if the disk refuses; the earlier checkpoints are then untouched.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(path) as temporary:
            _write(checkpoint, temporary)
            if path.name == LAST and (known := _intact_checksum(path)):
                _keep(path, path.with_name(PREVIOUS), known)
            line = _line(sha256(temporary), path)
            write_text(_checksum_file(path), line + _checksums(path))
        write_text(_checksum_file(path), line)
    except OSError as error:
        raise Stopped(
            f"{path} cannot be written ({error.strerror}); make room or choose another folder, the "
            "earlier checkpoints are intact"
        ) from error


def intact(path: Path) -> bool:
    """Return whether a checkpoint exists and agrees with its checksum file."""
    return _intact_checksum(path) is not None


def load(path: Path, map_location: Any = "cpu") -> dict[str, Any]:
    """Read a checkpoint of plain types; raises UserError if it is missing, damaged or a pickle."""
    if not path.is_file():
        raise UserError(f"{path} does not exist; name a run folder or a .ckpt file")
    if not _checksum_file(path).exists():
        logging.getLogger(__name__).warning("%s has no checksum file, so it is not checked", path)
    elif not intact(path):
        raise UserError(f"{path} is damaged: it differs from its checksum; use another checkpoint")
    try:
        checkpoint_format.require_plain(path)
        content = torch.load(path, map_location=map_location, weights_only=True)
        checkpoint_sizes.require_real(content, path.stat().st_size)
        if not isinstance(content, dict):
            raise ValueError(f"a {type(content).__name__}")
    except Exception as error:  # torch raises many types of errors for foreign files
        why = str(error) if type(error) is ValueError else type(error).__name__
        raise UserError(
            f"{path} is not a checkpoint of plain types ({one_line(why)}); "
            "a file that only pickle can load is refused"
        ) from error
    return content


def _write(checkpoint: dict[str, Any], path: Path) -> None:
    """Write through a file of Python, whose errors name the disk's problem; torch's do not."""
    try:
        with path.open("wb") as file:
            torch.save(checkpoint, file)
    except RuntimeError as error:  # torch raises it while it handles the other
        if isinstance(error.__context__, OSError):
            raise error.__context__ from None
        raise


def _intact_checksum(path: Path) -> str | None:
    """Return the checksum of a checkpoint if it agrees with its checksum file, else None."""
    checksum = sha256(path) if path.is_file() else None
    return checksum if checksum in _checksums(path).split() else None


def _keep(path: Path, as_path: Path, checksum: str) -> None:
    """Move a checkpoint and its checksum file to another name."""
    line = _line(checksum, as_path)
    write_text(_checksum_file(as_path), line + _checksums(as_path))
    os.replace(path, as_path)
    write_text(_checksum_file(as_path), line)


def _line(checksum: str, path: Path) -> str:
    return f"{checksum}  {path.name}\n"


def _checksums(path: Path) -> str:
    """Return the text of the checksum file, newest first; empty if there is none."""
    if not _checksum_file(path).is_file():  # opening a pipe would wait without end
        return ""
    try:
        with _checksum_file(path).open(encoding="utf-8", errors="replace") as file:
            return file.read(4096)
    except FileNotFoundError:
        return ""


def _checksum_file(path: Path) -> Path:
    return path.with_name(path.name + ".sha256")
