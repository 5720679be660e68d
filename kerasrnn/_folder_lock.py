"""A folder's lock, which the system drops when its process ends, however it ends."""

import contextlib
import errno
import os
import warnings
from collections.abc import Iterator
from pathlib import Path

NAME = ".lock"
_HELD = (errno.EAGAIN, errno.EACCES, errno.EDEADLK)
_BEYOND = 2**30  # Windows keeps others from reading the bytes that are locked: here, none that hold the number


@contextlib.contextmanager
def only_process(folder: str | os.PathLike[str], argument: str, doing: str) -> Iterator[None]:
    """Keeps all other processes out of a folder that they enter by this function too; whoever only reads needs no lock.

    A new folder is made, and removed at the end where nothing was put into it. On a file system without locks, a warning
    says so.

    Args:
        folder: The folder.
        argument: What the caller calls it, for the error.
        doing: What is done in it, as "trained".

    Raises:
        ValueError: Another process, or another thread of this one, is in it. The message gives the process's number.

    Example:

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as runs, only_process(f"{runs}/new", "folder", "trained"):
    ...     os.listdir(f"{runs}/new")
    ['.lock']
    """
    folder = Path(folder)
    is_new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / NAME
    descriptor = _locked(path, argument, doing)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # Windows removes no open file
            path.unlink()
        os.close(descriptor)
        if is_new:
            with contextlib.suppress(OSError):  # something is in it, as there should be
                folder.rmdir()


def is_empty(folder: Path) -> bool:
    """Whether nothing is in a folder but a lock, or a file that was not finished."""
    return not any(path.name != NAME and not path.name.startswith(".incomplete.") for path in folder.iterdir())


def _locked(path: Path, argument: str, doing: str) -> int:
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            _lock(descriptor)
        except OSError as error:
            if error.errno in _HELD:
                number = os.read(descriptor, 20).decode("ascii", "replace") or "unknown"
                os.close(descriptor)
                raise ValueError(
                    f"{argument}: expected a folder that no other process works in; received {str(path.parent)!r}, which is "
                    f"being {doing} by process {number}. Wait for it to end, or name another folder."
                ) from error
            warnings.warn(
                f"{str(path.parent)!r} has no lock ({error.strerror}): run one process in it at a time.", stacklevel=4
            )
        # The one who had the lock may have removed the file that this one waited with.
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), os.stat(path)):
                os.ftruncate(descriptor, 0)
                os.write(descriptor, str(os.getpid()).encode())
                return descriptor
        os.close(descriptor)


def _lock(descriptor: int) -> None:
    try:
        import fcntl
    except ImportError:
        import msvcrt

        os.lseek(descriptor, _BEYOND, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        os.lseek(descriptor, 0, os.SEEK_SET)
    else:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
