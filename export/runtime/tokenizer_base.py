"""What the runtime's tokenizers share: the checks of a specification, of texts and of token ids."""

import functools
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np

SPECIFICATION_VERSIONS = (1, 2)  # the second where there is an end or a padding token


class Tokenizer:
    """Text to token ids and back, from a specification; a subclass states `_tokenize` and `_detokenize`.

    Args:
        specification: What `specification()` of the class of the same name in `kerasrnn.tokenizers` returned: a dict of
            plain JSON types.

    Attributes:
        vocabulary_size: the number of tokens.
        unknown_token_id: the id of what the vocabulary lacks.
        start_token_id: the id that every text is taken to follow.
        end_token_id: the id that ends a text, or None. No text holds it, nor the next one.
        padding_token_id: the id that fills up rows, or None.
        never_drawn: the ids that generation never draws: the unknown token's, the padding's, and the start token's unless
            it comes back from its own text, as that of a newline does; else no text has it.

    Raises:
        ValueError: If the specification is newer than this class, or damaged.
    """

    kind: ClassVar[str] = "strings"
    one_spelling = False  # whether no other tokens than those of `tokenize` are ever a text's

    def __init__(self, specification: dict[str, Any]) -> None:
        missing = {"version", "vocabulary", "unknown_token", "start_token"} - set(specification)
        if missing:
            raise ValueError(f"specification lacks {', '.join(sorted(missing))}. Export the model again.")
        if specification["version"] not in SPECIFICATION_VERSIONS:
            raise ValueError(
                f"specification must have version {' or '.join(map(str, SPECIFICATION_VERSIONS))}, but has {specification['version']!r}. "
                "If a newer kerasrnn wrote it, upgrade: pip install --upgrade kerasrnn"
            )
        unknown_token, start_token = specification["unknown_token"], specification["start_token"]
        vocabulary = list(specification["vocabulary"] or [])
        end_token, padding_token = specification.get("end_token"), specification.get("padding_token")
        controls = [token for token in (end_token, padding_token) if token is not None]
        ids: dict[str, int] = {}
        for token in vocabulary:
            if not isinstance(token, str) or not (token in controls or self._is_token(token)) or token in ids:
                raise ValueError(
                    f"specification's vocabulary must be distinct {self.kind}, but holds or repeats {token!r}. "
                    "Export the model again."
                )
            ids[token] = len(ids)
        special = {unknown_token, start_token}
        if len(special | {*controls}) < len(special) + len(controls) or not ids.keys() >= {*controls}:
            raise ValueError(
                f"specification's vocabulary must hold the end token {end_token!r} and the padding token {padding_token!r}, "
                "each a token of its own. Export the model again."
            )
        first = vocabulary if padding_token is None or vocabulary[0] != padding_token else vocabulary[1:]
        if not self._is_unknown_token(unknown_token, first) or start_token not in ids:
            raise ValueError(
                f"specification's vocabulary must begin with the unknown token {unknown_token!r} and hold the start "
                f"token {start_token!r}. Export the model again."
            )
        self.vocabulary_size: int = len(vocabulary)
        self.unknown_token_id: int = ids[unknown_token]
        self.start_token_id: int = ids[start_token]
        self.end_token_id: int | None = None if end_token is None else ids[end_token]
        self.padding_token_id: int | None = None if padding_token is None else ids[padding_token]
        self._control_ids = [ids.pop(token) for token in controls]
        self._vocabulary, self._ids = vocabulary, ids  # the ids of what texts hold

    def tokenize(self, text: str | bytes, check: Callable[[], None] | None = None) -> np.ndarray:
        """Splits a text into tokens and looks up their ids.

        Args:
            text: A string, or bytes of UTF-8, whose invalid parts count as U+FFFD, as in TensorFlow.
            check: Called again and again meanwhile; what it raises, as at a deadline, ends the work.

        Returns:
            Token ids, int32, of shape (length,).

        Raises:
            ValueError: If a string holds a lone surrogate.
            TypeError: If `text` is neither a string nor bytes.
        """
        if isinstance(text, str):
            try:
                text = text.encode()
            except UnicodeEncodeError as error:
                raise ValueError(
                    f"text holds the lone surrogate {text[error.start]!r} at position {error.start}, which is no character "
                    "and has no UTF-8 form. Replace it: text.encode(errors='replace').decode()."
                ) from error
        if not isinstance(text, bytes):
            raise TypeError(f"text must be a string or bytes, but received {text!r}, of type {type(text).__name__}.")
        return self._tokenize(text) if check is None else self._tokenize_within(text, check)

    def detokenize(self, token_ids: Sequence[int] | np.ndarray) -> str:
        """Joins the tokens that the ids stand for.

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
        return self._detokenize(self._of_text(ids.astype("int64")))

    @functools.cached_property
    def never_drawn(self) -> list[int]:
        start = np.array([self.start_token_id])
        comes_back = np.array_equal(self._tokenize(self._encoded(start)), start)
        padding = () if self.padding_token_id is None else (self.padding_token_id,)
        return sorted({self.unknown_token_id, *padding, *(() if comes_back else start.tolist())})

    def _of_text(self, token_ids: np.ndarray) -> np.ndarray:
        """The ids but for those that no text holds, which write nothing."""
        return token_ids[~np.isin(token_ids, self._control_ids)] if self._control_ids else token_ids

    def _encoded(self, token_ids: np.ndarray) -> bytes:
        return self._detokenize(token_ids).encode()

    def _is_token(self, token: str) -> bool:
        return bool(token) and not any("\ud800" <= character <= "\udfff" for character in token)

    def _is_unknown_token(self, token: Any, vocabulary: list[str]) -> bool:
        return vocabulary[:1] == [token]

    def _tokenize(self, text: bytes) -> np.ndarray:
        raise NotImplementedError

    def _tokenize_within(self, text: bytes, check: Callable[[], None]) -> np.ndarray:
        token_ids = self._tokenize(text)
        check()
        return token_ids

    def _detokenize(self, token_ids: np.ndarray) -> str:
        raise NotImplementedError
