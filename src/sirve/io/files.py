"""Files that are written as a whole or not at all, and safe reading of untrusted files."""

import hashlib
import itertools
import json
import os
import re
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml

from sirve.errors import UserError, one_line, printable

MB = 1_000_000
_REMEDY = "correct or remove it"
ROWS = 1_000_000  # most rows of a file with one JSON object a line
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_YAML_DEPTH, _YAML_WORD = 50, 4096
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the folder of ``path``; on success fsync it and move it into place.

    The move is one atomic rename, so a process killed at any instant leaves the old file or the
    new one, never a part.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        _sync(temporary)
        move(temporary, path)
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()


def move(temporary: Path, path: Path) -> None:
    """Replace ``path`` by a file in the same folder, in one atomic rename."""
    os.replace(temporary, path)
    _sync(path.parent)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder that becomes ``path`` on success; ``path`` must not exist yet."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.mkdir()
        yield temporary
        for part in (*temporary.iterdir(), temporary):
            _sync(part)
        os.rename(temporary, path)
        _sync(path.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` to ``path`` as a whole, or not at all."""
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def sha256(path: Path) -> str:
    """Return the checksum of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def require_name(name: str) -> None:
    """Raise UserError unless ``name`` is a plain name of a folder; ../x is not."""
    if not _NAME.fullmatch(name):
        raise UserError(
            f"the name {printable(name)} must be letters, digits, '.', '_' and '-', at most 100"
        )


def require_inside(path: Path, root: Path, what: str) -> None:
    """Raise UserError if links lead ``path`` out of ``root``, which messages call ``what``."""
    try:
        inside = path.resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError):  # links in a circle
        inside = False
    if not inside:
        raise UserError(f"{path} is a link that leaves {what} {root}; remove it")


def read_text(path: Path, limit: int, remedy: str = _REMEDY) -> str:
    """Read a text file of at most ``limit`` bytes.

    Raises FileNotFoundError, or UserError, ending with ``remedy``, for any other failure.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # opening a pipe would wait without end
            raise UserError(f"{path} is no file; {remedy}")
        with path.open("rb") as file:
            data = file.read(limit + 1)
        if len(data) > limit:
            raise UserError(
                f"{path} has more than {limit} bytes, unlike any file of sirve; {remedy}"
            )
        return data.decode("utf-8")
    except FileNotFoundError:
        raise
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); {remedy}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is damaged: no text at byte {error.start}; {remedy}") from error


def read_json(path: Path, remedy: str = _REMEDY, limit: int = 10 * MB) -> dict[str, Any]:
    """Read the object in a JSON file of at most ``limit`` bytes; errors as of ``read_text``."""
    text = read_text(path, limit, remedy)
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is damaged: {one_line(str(error))}; {remedy}") from error
    if not isinstance(found, dict):
        raise UserError(f"{path} is damaged: it holds no object; {remedy}")
    return found


def json_rows(path: Path, most: int = 64 * MB) -> Iterator[dict[str, Any]]:
    """Yield the objects of a file with one JSON object a line, without half-written lines.

    Of a file of more than ``most`` bytes only every second, third, ... line is read. Raises
    UserError for a file of more than ``ROWS`` rows.
    """
    if not path.is_file():
        return
    every = 1 + path.stat().st_size // most
    with path.open("rb") as file:
        for number in itertools.count():
            text = file.readline(MB)
            if not text:
                return
            if number > ROWS or file.tell() > ROWS * 64:
                raise UserError(f"{path} is longer than {ROWS} rows; shorten or remove it")
            try:
                row = json.loads(text) if number % every == 0 else None
            except (ValueError, RecursionError):
                continue
            if isinstance(row, dict):
                yield row


def read_yaml(path: Path) -> Any:
    """Read plain values from a YAML file of at most 1 MB; errors as of ``parse_yaml``."""
    return parse_yaml(read_text(path, MB), str(path))


def parse_yaml(text: str, name: str) -> Any:
    """Parse YAML text of plain values; ``name`` is for messages.

    Raises UserError for tags, which name types, and for aliases, because a few of them can stand
    for billions of values.
    """
    try:
        depth = 0
        for event in yaml.parse(text, Loader=_LOADER):
            starts = isinstance(event, yaml.CollectionStartEvent)
            depth += starts - isinstance(event, yaml.CollectionEndEvent)
            if getattr(event, "anchor", None) is not None:
                reason = "an anchor or alias"
            elif (tag := getattr(event, "tag", None)) is not None:
                reason = f"the tag {printable(tag)}"
            elif depth > _YAML_DEPTH:
                reason = f"more than {_YAML_DEPTH} levels"
            elif isinstance(event, yaml.ScalarEvent) and len(event.value) > _YAML_WORD:
                reason = f"a word of more than {_YAML_WORD} letters"
            else:
                continue
            raise UserError(f"{name} has {reason}; write plain values")
        return _LOADER(text).get_single_data()
    except UserError:
        raise
    except (yaml.YAMLError, ValueError, TypeError, OverflowError) as error:
        raise UserError(f"{name} is not YAML ({one_line(str(error))}); {_REMEDY}") from error


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
