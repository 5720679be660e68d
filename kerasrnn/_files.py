"""A file that appears under its name complete, or not at all; and how a file of text is encoded."""

import codecs
import csv
import errno
import io
import json
import os
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

Result = TypeVar("Result")

_INCOMPLETE = ".incomplete."
# UTF-32's first, for UTF-16's mark begins it.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
VERSIONS = 2**63  # TensorFlow Serving takes larger numbers for none
_ABANDONED = 3600  # seconds without a change after which nobody is writing a file any more


def write_whole(path: str | os.PathLike[str], write: Callable[[Path], Result]) -> Result:
    """Calls `write` with a path beside `path`, and renames what it wrote there to `path` once it is on the disk.

    An error, a full disk or a kill half-way leaves what `path` held before. Folders on the way are made.

    Args:
        path: The file's name.
        write: What writes the file; the end of the name that it gets is `path`'s, as savers choose the format by it.

    Returns:
        What `write` returns.

    Raises:
        OSError: If the file cannot be written; besides whatever `write` raises.

    Example:

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_whole(Path(folder, "a.txt"), lambda beside: beside.write_text("whole"))
    ...     [(file.name, file.read_text()) for file in Path(folder).iterdir()]
    5
    [('a.txt', 'whole')]
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(path)
    # Two that write the same file at once do not meet.
    beside = path.with_name(f"{_INCOMPLETE}{uuid.uuid4().hex}.{path.name}")
    try:
        result = write(beside)
        with beside.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(beside, path)
        return result
    except OSError as error:
        # HDF5 gives the system's words without its number.
        full = [code for code in (errno.ENOSPC, errno.EDQUOT) if error.errno == code or os.strerror(code) in str(error)]
        if not full:
            raise
        what = f"{os.strerror(full[0])}; what the file held before is still there. Free some space"
        raise OSError(full[0], what, str(path)) from error
    finally:
        beside.unlink(missing_ok=True)


def write_stream(path: str | os.PathLike[str], write: Callable[[BinaryIO], Result]) -> Result:
    """Does as `write_whole` with an open file, for what takes no path or would change its name."""

    def to_file(beside: Path) -> Result:
        with beside.open("xb") as file:
            return write(file)

    return write_whole(path, to_file)


def write_json(path: str | os.PathLike[str], value: Any, indent: int | None = None) -> None:
    """Writes a value as JSON in UTF-8, as `write_whole` does."""
    write_whole(path, lambda beside: beside.write_text(json.dumps(value, indent=indent), encoding="utf-8"))


def read_json(path: str | os.PathLike[str]) -> Any:
    """Reads JSON in UTF-8.

    Raises:
        ValueError: It is none.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except RecursionError as error:
        raise ValueError("it is nested too deeply to be read") from error


def versions_in(folder: Path) -> list[Path]:
    """The versions in a folder that TensorFlow Serving reads, the oldest first: numbers of 64 bits; all else is somebody's own."""
    paths = [path for path in folder.glob("[0-9]*") if path.name.isascii() and path.name.isdecimal()]
    # Python refuses to read a number of thousands of digits.
    return sorted((path for path in paths if len(path.name) < 20 and int(path.name) < VERSIONS), key=lambda path: int(path.name))


def read_csv(path: str | os.PathLike[str]) -> list[dict[str, str]]:
    """Reads a table of numbers as text, a dictionary a row; without rows that a kill cut off.

    Raises:
        ValueError: It is none; the message names the file.
    """
    try:
        with open(path, newline="", encoding="utf-8") as file:
            rows = [row for row in csv.DictReader(file) if None not in (*row, *row.values())]
        for row in rows:
            for value in row.values():
                float(value)
    except (ValueError, csv.Error) as error:
        raise ValueError(
            f"{os.fspath(path)!r} must be a table of numbers in UTF-8, but is damaged: {error}. Move it away."
        ) from error
    return rows


def check_encoding(encoding: str) -> None:
    """Raises ValueError where Python knows no encoding of text by this name."""
    try:
        if not isinstance(encoding, str):  # None would be the machine's own
            raise LookupError(encoding)
        # Unlike the look-up of a decoder this also refuses what is no encoding of text, such as 'hex'.
        io.TextIOWrapper(io.BytesIO(), encoding)
    except (LookupError, ValueError) as error:
        raise ValueError(
            f"encoding: expected one that Python knows; received {encoding!r}. Pass its name, such as 'utf-8' or 'latin-1'."
        ) from error


def encoding_by_mark(first: bytes, encoding: str) -> str:
    """The encoding that a file's first four bytes tell by a byte order mark; without one, the encoding given."""
    return next((marked for mark, marked in _MARKS if first.startswith(mark)), encoding)


def unix_line_ends(pieces: Iterable[str]) -> Iterator[str]:
    """The pieces of a text with "\\n" for each "\\r\\n", be it cut between the two."""
    held = ""
    for piece in pieces:
        text = held + piece
        held = "\r" if text.endswith("\r") else ""
        if text := text[: len(text) - len(held)]:
            yield text.replace("\r\n", "\n")
    if held:
        yield held


def _remove_abandoned(path: Path) -> None:
    """Removes what a killed process left of the same file."""
    for left in path.parent.iterdir():
        if left.name.startswith(_INCOMPLETE) and left.name.endswith(f".{path.name}"):
            try:
                if time.time() - left.stat().st_mtime > _ABANDONED:
                    left.unlink()
            except FileNotFoundError:  # its writer was at work after all, and finished
                continue
