"""A folder that appears under its name complete, or not at all, whatever becomes of the process that writes it.

It is written beside its place under a hidden name, flushed to the disk, and renamed. The writer holds a lock on it that ends
with the process, so the next writer can tell what a killed one left from what another is writing, and removes it.
"""

import contextlib
import ctypes
import errno
import os
import re
import secrets
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from kerasrnn._files import VERSIONS, versions_in
from kerasrnn.export._manifest import is_artefact

try:
    import fcntl
except ImportError:  # Windows, where folders have no locks: what a killed writer left stays
    fcntl = None  # type: ignore[assignment]

_NO_REPLACE, _EXCHANGE = (4, 2) if sys.platform == "darwin" else (1, 2)
_AT_FDCWD = -100
_UNWRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EBUSY, errno.EXDEV)


@contextlib.contextmanager
def complete_or_nothing(target: Path) -> Iterator[Path]:
    """Gives a folder to write to, beside `target`; it becomes `target` at the end, and is removed on any failure.

    An artefact that `target` already holds is replaced, with whatever else lies in it: on Linux and macOS in one step, so
    that `target` is always the whole old one or the whole new one. Where the file system cannot exchange two names (NFS,
    Windows) there is an instant without either; a process killed just then leaves the old one to the next export to restore.

    Raises:
        FileExistsError: `target` exists and is neither an artefact nor an empty folder.
        OSError: there is no room, or no right to write; `target` is as it was.
    """
    target = Path(os.path.realpath(target))  # what a link leads to is replaced, not the link
    with _draft(target.parent, target.name, target, _check_replaceable) as folder:
        yield folder
        _to_disk(folder)
        with _lock(target.parent):
            _check_replaceable(target)
            if not _rename_to_free(folder, target):
                _replace(folder, target)
        _flush(target.parent)


@dataclass
class Version:
    """A version being written to `folder`; once it is published, `path` is where it is."""

    folder: Path
    path: Path | None = None


@contextlib.contextmanager
def next_version(path: Path, keep: int | None = None) -> Iterator[Version]:
    """Gives a folder to write to within `path`; at the end its name becomes one more than the largest number there.

    Any number of processes may do so at once: each gets a number of its own.

    Args:
        path: the folder of version folders.
        keep: how many versions to keep, the newest; older artefacts are removed then, and nothing else. None keeps all.

    Raises:
        ValueError: `keep` is no integer of at least 1.
        FileExistsError: `path` is an artefact itself.
        OSError: there is no room, or no right to write; the versions are as they were.
    """
    if keep is not None and (not isinstance(keep, int) or isinstance(keep, bool) or keep < 1):
        raise ValueError(f"keep: expected how many versions to keep, at least 1, or None for all of them; received {keep!r}")
    with _draft(path, "version", path, _check_holds_versions) as folder:
        version = Version(folder)
        yield version
        _to_disk(folder)
        with _lock(path):
            while version.path is None:
                number = max((int(one.name) for one in versions_in(path)), default=0) + 1
                if number == VERSIONS:
                    raise ValueError(f"{path}: expected versions below {VERSIONS - 1}, after which there is a next one; received "
                                     f"{number - 1}. Rename it, or give another folder for versions.")  # fmt: skip
                free = path / str(number)
                version.path = free if _rename_to_free(folder, free) else None
        _flush(path)
    if keep is not None:
        ours = [one for one in versions_in(path) if is_artefact(one)]
        for old in ours[:-keep]:
            doomed = _hidden(path, "version")
            with contextlib.suppress(FileNotFoundError):  # another writer was first
                old.rename(doomed)
                shutil.rmtree(doomed)


def _check_replaceable(target: Path) -> None:
    if os.path.ismount(target):
        raise FileExistsError(f"{target}: is a mount point, which cannot be replaced; nothing was written. "
                              "Give the path of a folder in it.")  # fmt: skip
    if target.exists() and not is_artefact(target) and not (target.is_dir() and not any(target.iterdir())):
        raise FileExistsError(
            f"{target}: exists and holds no exported model; nothing was written. Give the path of a new folder."
        )


def _check_holds_versions(path: Path) -> None:
    if is_artefact(path):
        raise FileExistsError(f"{path}: is an exported model itself; nothing was written. Give another folder for versions.")


@contextlib.contextmanager
def _draft(parent: Path, name: str, target: Path, check: Callable[[Path], None]) -> Iterator[Path]:
    """A new hidden folder in `parent`, locked while it is written; whatever has its name at the end is removed."""
    folder = _hidden(parent, name)
    try:
        parent.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as until_written:
            with _lock(parent) as locked:
                if locked:
                    _remove_leftovers(parent, name)
                check(target)
                folder.mkdir()
                until_written.enter_context(_lock(folder))
            yield folder
    except Exception as error:
        code = getattr(error, "errno", None)
        if str(folder) in str(error):  # TensorFlow's errors carry the system's words, not its number
            code = next((code for code in _UNWRITABLE if os.strerror(code) in str(error)), code)
        if code not in _UNWRITABLE:
            raise
        what = f"{os.strerror(code)}; nothing was written. Make room, or give a folder that can be written"
        raise OSError(code, what, str(target)) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _hidden(parent: Path, name: str) -> Path:
    return parent / f".{name}.{secrets.token_hex(4)}.incomplete"


def _remove_leftovers(parent: Path, name: str) -> None:
    for path in parent.iterdir():
        if re.fullmatch(rf"\.{re.escape(name)}\.[0-9a-f]{{8}}\.(incomplete|old)", path.name):
            with contextlib.suppress(FileNotFoundError), _lock(path, wait=False) as dead:
                if dead and path.suffix == ".old" and not (parent / name).exists():
                    path.rename(parent / name)
                elif dead:
                    shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def _lock(folder: Path, wait: bool = True) -> Iterator[bool]:
    """Holds a folder's lock, which the system drops when the process ends; gives False where there is none to be had."""
    if fcntl is None:
        yield False
        return
    descriptor, locked = os.open(folder, os.O_RDONLY), False
    try:
        with contextlib.suppress(OSError):  # another has it, or the file system has none
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            locked = True
        yield locked
    finally:
        if locked:
            fcntl.flock(descriptor, fcntl.LOCK_UN)  # closing would leave it to a process forked meanwhile
        os.close(descriptor)


def _rename_to_free(folder: Path, target: Path) -> bool:
    """Renames a folder unless the name is taken; tells whether it did."""
    code = _system_rename(folder, target, _NO_REPLACE)
    if code in (0, errno.EEXIST):
        return code == 0
    try:
        folder.rename(target)  # refuses, too, to replace a folder that is not empty
    except OSError as error:
        if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
            raise
        return False
    return True


def _replace(folder: Path, target: Path) -> None:
    """Puts `folder` at `target`; what was there has the name `folder` afterwards, or is gone."""
    if _system_rename(folder, target, _EXCHANGE) == 0:
        return
    old = folder.with_suffix(".old")
    target.rename(old)
    try:
        folder.rename(target)
    except BaseException:
        old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _system_rename(source: Path, target: Path, flag: int) -> int:
    """Renames as the flag says, in one step; gives 0 or the error's number."""
    if os.name == "nt":
        return errno.ENOSYS
    libc, old, new = ctypes.CDLL(None, use_errno=True), os.fsencode(source), os.fsencode(target)
    if hasattr(libc, "renameat2"):
        failed = libc.renameat2(_AT_FDCWD, old, _AT_FDCWD, new, flag)
    elif hasattr(libc, "renamex_np"):
        failed = libc.renamex_np(old, new, flag)
    else:
        return errno.ENOSYS
    return ctypes.get_errno() if failed else 0


def _to_disk(folder: Path) -> None:
    for path in [*folder.rglob("*"), folder]:
        _flush(path)


def _flush(path: Path) -> None:
    if os.name == "nt":  # opens no folders, and flushes only files that are open for writing
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
