"""Text to token ids and back without TensorFlow, from a tokenizer's JSON specification."""

from collections.abc import Sequence
from typing import Any

import numpy as np

SPECIFICATION_VERSION = 1


class CharTokenizer:
    r"""Computes what `kerasrnn.tokenizers.CharTokenizer` computes, in NumPy.

    Args:
        specification: What the method `specification()` of that class returned: a dict of plain JSON types.

    Raises:
        ValueError: If the specification is newer than this class, or damaged.

    Example:

    >>> tokenizer = CharTokenizer({
    ...     "class_name": "CharTokenizer", "version": 1,
    ...     "vocabulary": ["\ufffd", "\n", "a", "b"], "unknown_token": "\ufffd", "start_token": "\n",
    ... })
    >>> tokenizer.tokenize("ab!")
    array([2, 3, 0], dtype=int32)
    >>> tokenizer.detokenize([2, 3, 0])
    'ab�'
    """

    def __init__(self, specification: dict[str, Any]) -> None:
        missing = {"version", "vocabulary", "unknown_token", "start_token"} - set(specification)
        if missing:
            raise ValueError(f"specification lacks {', '.join(sorted(missing))}. Export the model again.")
        if specification["version"] != SPECIFICATION_VERSION:
            raise ValueError(
                f"specification must have version {SPECIFICATION_VERSION}, but has {specification['version']!r}. "
                "If a newer kerasrnn wrote it, upgrade: pip install --upgrade kerasrnn"
            )
        unknown_token, start_token = specification["unknown_token"], specification["start_token"]
        vocabulary = list(specification["vocabulary"] or [])
        characters = [token for token in vocabulary if isinstance(token, str) and _is_character(token)]
        if len(set(characters)) < len(vocabulary):
            wrong = next(
                token for i, token in enumerate(vocabulary) if token not in characters or token in vocabulary[:i]
            )
            raise ValueError(
                f"specification's vocabulary must be distinct single characters, but holds or repeats {wrong!r}. "
                "Export the model again."
            )
        if vocabulary[:1] != [unknown_token] or start_token not in characters:
            raise ValueError(
                f"specification's vocabulary must begin with the unknown token {unknown_token!r} and hold the start "
                f"token {start_token!r}. Export the model again."
            )
        self.vocabulary_size: int = len(vocabulary)
        self.unknown_token_id: int = 0
        self.start_token_id: int = vocabulary.index(start_token)
        self._code_points = np.array([ord(token) for token in vocabulary], "<u4")
        self._sorted_ids = np.argsort(self._code_points).astype("int32")
        self._sorted_code_points = self._code_points[self._sorted_ids]

    def tokenize(self, text: str | bytes) -> np.ndarray:
        """Looks up the id of each character.

        Args:
            text: A string, or bytes of UTF-8, whose invalid parts decode to U+FFFD as in TensorFlow.

        Returns:
            Token ids, int32, of shape (length,).

        Raises:
            ValueError: If a string holds a lone surrogate.
        """
        if isinstance(text, bytes):
            text = text.decode("utf-8", "replace")
        if not isinstance(text, str):
            raise TypeError(f"text must be a string or bytes, but received {text!r}, of type {type(text).__name__}.")
        try:
            code_points = np.frombuffer(text.encode("utf-32-le"), "<u4")
        except UnicodeEncodeError as error:
            raise ValueError(
                f"text holds the lone surrogate {text[error.start]!r} at position {error.start}, which is no character "
                "and has no UTF-8 form. Replace it: text.encode(errors='replace').decode()."
            ) from error
        place = np.searchsorted(self._sorted_code_points, code_points)
        place = np.minimum(place, self.vocabulary_size - 1)
        known = self._sorted_code_points[place] == code_points
        return np.where(known, self._sorted_ids[place], np.int32(self.unknown_token_id))

    def detokenize(self, token_ids: Sequence[int] | np.ndarray) -> str:
        """Joins the characters that the ids stand for.

        Args:
            token_ids: Integers of shape (length,).

        Raises:
            ValueError: If an id is outside the vocabulary, or the shape is another.
            TypeError: If `token_ids` are not integers.
        """
        ids = np.asarray(token_ids)
        if ids.ndim != 1:
            raise ValueError(f"token_ids must have the shape (length,), but has the shape {ids.shape}.")
        if not (np.issubdtype(ids.dtype, np.integer) or ids.size == 0):
            raise TypeError(f"token_ids must be integers, but are {ids.dtype}.")
        outside = ids[(ids < 0) | (ids >= self.vocabulary_size)]
        if outside.size:
            raise ValueError(
                f"token_ids must be in [0, {self.vocabulary_size}), the vocabulary's range, but one is {outside[0]}."
            )
        return self._code_points[ids.astype("int64")].tobytes().decode("utf-32-le")


def tokenizer_from_specification(specification: dict[str, Any]) -> CharTokenizer:
    r"""Creates the tokenizer that a specification describes.

    Args:
        specification: A dict of plain JSON types; its `class_name` tells which tokenizer it is.

    Raises:
        ValueError: If no tokenizer of this runtime has that name, or the specification is newer than this runtime.

    Example:

    >>> tokenizer_from_specification({
    ...     "class_name": "CharTokenizer", "version": 1,
    ...     "vocabulary": ["\ufffd", "\n", "a", "b"], "unknown_token": "\ufffd", "start_token": "\n",
    ... }).start_token_id
    1
    """
    class_name = specification.get("class_name")
    if class_name != "CharTokenizer":
        raise ValueError(
            f"class_name must be 'CharTokenizer', but is {class_name!r}. "
            "If a newer kerasrnn wrote the specification, upgrade: pip install --upgrade kerasrnn"
        )
    return CharTokenizer(specification)


def _is_character(token: str) -> bool:
    return len(token) == 1 and not "\ud800" <= token <= "\udfff"
