"""A file that appears under its name complete, or not at all."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any


def write_whole(path: Path, write: Callable[[Path], Any]) -> None:
    """Calls `write` with a path beside `path`, and renames what it wrote to `path`.

    A full disk or a kill half-way leaves what `path` held before.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".incomplete.{path.name}")  # Keras chooses the format by the end of the name
    try:
        write(beside)
        with beside.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
