import functools
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from kerasrnn.export.runtime.linear_matching import LinearMatcher
from kerasrnn.export.runtime.tokenizer_base import Tokenizer


class WordTokenizer(Tokenizer):
    r"""Computes what `kerasrnn.tokenizers.WordTokenizer` computes, in Python.

    Example:

    >>> tokenizer = WordTokenizer({
    ...     "class_name": "WordTokenizer", "version": 1,
    ...     "vocabulary": ["<unk>", "<s>", "the", "whale", "."], "unknown_token": "<unk>", "start_token": "<s>",
    ...     "pattern": "[a-z]+|[.,]", "lowercase": True, "separator": " ",
    ... })
    >>> tokenizer.tokenize("The grey whale.")
    array([2, 0, 3, 4], dtype=int32)
    >>> tokenizer.detokenize([2, 0, 3, 4])
    'the <unk> whale .'
    """

    def __init__(self, specification: dict[str, Any]) -> None:
        super().__init__(specification)
        missing = {"pattern", "lowercase", "separator"} - set(specification)
        if missing:
            raise ValueError(f"specification lacks {', '.join(sorted(missing))}. Export the model again.")
        try:
            self._expression = re.compile(specification["pattern"], re.ASCII)
            self._matcher = LinearMatcher(specification["pattern"])
        except (re.error, TypeError) as error:
            raise ValueError(
                f"specification's pattern must be a regular expression, but is {specification['pattern']!r}: {error}. "
                "Export the model again."
            ) from error
        self._lowercase, self._separator = specification["lowercase"], specification["separator"]

    def _tokenize(self, text: bytes) -> np.ndarray:
        return self._tokenize_within(text, lambda: None)

    def _tokenize_within(self, text: bytes, check: Callable[[], None]) -> np.ndarray:
        decoded = text.decode("utf-8", "replace")
        if self._lowercase:
            decoded = decoded.lower() if decoded.isascii() else decoded.translate(_lower_case())
        ids, unknown = self._ids, self.unknown_token_id
        words = self._simple_words(decoded, check) if self._matcher.is_simple else self._matcher.finditer(decoded, check)
        return np.fromiter((ids.get(word, unknown) for word in words), "int32")

    def _simple_words(self, text: str, check: Callable[[], None]) -> Iterator[str]:
        for number, match in enumerate(self._expression.finditer(text)):
            if number % 4096 == 0:
                check()
            yield match.group()

    def _detokenize(self, token_ids: np.ndarray) -> str:
        return self._separator.join(self._vocabulary[id] for id in token_ids)


@functools.cache
def _lower_case() -> dict[int, str]:
    """One code point for one, without context, as in TensorFlow and ONNX."""
    lower = ((code_point, chr(code_point).lower()) for code_point in range(0x110000))
    return {code_point: other for code_point, other in lower if len(other) == 1 and other != chr(code_point)}
