"""The folder of an exported model, read without trusting it: no pickle, sizes checked first.

    model.safetensors   weights, exact bits, and a context with its forecast to check them by
    model.json          description of the model: configuration, data, types, checksums, and the
                        shapes and types of the step program, (B, ...) with B as 1
    step.pt2            one step, by torch.export, for programs without sirve

step.pt2 is hashed here and never loaded: ``torch.export.load`` unpickles. In torch 2.13 weights and
constants that the archive itself marks so go through ``torch.load(weights_only=False)`` or
``pickle.loads``, and sample inputs do where ``weights_only=True`` fails; its own documentation says
not to load untrusted files.
"""

import json
from hashlib import sha256 as digest
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save
from torch import Tensor

from sirve.errors import UserError
from sirve.io.files import sha256, write_text

WEIGHTS, ABOUT, STEP = "model.safetensors", "model.json", "step.pt2"
FORMAT = 1
LARGEST = 2**24  # bytes of model.json; ours have a few thousand


def is_exported(path: Path) -> bool:
    """Return whether a folder holds an exported model, or parts of one."""
    return (path / ABOUT).exists() or (path / WEIGHTS).exists()


def write(folder: Path, about: dict[str, Any], tensors: dict[str, Tensor], step: bytes) -> None:
    """Write the three files; OSError where the disk refuses."""
    # Python's own files raise errors that say what is wrong with the disk.
    (folder / WEIGHTS).write_bytes(save({k: v.contiguous() for k, v in tensors.items()}))
    (folder / STEP).write_bytes(step)
    sums = {name: sha256(folder / name) for name in (WEIGHTS, STEP)}
    about = {"format": FORMAT, **about, "sha256": sums}
    sums[ABOUT] = _checksum(about)  # of everything else in the file
    write_text(folder / ABOUT, json.dumps(about, indent=2) + "\n")


def read(folder: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return model.json and the tensors; raise UserError where a file is damaged or missing."""
    for name in (WEIGHTS, ABOUT, STEP):
        if not (folder / name).is_file():
            raise UserError(f"{folder / name} is missing; export the model again")
    about = _about(folder / ABOUT)
    if about.get("format") != FORMAT:
        raise UserError(
            f"{folder / ABOUT} has format {ascii(about.get('format'))[:40]}, this sirve reads "
            f"{FORMAT}; load it with the sirve that wrote it"
        )
    sums = about["sha256"]
    rest = {**about, "sha256": {name: sums.get(name) for name in (WEIGHTS, STEP)}}
    for name in (ABOUT, WEIGHTS, STEP):
        found = _checksum(rest) if name == ABOUT else sha256(folder / name)
        if found != sums.get(name):
            raise UserError(
                f"{folder / name} is damaged: it differs from its checksum; export the model again"
            )
    try:
        return about, load_file(folder / WEIGHTS)
    except Exception as error:  # safetensors raises several types
        raise UserError(
            f"{folder / WEIGHTS} is not a safetensors file ({type(error).__name__}); "
            "export the model again"
        ) from error


def _about(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            text = file.read(LARGEST + 1)
        about = json.loads(text) if len(text) <= LARGEST else None
    except (ValueError, RecursionError):
        about = None
    if not isinstance(about, dict) or not isinstance(about.get("sha256"), dict):
        raise UserError(f"{path} is damaged or not from an exported model; export the model again")
    return about


def _checksum(about: dict[str, Any]) -> str:
    return digest(json.dumps(about, sort_keys=True).encode()).hexdigest()
