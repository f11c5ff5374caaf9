"""Files of W&B in a run's folder: the id of the W&B run, and whether its record is complete."""

import re
import secrets
import struct
from pathlib import Path
from typing import Any

from sirve.io.files import read_text, write_text

_ID = re.compile(r"[a-z0-9]{8}")
_HEADER, _BLOCK = 7, 32768  # bytes


def stored_id(folder: Path) -> str | None:
    """Return the id of the W&B run that tracked an earlier part of this run; None for a new run.

    Runs from before the file ``run_id`` have the id in the name of W&B's own folder.
    """
    file = folder / "run_id"
    if file.is_file():
        names = [read_text(file, 100).strip()]
    else:
        names = [path.name.rpartition("-")[2] for path in sorted(folder.glob("*run-*-*"))]
    return next(filter(_ID.fullmatch, names), None)


def new_id(folder: Path) -> str:
    """Store a new id in the file ``run_id`` and return it."""
    found = secrets.token_hex(4)
    write_text(folder / "run_id", found)
    return found


def has_end(folder: Path) -> bool:
    """Return whether the .wandb file ends with the record of the run's end.

    It does not where the disk was full or W&B's process was killed.
    """
    from wandb.proto import wandb_internal_pb2

    record: Any = wandb_internal_pb2.Record  # type: ignore[attr-defined]
    return bool(record.FromString(last_record(folder)).HasField("exit"))


def last_record(folder: Path) -> bytes:
    """Return the last record of the .wandb file, a protocol buffer; empty where it is cut off.

    The format is the log of LevelDB: records in pieces, each after a header (checksum, size and
    kind: 1 whole, 2 first, 3 middle, 4 last), in blocks that no piece crosses.
    """
    (path,) = folder.glob("run-*.wandb")
    content = path.read_bytes()
    at, record, kind = _HEADER, b"", 0
    while at + _HEADER <= len(content):
        room = _BLOCK - at % _BLOCK
        if room < _HEADER:
            at += room
            continue
        _, size, kind = struct.unpack_from("<IHB", content, at)
        piece = content[at + _HEADER : at + _HEADER + size]
        record = piece if kind in (1, 2) else record + piece
        at += _HEADER + size
    return record if at == len(content) and kind in (1, 4) else b""
