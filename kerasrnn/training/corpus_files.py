"""A run's corpus, by name or from files, and the checksum to know it by."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from kerasrnn.data import Corpus, load_corpus


def read_corpus(names: str | Sequence[str]) -> Corpus:
    """Reads a corpus by its name, or from text files.

    Args:
        names: A name that `kerasrnn.data.load_corpus` knows, or the path of a text file, or several paths. Where a
            file has such a name, the file is read.

    Raises:
        FileNotFoundError: If a file does not exist.
        ValueError: If there is neither a file nor a corpus of that name, or a file is empty or not UTF-8.

    Example:

    >>> read_corpus("moby_dick").name
    'moby_dick'
    """
    names = listed(names)
    if len(names) == 1 and looks_like_a_name(names[0]):
        try:
            return load_corpus(names[0])
        except ValueError as error:
            raise ValueError(f"{names[0]!r} is no file in {os.getcwd()!r}, and as a corpus: {error}") from error
    return Corpus.from_files(names, name=", ".join(Path(name).name for name in names))


def listed(names: str | Sequence[str]) -> list[str]:
    """The names as a list, for one alone may be given as a string."""
    return [names] if isinstance(names, str) else list(names)


def looks_like_a_name(name: str) -> bool:
    """Whether it is the name of a corpus rather than a path."""
    return name.isidentifier() and not Path(name).is_file()


def checksum(corpus: Corpus) -> str:
    """The SHA-256 of a corpus's whole text in UTF-8."""
    digest = hashlib.sha256()
    for text in (corpus.train, corpus.validation, corpus.test):
        digest.update(text.encode())
    return digest.hexdigest()
