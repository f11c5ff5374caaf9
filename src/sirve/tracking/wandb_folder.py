"""What W&B leaves in a run's folder, read without W&B."""

import re
import struct
from pathlib import Path

_RUN = re.compile(r"(?:offline-)?run-\d{8}_\d{6}-([a-z0-9]{8})")
_HEADER, _BLOCK = 7, 32768  # bytes


def known(folder: Path) -> str | None:
    """The id of the W&B run as which an earlier part of this run was tracked."""
    for path in sorted(folder.iterdir()):
        if match := _RUN.fullmatch(path.name):
            return match[1]
    return None


def last_record(folder: Path) -> bytes:
    """The last record of the .wandb file, a protocol buffer; empty where the file breaks off.

    The format is LevelDB's log: pieces of records, each behind its checksum, size and kind (1
    whole, 2 first, 3 middle, 4 last), in blocks that no piece crosses.
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
