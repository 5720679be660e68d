import dataclasses
import math
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Self

import numpy as np


@dataclasses.dataclass(frozen=True, repr=False)
class Corpus:
    """A text in three parts: to train on, to choose by, and to judge by.

    Args:
        train: The text to train on.
        validation: The text to choose hyperparameters and checkpoints by.
        test: The text to judge the final model by.
        name: What to call the corpus.

    Example:

    >>> corpus = Corpus.from_texts("It was the best of times", splits=(0.75, 0.25, 0), name="tale")
    >>> corpus
    Corpus(name='tale', train=18 characters, validation=6 characters, test=0 characters)
    >>> corpus.validation
    ' times'
    """

    train: str
    validation: str
    test: str
    name: str | None = None

    @classmethod
    def from_files(
        cls,
        paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
        splits: tuple[float, float, float] = (0.9, 0.05, 0.05),
        separator: str = "\n",
        name: str | None = None,
    ) -> Self:
        """Reads text files, joins them and splits the whole.

        Args:
            paths: One path or several, of files in UTF-8. A byte order mark is removed; line ends stay as they are.
            splits: The shares of train, validation and test: contiguous, in this order, counted in characters.
            separator: What to put between two files.
            name: What to call the corpus.

        Raises:
            FileNotFoundError: If a file does not exist.
            ValueError: If there are no paths, a file is empty, not UTF-8, or a folder, or `splits` are not three
                shares that sum to 1.
        """
        if isinstance(paths, (str, os.PathLike)):
            paths = [paths]
        return cls.from_texts([_read(Path(path)) for path in paths], splits, separator, name)

    @classmethod
    def from_texts(
        cls,
        texts: str | Iterable[str],
        splits: tuple[float, float, float] = (0.9, 0.05, 0.05),
        separator: str = "\n",
        name: str | None = None,
    ) -> Self:
        """Joins texts and splits the whole.

        Args:
            texts: One text or several.
            splits: The shares of train, validation and test: contiguous, in this order, counted in characters.
            separator: What to put between two texts.
            name: What to call the corpus.

        Raises:
            ValueError: If the texts are empty, or `splits` are not three shares that sum to 1.
            TypeError: If a text is not a string.
        """
        texts = [texts] if isinstance(texts, str) else list(texts)
        for text in texts:
            if not isinstance(text, str):
                raise TypeError(
                    f"texts must be a string or strings, but one is {text!r}, of type {type(text).__name__}. "
                    "Decode bytes first: text.decode('utf-8')."
                )
        whole = separator.join(texts)
        if not whole:
            raise ValueError(
                "texts must hold at least one character, but are empty. Pass the text, or from_files(paths)."
            )
        if np.shape(splits) != (3,) or min(splits) < 0 or not math.isclose(sum(splits), 1, abs_tol=1e-6):
            raise ValueError(
                "splits must be three shares (train, validation, test), each 0 or more, that sum to 1, "
                f"but are {splits}. A share may be 0: (0.9, 0.1, 0)."
            )
        first = round(splits[0] * len(whole))
        second = round((splits[0] + splits[1]) * len(whole))
        return cls(whole[:first], whole[first:second], whole[second:], name)

    def __repr__(self) -> str:
        lengths = (f"{part}={len(getattr(self, part)):,} characters" for part in ("train", "validation", "test"))
        return f"Corpus(name={self.name!r}, {', '.join(lengths)})"


def _read(path: Path) -> str:
    if path.is_dir():
        raise ValueError(
            f"paths must name files, but {str(path)!r} is a folder. "
            f"Name its files: sorted(Path({str(path)!r}).glob('*.txt'))."
        )
    if not path.exists():
        raise FileNotFoundError(
            f"paths must name existing files, but {str(path)!r}, in {os.getcwd()!r}, does not exist."
        )
    content = path.read_bytes()
    if not content:
        raise ValueError(f"paths must name files with text, but {str(path)!r} is empty. Leave it out.")
    try:
        return content.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"paths must name files in UTF-8, but {str(path)!r} has the byte 0x{content[error.start]:02X} at offset "
            f"{error.start}, which is not. Convert it (iconv -f LATIN1 -t UTF-8), or read it with its own encoding and "
            "call Corpus.from_texts(text)."
        ) from error
