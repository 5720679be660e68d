"""A folder that appears under its name complete, or not at all."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from kerasrnn.export._manifest import FILE_NAME


@contextlib.contextmanager
def complete_or_nothing(target: Path) -> Iterator[Path]:
    """Gives a folder to write to, beside `target`; renames it to `target` at the end, removes it on any failure.

    An artefact that `target` already holds is replaced then; anything else there is left alone.

    Raises:
        FileExistsError: `target` exists and is neither an artefact nor an empty folder.
    """
    replaceable = not target.exists() or (target / FILE_NAME).is_file() or (target.is_dir() and not any(target.iterdir()))
    if not replaceable:
        raise FileExistsError(
            f"{target}: exists and holds no exported model; nothing was written. Give the path of a new folder."
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".incomplete", dir=target.parent))
    try:
        beside.chmod(0o755)
        yield beside
        _to_disk(beside)
        if target.exists():
            old = beside.with_suffix(".old")
            target.rename(old)
            beside.rename(target)
            shutil.rmtree(old)
        else:
            beside.rename(target)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise


def _to_disk(folder: Path) -> None:
    for path in [folder, *folder.rglob("*")]:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
