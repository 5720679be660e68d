"""What a folder named on the command line holds."""

from pathlib import Path


def is_run(folder: Path) -> bool:
    """Whether `kerasrnn train` wrote it."""
    return (folder / "config.json").is_file()


def find_artefact(folder: Path) -> Path:
    """The folder of an exported model: the one given, or the one that `kerasrnn export` wrote within it.

    Raises:
        FileNotFoundError: There is neither.
    """
    # Serving's versions are numbers of 64 bits; Python refuses to read one of thousands of digits.
    names = (path for path in folder.glob("[0-9]*") if path.name.isdecimal() and len(path.name) < 20)
    versions = sorted((path for path in names if int(path.name) < 2**63), key=lambda path: int(path.name))
    for candidate in (folder, folder / "onnx", *versions[-1:]):
        if (candidate / "manifest.json").is_file():
            return candidate
    hint = f" Export the run first: kerasrnn export {folder}." if is_run(folder) else " Name one that kerasrnn wrote."
    raise FileNotFoundError(f"{str(folder)!r} must be a folder with an exported model, but holds none.{hint}")
