"""A look at a checkpoint before torch reads it: a zip of tensors and one small pickle.

torch's restricted unpickler stands behind this, and is not leaned on: it allows more than any
checkpoint of ours needs, bytearray(10**9) for one.
"""

import io
import pickletools
import re
import zipfile
from pathlib import Path

from sirve.errors import one_line, shown

PLAN = 2_000_000  # bytes of the pickle that says what the tensors are; ours have some 10 000
ENTRIES = 100_000
_BUILDERS = re.compile(
    r"collections OrderedDict|torch\._utils _rebuild_(tensor_v2|parameter)|torch Size|"
    r"torch (\w+Storage|float(16|32|64)|bfloat16|u?int(8|16|32|64)|bool)|torch device"
)
# Other ways to name a callable than GLOBAL, whose word is in the file as it stands.
_NAMING = {"STACK_GLOBAL", "INST", "OBJ", "EXT1", "EXT2", "EXT4"}


def require_plain(path: Path) -> None:
    """Raise ValueError for a file that is more than a zip of stored tensors and plain values.

    Nothing in it may be compressed or stand for more bytes than the file has, and its pickle may
    call nothing but what makes a tensor of numbers in the file.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        if file.read(4) != b"PK\x03\x04":  # torch would take it for one of its old pickles
            raise ValueError("no zip of torch's")
        file.seek(max(0, size - 22))
        if not file.read(4) == b"PK\x05\x06":  # two tables of contents: each reader its own
            raise ValueError("a zip with something behind its end")
    try:
        with zipfile.ZipFile(path) as archive:
            _globals(archive.read(_plan(archive, size)))
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError) as error:
        raise ValueError(f"a damaged zip, {one_line(str(error))}") from error


def _plan(archive: zipfile.ZipFile, size: int) -> zipfile.ZipInfo:
    entries = archive.infolist()
    names = {entry.filename.lower() for entry in entries}  # as torch looks them up
    if len(entries) > ENTRIES or len(names) < len(entries):
        raise ValueError("a zip with two entries of the same name, or very many")
    for entry in entries:
        if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
            raise ValueError(f"a zip whose entry {shown(entry.filename)} is compressed")
    if sum(entry.file_size for entry in entries) > size:
        raise ValueError("a zip whose entries declare more bytes than the file has")
    plans = [entry for entry in entries if entry.filename.lower().endswith("data.pkl")]
    if len(plans) != 1 or plans[0].file_size > PLAN:
        raise ValueError(f"a zip without one data.pkl of at most {PLAN} bytes")
    return plans[0]


def _globals(pickle: bytes) -> None:
    for opcode, word, _ in pickletools.genops(io.BytesIO(pickle)):
        if opcode.name in _NAMING:
            raise ValueError(f"a pickle with {opcode.name}")
        if opcode.name == "GLOBAL" and not _BUILDERS.fullmatch(str(word)):
            raise ValueError(f"a pickle that calls {shown(str(word).replace(' ', '.'))}")
