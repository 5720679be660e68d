"""The corpora that are read from where the user keeps them, in the layout they are published in."""

import os
from pathlib import Path

from kerasrnn.data._splits import Shares, check_shares
from kerasrnn.data.corpus import Corpus

# Where the archive has the parts, and train, validation and test there.
_PARTS = {
    "ptb": ("simple-examples/data", ("ptb.train.txt", "ptb.valid.txt", "ptb.test.txt")),
    "wikitext2": ("wikitext-2", ("wiki.train.tokens", "wiki.valid.tokens", "wiki.test.tokens")),
}
_NUM_BYTES = {"text8": 100_000_000, "enwik8": 100_000_000}
_USUAL = (0.9, 0.05, 0.05)

NAMES = (*_PARTS, *_NUM_BYTES)
LAYOUTS = (*(", ".join(files) for _, files in _PARTS.values()), *_NUM_BYTES)


def recognise(path: Path) -> str | None:
    """The name of the corpus that a folder holds, or a file is, by the names that its files are published under.

    A folder with one of the parts counts, so that `load` can tell which others it lacks. A file of its own must also have
    the size of the whole: others may have been called `text8` too.
    """
    if path.is_file():
        return path.name if path.stat().st_size == _NUM_BYTES.get(path.name) else None
    for name, (inner, files) in _PARTS.items():
        if any((folder / file).is_file() for folder in _candidates(path, inner) for file in files):
            return name
    return next((name for name in _NUM_BYTES if (path / name).is_file()), None)


def load(name: str, splits: Shares | None, path: str | os.PathLike[str] | None) -> Corpus:
    """Reads the corpus of that name; `kerasrnn.data.load_corpus` says how."""
    if path is None:
        raise ValueError(
            f"path must say where {name!r} lies, for it is not downloaded, but is None. Download it, and pass its folder: "
            f"load_corpus({name!r}, path=...); or keep it as <folder>/{name} and set KERASRNN_DATA to that folder."
        )
    if name in _NUM_BYTES:
        return _one_file(name, splits, Path(path))
    if splits is not None:
        raise ValueError(
            f"splits must be None for {name!r}, which is published in three parts, but is {splits}. "
            "To cut it otherwise use Corpus.from_files(paths, splits)."
        )
    inner, names = _PARTS[name]
    folder = _folder(Path(path), inner, names)
    train, validation, test = (folder / part for part in names)
    return Corpus.from_splits(train, validation, test, name=name)


def _folder(path: Path, inner: str, names: tuple[str, str, str]) -> Path:
    """The folder with the files: the one given, or one of those in which the archive has them."""
    for folder in _candidates(path, inner):
        missing = [name for name in names if not (folder / name).is_file()]
        if not missing:
            return folder
        if len(missing) < len(names):
            raise FileNotFoundError(f"path must hold {', '.join(names)}, but {str(folder)!r} lacks {', '.join(missing)}.")
    raise FileNotFoundError(
        f"path must be the folder that holds {', '.join(names)} (or {inner}, with them), but {str(path)!r} "
        f"{'has none of them' if path.exists() else 'does not exist'}."
    )


def _candidates(path: Path, inner: str) -> list[Path]:
    levels = Path(inner).parts
    return [path, *(path.joinpath(*levels[start:]) for start in range(len(levels)))]


def _one_file(name: str, splits: Shares | None, path: Path) -> Corpus:
    file = path / name if path.is_dir() else path
    if not file.is_file():
        raise FileNotFoundError(f"path must name the file {name!r} or its folder, but {str(file)!r} does not exist.")
    size = file.stat().st_size
    if splits is None and size != _NUM_BYTES[name]:
        raise ValueError(
            f"The file {str(file)!r} must have {_NUM_BYTES[name]:,} bytes, for {name}'s usual parts, but has {size:,}: "
            f"it is truncated, or still packed. Unpack or fetch it again, or say how to split it: splits={_USUAL}."
        )
    splits = _USUAL if splits is None else splits
    check_shares(splits)
    content = file.read_bytes()
    if not content:
        raise ValueError(f"path must name a file with text, but {str(file)!r} is empty.")
    cuts = [0, *(_before(content, round(share * size)) for share in (splits[0], splits[0] + splits[1])), _end(content)]
    train, validation, test = (_decode(content, start, end, file) for start, end in zip(cuts, cuts[1:]))
    return Corpus(train, validation, test, name)


def _decode(content: bytes, start: int, end: int, file: Path) -> str:
    try:
        return content[start:end].decode("utf-8")
    except UnicodeDecodeError as error:
        offset = start + error.start
        line = content.count(b"\n", 0, offset) + 1
        raise ValueError(
            f"path must name a file in UTF-8, but {str(file)!r}, line {line}, has the byte 0x{content[offset]:02X} at "
            f"offset {offset}, which is not ({error.reason}). Fetch and unpack it again."
        ) from error


def _before(content: bytes, cut: int) -> int:
    """The cut, or the beginning of the character that it would fall in."""
    for start in range(cut, max(cut - 4, -1), -1):
        if start >= len(content) or content[start] & 0xC0 != 0x80:
            return start
    return cut


def _end(content: bytes) -> int:
    """The end of the last whole character: enwik8 is the beginning of a longer file, cut at a round number of bytes."""
    start = _before(content, len(content) - 1)
    try:
        content[start:].decode("utf-8")
        return len(content)
    except UnicodeDecodeError as error:
        return start if error.reason == "unexpected end of data" else len(content)
