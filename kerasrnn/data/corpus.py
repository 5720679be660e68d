import dataclasses
import os
from collections.abc import Iterable
from typing import Self

from kerasrnn.data._files import Paths, checked
from kerasrnn.data._splits import by_counts, by_shares, check_shares, shares_of_text
from kerasrnn.data.documents import Documents
from kerasrnn.data.text_files import read_text

_PARTS = ("train", "validation", "test")
Starts = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]


@dataclasses.dataclass(frozen=True, repr=False)
class Corpus:
    """A text in three parts: to train on, to choose by, and to judge by.

    Args:
        train: The text to train on.
        validation: The text to choose hyperparameters and checkpoints by.
        test: The text to judge the final model by.
        name: What to call the corpus.
        starts: Where the documents of each part begin, in characters; `None` if their boundaries are not kept.
        separator: What stands between two documents where boundaries are kept.

    Example:

    >>> corpus = Corpus.from_texts("It was the best of times", splits=(0.75, 0.25, 0), name="tale")
    >>> corpus
    Corpus(name='tale', train=18 characters, validation=6 characters, test=0 characters)
    >>> corpus.validation
    ' times'

    With documents kept, no document is cut by a split:

    >>> texts = ["It was the best of times", "it was the worst of times", "it was the age of wisdom"]
    >>> corpus = Corpus.from_texts(texts, counts=(None, 1, 0), keep_documents=True)
    >>> corpus.documents("validation")
    ('it was the age of wisdom',)
    """

    train: str
    validation: str
    test: str
    name: str | None = None
    starts: Starts | None = None
    separator: str = ""

    @classmethod
    def from_files(
        cls,
        paths: Paths,
        splits: tuple[float, float, float] = (0.9, 0.05, 0.05),
        separator: str = "\n",
        name: str | None = None,
        *,
        counts: tuple[int | None, int | None, int | None] | None = None,
        keep_documents: bool = False,
        encoding: str = "utf-8",
    ) -> Self:
        """Reads text files, joins them and splits the whole.

        Args:
            paths: One path or several; each file is a document. Files compressed by gzip are unpacked. A byte order
                mark is removed; line ends stay as they are.
            splits: The shares of train, validation and test: contiguous, in this order, counted in characters.
            separator: What to put between two files.
            name: What to call the corpus.
            counts: See `from_texts`.
            keep_documents: See `from_texts`.
            encoding: How the text is encoded, as Python names it.

        Raises:
            FileNotFoundError: If a file does not exist.
            ValueError: If there are no paths, a file is empty, in another encoding, a damaged gzip file, or a folder,
                or `splits` are not three shares that sum to 1.
        """
        return cls.from_texts(
            read_text(paths, encoding=encoding), splits, separator, name, counts=counts, keep_documents=keep_documents
        )

    @classmethod
    def from_texts(
        cls,
        texts: str | Iterable[str],
        splits: tuple[float, float, float] = (0.9, 0.05, 0.05),
        separator: str = "\n",
        name: str | None = None,
        *,
        counts: tuple[int | None, int | None, int | None] | None = None,
        keep_documents: bool = False,
    ) -> Self:
        """Joins texts and splits the whole.

        Args:
            texts: One text or several, such as a reader's `Documents`; each is a document.
            splits: The shares of train, validation and test: contiguous, in this order, counted in characters. Where
                documents are kept, a document belongs where its middle falls.
            separator: What to put between two texts.
            name: What to call the corpus.
            counts: Instead of `splits`, how many documents go to train, validation and test, in this order. One may
                be `None`: the rest.
            keep_documents: Whether to keep the boundaries of documents, which `documents()` needs.

        Raises:
            ValueError: If the texts are empty, `splits` are not three shares that sum to 1, or there are other than
                `counts` documents.
            TypeError: If a text is not a string.
        """
        texts = [texts] if isinstance(texts, str) else list(texts)
        _check_texts(texts)
        check_shares(splits)
        if counts is not None or keep_documents:
            parts = by_shares(texts, splits) if counts is None else by_counts(texts, counts)
            return cls._joined(parts, separator, name, keep_documents)
        return cls(*shares_of_text(separator.join(texts), splits), name)

    @classmethod
    def from_splits(
        cls,
        train: Paths | Documents,
        validation: Paths | Documents = (),
        test: Paths | Documents = (),
        separator: str = "\n",
        name: str | None = None,
        *,
        keep_documents: bool = False,
        encoding: str = "utf-8",
    ) -> Self:
        """Reads each part from its own files.

        Args:
            train: The paths to read as `from_files` does, each a document; or a reader's `Documents`.
            validation: The same for this part. It may be left out.
            test: The same for this part. It may be left out.
            separator: What to put between two documents.
            name: What to call the corpus.
            keep_documents: Whether to keep the boundaries of documents, which `documents()` needs.
            encoding: How the text is encoded, as Python names it.

        Raises:
            FileNotFoundError: If a file does not exist.
            ValueError: If a file is in two parts, and as `from_files`.

        Example:

        >>> import pathlib, tempfile
        >>> folder = tempfile.TemporaryDirectory()
        >>> for part in ("train", "test"):
        ...     _ = pathlib.Path(folder.name, part).write_text(f"to {part}")
        >>> Corpus.from_splits(train=f"{folder.name}/train", test=f"{folder.name}/test").test
        'to test'
        >>> folder.cleanup()
        """
        seen: dict[str, str] = {}
        parts: list[list[str]] = []
        for part, source in zip(_PARTS, (train, validation, test)):
            if isinstance(source, Documents):
                parts.append(list(source))
                continue
            paths = [source] if isinstance(source, (str, os.PathLike)) else list(source)
            for path in checked(paths) if paths else ():
                other = seen.setdefault(os.path.realpath(path), part)
                if other != part:
                    raise ValueError(
                        f"{part} must name other files than {other}, but both name {str(path)!r}: a model would be "
                        "judged by what it has seen. For parts of one file use from_files(path, splits)."
                    )
            parts.append(list(read_text(paths, encoding=encoding)) if paths else [])
        _check_texts([text for texts in parts for text in texts])
        return cls._joined(parts, separator, name, keep_documents)

    @classmethod
    def _joined(cls, parts: list[list[str]], separator: str, name: str | None, keep_documents: bool) -> Self:
        train, validation, test = (separator.join(texts) for texts in parts)
        if not keep_documents:
            return cls(train, validation, test, name)
        first, second, third = (_starts(texts, len(separator)) for texts in parts)
        return cls(train, validation, test, name, (first, second, third), separator)

    def documents(self, part: str = "train") -> tuple[str, ...]:
        """The documents of a part, without the separators that join them.

        Args:
            part: `"train"`, `"validation"` or `"test"`.

        Raises:
            ValueError: If there is no such part, or the boundaries of documents were not kept.
        """
        if part not in _PARTS:
            raise ValueError(f"part must be one of {_PARTS}, but is {part!r}.")
        if self.starts is None:
            raise ValueError(
                "documents() needs the boundaries of documents, but this corpus did not keep them. "
                "Make it with keep_documents=True."
            )
        text, starts = getattr(self, part), self.starts[_PARTS.index(part)]
        ends = [start - len(self.separator) for start in starts[1:]]
        return tuple(text[start:end] for start, end in zip(starts, [*ends, len(text)]))

    def __repr__(self) -> str:
        counts = [""] * 3 if self.starts is None else [f" in {len(starts):,} documents" for starts in self.starts]
        lengths = (f"{part}={len(getattr(self, part)):,} characters{count}" for part, count in zip(_PARTS, counts))
        return f"Corpus(name={self.name!r}, {', '.join(lengths)})"


def _check_texts(texts: list[str]) -> None:
    for text in texts:
        if not isinstance(text, str):
            raise TypeError(
                f"texts must be a string or strings, but one is {text!r}, of type {type(text).__name__}. "
                "Decode bytes first: text.decode('utf-8')."
            )
    if not any(texts):
        raise ValueError("texts must hold at least one character, but are empty. Pass the text, or from_files(paths).")


def _starts(texts: list[str], gap: int) -> tuple[int, ...]:
    starts, position = [], 0
    for text in texts:
        starts.append(position)
        position += len(text) + gap
    return tuple(starts)
