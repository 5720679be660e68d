"""What a folder named on the command line holds, told without TensorFlow, whose import takes seconds."""

import os
from collections.abc import Iterable
from pathlib import Path

from kerasrnn._files import versions_in

# The corpora that have names: those of kerasrnn.data, which imports TensorFlow.
CORPORA = ("moby_dick", "time_machine", "tiny_shakespeare", "ptb", "wikitext2", "text8", "enwik8")


def is_run(folder: Path) -> bool:
    """Whether `kerasrnn train` wrote it."""
    return (folder / "config.json").is_file()


def require_run(*folders: Path) -> None:
    """Raises FileNotFoundError where one is no run's folder."""
    for folder in folders:
        if not is_run(folder):
            is_exported = _artefact_in(folder) is not None
            received = f"the exported model {str(folder)!r}" if is_exported else _seen(folder)
            remedy = "Name the run that it was exported from." if is_exported else _remedy(folder, "a run")
            raise FileNotFoundError(f"RUN: expected a folder that kerasrnn train wrote; received {received}. {remedy}")


def find_artefact(folder: Path) -> Path:
    """The folder of an exported model: the one given, or the one that `kerasrnn export` wrote within it.

    Raises:
        FileNotFoundError: There is neither.
    """
    found = _artefact_in(folder)
    if found is None:
        remedy = f"Export the run first: kerasrnn export {folder}." if is_run(folder) else _remedy(folder, "an exported model")
        received = f"the run {str(folder)!r}, which is not exported" if is_run(folder) else _seen(folder)
        raise FileNotFoundError(f"EXPORT: expected a folder that kerasrnn export wrote; received {received}. {remedy}")
    return found


def require_run_or_artefact(folder: Path) -> None:
    """Raises FileNotFoundError where it is neither."""
    if not is_run(folder) and _artefact_in(folder) is None:
        raise FileNotFoundError(
            f"RUN: expected a folder that kerasrnn train or kerasrnn export wrote; received {_seen(folder)}. "
            f"{_remedy(folder, 'a run or an exported model')}"
        )


def require_corpus(names: Iterable[str], what: str = "CORPUS") -> None:
    """Raises FileNotFoundError where there is neither a file, nor a folder, nor a corpus of a name."""
    for name in names:
        if name not in CORPORA and not Path(name).exists():
            raise FileNotFoundError(
                f"{what}: expected a text file, a folder, or one of {', '.join(CORPORA)}; received {name!r}, and there is no "
                f"such file or folder in {os.getcwd()!r}. Name one that is there."
            )


def require_file(path: Path | None, what: str) -> None:
    """Raises FileNotFoundError where there is no such file."""
    if path is not None and not path.is_file():
        raise FileNotFoundError(f"{what}: expected an existing file; received {_seen(path)}. Name one that is there.")


def _artefact_in(folder: Path) -> Path | None:
    candidates = (folder, folder / "onnx", *versions_in(folder)[-1:])
    return next((candidate for candidate in candidates if (candidate / "manifest.json").is_file()), None)


def _seen(path: Path) -> str:
    if path.is_dir():
        return f"the folder {str(path)!r}, which is none"
    return f"the file {str(path)!r}" if path.exists() else f"{str(path)!r}, which is not in {os.getcwd()!r}"


def _remedy(folder: Path, what: str) -> str:
    inside = sorted(str(path) for path in folder.glob("*") if is_run(path) or _artefact_in(path)) if folder.is_dir() else []
    return f"Name one within it: {', '.join(inside[:5])}." if inside else f"Name the folder of {what}."
