"""Check the format of a checkpoint before torch reads it: a zip of tensors and one small pickle.

torch's restricted unpickler runs after this check, but it allows more than a checkpoint of sirve
needs, for example bytearray(10**9).
"""

import io
import pickletools
import re
import zipfile
from pathlib import Path

from sirve.errors import one_line, printable

PLAN = 2_000_000  # most bytes of the pickle that describes the tensors; sirve's have about 10 000
ENTRIES = 100_000
_BUILDERS = re.compile(
    r"collections OrderedDict|torch\._utils _rebuild_(tensor_v2|parameter)|torch Size|"
    r"torch (\w+Storage|float(16|32|64)|bfloat16|u?int(8|16|32|64)|bool)|torch device"
)
# Other opcodes than GLOBAL that name a callable; the name in GLOBAL can be read directly.
_NAMING = {"STACK_GLOBAL", "INST", "OBJ", "EXT1", "EXT2", "EXT4"}


def require_plain(path: Path) -> None:
    """Raise ValueError unless a file is a zip of uncompressed tensors and plain values.

    Nothing in it may declare more bytes than the file has, and its pickle may call only the
    functions that make a tensor from numbers in the file.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        if file.read(4) != b"PK\x03\x04":  # torch would read it as one of its old pickles
            raise ValueError("no zip of torch")
        file.seek(max(0, size - 22))
        if file.read(4) != b"PK\x05\x06":  # a second table of contents could hide there
            raise ValueError("a zip with something behind its end")
    try:
        with zipfile.ZipFile(path) as archive:
            _require_known_calls(archive.read(_pickle_entry(archive, size)))
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError) as error:
        raise ValueError(f"a damaged zip, {one_line(str(error))}") from error


def _pickle_entry(archive: zipfile.ZipFile, size: int) -> zipfile.ZipInfo:
    entries = archive.infolist()
    names = {entry.filename.lower() for entry in entries}  # as torch looks them up
    if len(entries) > ENTRIES or len(names) < len(entries):
        raise ValueError("a zip with two entries of the same name, or very many")
    for entry in entries:
        if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
            raise ValueError(f"a zip whose entry {printable(entry.filename)} is compressed")
    if sum(entry.file_size for entry in entries) > size:
        raise ValueError("a zip whose entries declare more bytes than the file has")
    plans = [entry for entry in entries if entry.filename.lower().endswith("data.pkl")]
    if len(plans) != 1 or plans[0].file_size > PLAN:
        raise ValueError(f"a zip without one data.pkl of at most {PLAN} bytes")
    return plans[0]


def _require_known_calls(pickle: bytes) -> None:
    for opcode, word, _ in pickletools.genops(io.BytesIO(pickle)):
        if opcode.name in _NAMING:
            raise ValueError(f"a pickle with {opcode.name}")
        if opcode.name == "GLOBAL" and not _BUILDERS.fullmatch(str(word)):
            raise ValueError(f"a pickle that calls {printable(str(word).replace(' ', '.'))}")
