"""Arrays and a description in one file that tells whether it is whole."""

import hashlib
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from kerasrnn._files import write_whole

_MAGIC = b"kerasrnn backup\n"
_ABOUT = "about"
_CHUNK = 1 << 20


def write_backup(path: str | os.PathLike[str], about: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    """Writes a description and arrays to a file: an .npz archive, and behind it its SHA-256.

    A kill or a full disk half-way leaves what was under that name before.

    Args:
        path: The file's name.
        about: The description: what JSON can hold.
        arrays: Arrays by name, of NumPy's own dtypes.

    Example:

    >>> import numpy as np
    >>> write_backup("a.backup", {"epochs": 3}, {"model/0": np.arange(3)})
    >>> about, arrays = read_backup("a.backup")
    >>> about, arrays["model/0"].tolist()
    ({'epochs': 3}, [0, 1, 2])
    """
    text = np.frombuffer(json.dumps(about).encode(), "uint8")

    def write(beside: Path) -> None:
        with beside.open("x+b") as file:
            np.savez(file, **{_ABOUT: text}, **arrays)
            size = file.tell()
            file.seek(0)
            digest = _sha256(file, size)
            file.seek(size)
            file.write(digest + _MAGIC)

    write_whole(path, write)


def read_backup(path: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Reads what `write_backup` wrote.

    Returns:
        The description, and the arrays by name.

    Raises:
        ValueError: If the file is not whole, or is no such file.
    """
    path = Path(path)
    end = hashlib.sha256().digest_size + len(_MAGIC)
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END) - end
        file.seek(max(size, 0))
        digest, magic = file.read()[: -len(_MAGIC)], _tail(file)
        file.seek(0)
        if size <= 0 or magic != _MAGIC or _sha256(file, size) != digest:
            raise ValueError(f"The backup {str(path)!r} is damaged: its SHA-256 is not the one at its end.")
        file.seek(0)
        try:
            with np.load(file, allow_pickle=False) as archive:
                arrays = {name: archive[name] for name in archive.files}
            return json.loads(arrays.pop(_ABOUT).tobytes()), arrays
        except (KeyError, ValueError, zipfile.BadZipFile) as error:
            raise ValueError(f"{str(path)!r} must be a backup that kerasrnn wrote, but cannot be read: {error}.") from error


def _tail(file: Any) -> bytes:
    file.seek(0, os.SEEK_END)
    file.seek(max(file.tell() - len(_MAGIC), 0))
    return file.read()


def _sha256(file: Any, size: int) -> bytes:
    """Of the next `size` bytes."""
    digest = hashlib.sha256()
    while size > 0 and (chunk := file.read(min(_CHUNK, size))):
        digest.update(chunk)
        size -= len(chunk)
    return digest.digest()
