"""Checkpoints that are whole, checked, and hold plain types only."""

import logging
from pathlib import Path
from typing import Any

import torch
from lightning_fabric.plugins.io.torch_io import TorchCheckpointIO

from sirve.errors import UserError
from sirve.files import sha256, whole, write_text


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
    """Write a checkpoint and its checksum."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole(path) as temporary:
        torch.save(checkpoint, temporary)
        checksum = sha256(temporary)
    write_text(_sidecar(path), f"{checksum}  {path.name}\n")


def load(path: Path, map_location: Any = "cpu") -> dict[str, Any]:
    """Read a checkpoint, never a pickle; UserError if it is missing or damaged."""
    if not path.exists():
        raise UserError(f"{path} does not exist; name a run folder or a .ckpt file")
    sidecar = _sidecar(path)
    if not sidecar.exists():
        logging.getLogger(__name__).warning("%s has no checksum beside it: not checked", path)
    elif sidecar.read_text(encoding="utf-8").split()[:1] != [sha256(path)]:
        raise UserError(f"{path} is damaged: it differs from its checksum; use another checkpoint")
    try:
        content: dict[str, Any] = torch.load(path, map_location=map_location, weights_only=True)
    except Exception as error:  # torch raises many types for a file that is none of its own
        raise UserError(
            f"{path} is not a checkpoint of plain types ({type(error).__name__}); "
            "what only a pickle could load is refused"
        ) from error
    return content


def _sidecar(path: Path) -> Path:
    return path.with_name(path.name + ".sha256")
