"""A run's corpus, by name, from files or from a folder, and the checksum to know it by."""

import dataclasses
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from kerasrnn._files import check_encoding
from kerasrnn.data import Corpus, load_corpus, published

_BUILT_IN = ("moby_dick", "time_machine", "tiny_shakespeare")
_OWN_PARTS = (("train.txt",), ("valid.txt", "validation.txt", "val.txt", "dev.txt"), ("test.txt",))
_SHOWN = 10
MANIFEST = "manifest.json"  # of prepared shards, and of exported models


def read_corpus(names: str | Sequence[str], encoding: str = "utf-8", *, keep_line_ends: bool = False) -> Corpus:
    """Reads a corpus by its name, from text files, or from a folder in a layout that it knows.

    | folder | read as |
    | --- | --- |
    | ptb.train.txt, ptb.valid.txt, ptb.test.txt | `"ptb"`, see `kerasrnn.data.load_corpus` |
    | wiki.train.tokens, wiki.valid.tokens, wiki.test.tokens | `"wikitext2"` |
    | text8 or enwik8 | the corpus of that name, in its usual parts |
    | train.txt, valid.txt (or validation.txt, val.txt, dev.txt) and perhaps test.txt | these parts, named as the folder |
    | any other text files | all of them, in the order of their names, but for hidden ones |

    Args:
        names: A name that `kerasrnn.data.load_corpus` knows, or the path of a folder or a text file, or several paths of
            text files. Where a file or such a folder has a corpus's name, that is read.
        encoding: How the user's own text files are encoded, where no byte order mark tells.
        keep_line_ends: Whether "\\r\\n" stays; by default it is read as "\\n".

    Raises:
        FileNotFoundError: If a file does not exist.
        ValueError: If there is neither a file nor a corpus of that name, a file is empty or in another encoding, or a
            folder holds no texts or only some parts of a layout; the message then lists what is there.

    Example:

    >>> read_corpus("moby_dick").name
    'moby_dick'
    """
    check_encoding(encoding)
    corpus = _read(listed(names), encoding)
    return corpus if keep_line_ends else with_unix_line_ends(corpus)


def with_unix_line_ends(corpus: Corpus) -> Corpus:
    """The corpus with "\\n" for each "\\r\\n"."""
    parts = {part: getattr(corpus, part).replace("\r\n", "\n") for part in ("train", "validation", "test")}
    return dataclasses.replace(corpus, **parts)


def _read(names: list[str], encoding: str) -> Corpus:
    if len(names) == 1:
        name, path = names[0], Path(names[0])
        if looks_like_a_name(name):
            return read_name(name)
        if published.recognise(path) or (path.is_dir() and any(_own_parts(path))):
            return read_folder(path, encoding=encoding)
    files = [file for name in names for file in files_in(Path(name))]
    return Corpus.from_files(files, name=", ".join(Path(name).name for name in names), encoding=encoding)


def files_in(path: Path) -> list[Path]:
    """The file itself, or the files in a folder and in its folders, sorted by name, but for hidden ones."""
    if not path.is_dir():
        return [path]
    if (path / MANIFEST).is_file():
        raise ValueError(
            f"CORPUS: expected a folder of texts; received {str(path)!r}, which holds prepared shards or an exported model. "
            "Name the texts; or read shards in Python, with kerasrnn.data.TokenShards."
        )
    inside = [file for file in sorted(path.rglob("*")) if file.is_file()]
    files = [file for file in inside if not any(part.startswith(".") for part in file.relative_to(path).parts)]
    if not files:
        raise ValueError(
            f"{str(path)!r} must be a folder that holds {'; or '.join(published.LAYOUTS)}; or train.txt and valid.txt "
            f"(and test.txt); or any text files, but holds {_content(path)}. Put texts into it, or name another."
        )
    return files


def listed(names: str | Sequence[str]) -> list[str]:
    """The names as a list, for one alone may be given as a string."""
    return [names] if isinstance(names, str) else list(names)


def looks_like_a_name(name: str) -> bool:
    """Whether it is the name of a corpus rather than a path."""
    path = Path(name)
    if not name.isidentifier() or path.is_file():
        return False
    known = name in (*_BUILT_IN, *published.NAMES)
    return not path.is_dir() or (known and not is_corpus_folder(path))


def is_corpus_folder(path: Path) -> bool:
    """Whether it is a folder in one of the layouts."""
    return path.is_dir() and (published.recognise(path) is not None or all(_own_parts(path)[:2]))


def read_name(name: str, splits: tuple[float, float, float] | None = None) -> Corpus:
    """Loads a corpus by its name, which is no file's or folder's."""
    if name in published.NAMES and not os.environ.get("KERASRNN_DATA"):
        raise ValueError(
            f"{name!r} is no file or folder in {os.getcwd()!r}, and the corpus of that name is not downloaded. Name the "
            f"folder that holds its files; or keep it as <folder>/{name}, and set the environment variable KERASRNN_DATA "
            "to that folder."
        )
    try:
        return load_corpus(name, splits)
    except ValueError as error:
        raise ValueError(f"{name!r} is no file or folder in {os.getcwd()!r}, and as a corpus: {error}") from error


def read_folder(path: Path, splits: tuple[float, float, float] | None = None, encoding: str = "utf-8") -> Corpus:
    """Reads a folder in one of the layouts, as `read_corpus` does.

    Args:
        path: The folder.
        splits: Other shares than the usual ones, for text8 and enwik8 only.
        encoding: How train.txt and its like are encoded.
    """
    if known := published.recognise(path):
        return load_corpus(known, splits, path)
    train, validation, test = _own_parts(path)
    if not (train and validation):
        raise ValueError(
            f"{str(path)!r} must be a folder that holds {'; or '.join(published.LAYOUTS)}; or train.txt and valid.txt "
            f"(and test.txt), but holds {_content(path)}. Rename its files so, or name them one by one."
        )
    if splits is not None:
        raise ValueError(f"splits must be left out for {str(path)!r}, which has its parts in files, but are {splits}.")
    return Corpus.from_splits(train, validation, test, name=path.resolve().name, encoding=encoding)


def origin(names: Sequence[str], corpus: Corpus) -> str:
    """What a corpus is and where it comes from, to be shown: a folder is said to be recognised."""
    where = ", ".join(map(str, names))
    if len(names) == 1 and not looks_like_a_name(names[0]) and Path(names[0]).is_dir():
        if not is_corpus_folder(Path(names[0])):
            return f"{corpus.name}, {len(files_in(Path(names[0]))):,} files in {where}"
        return f"{corpus.name}, recognised in {where}"
    return str(corpus.name or "texts")


def checksum(corpus: Corpus) -> str:
    """The SHA-256 of a corpus's whole text in UTF-8."""
    digest = hashlib.sha256()
    for text in (corpus.train, corpus.validation, corpus.test):
        digest.update(text.encode())
    return digest.hexdigest()


def _own_parts(folder: Path) -> list[list[Path]]:
    return [[folder / name for name in names if (folder / name).is_file()][:1] for names in _OWN_PARTS]


def _content(folder: Path) -> str:
    names = sorted(f"{path.name}/" if path.is_dir() else path.name for path in folder.iterdir())
    if not names:
        return "nothing"
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else "")
