import re
import unicodedata
from typing import Any

import numpy as np

from kerasrnn.export.runtime.tokenizer_base import Tokenizer

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


class CharTokenizer(Tokenizer):
    r"""Computes what `kerasrnn.tokenizers.CharTokenizer` computes, in NumPy.

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

    kind = "single characters"

    def __init__(self, specification: dict[str, Any]) -> None:
        super().__init__(specification)
        self._normalization, self._standardize = specification.get("normalization"), specification.get("standardize")
        if self._normalization not in (None, "NFC", "NFKC") or self._standardize not in (None, "letters"):
            raise ValueError(
                f"specification asks for normalization={self._normalization!r} and standardize={self._standardize!r}, which "
                "this version does not know. Upgrade: pip install --upgrade kerasrnn"
            )
        # A text that ended early does not tell whether it did so by its end token or its stop string.
        self.one_spelling = not (self._normalization or self._standardize or self.end_token_id is not None)
        if self._standardize and " " not in self._ids:
            raise ValueError("specification's vocabulary must hold the space. Export the model again.")
        ids = {**self._ids, **{one: self._ids[other] for one, other in specification.get("aliases", {}).items()}}
        self._default = self.unknown_token_id
        if self._standardize:
            ids = {**{letter: ids.get(letter, self._default) for letter in _LETTERS}, " ": self._ids[" "]}
            self._default = self._ids[" "]
        code_points = np.array([ord(character) for character in ids], "<u4")
        order = np.argsort(code_points)
        self._sorted_code_points = code_points[order]
        self._sorted_ids = np.fromiter(ids.values(), "int32")[order]
        self._code_points = np.array([ord(t) if t in self._ids else 0 for t in self._vocabulary], "<u4")

    def _tokenize(self, text: bytes) -> np.ndarray:
        decoded = text.decode("utf-8", "replace")
        if self._normalization:
            decoded = unicodedata.normalize(self._normalization, decoded)
        if self._standardize:
            decoded = re.sub("[^A-Za-z]+", " ", decoded)
        code_points = np.frombuffer(decoded.encode("utf-32-le"), "<u4")
        place = np.searchsorted(self._sorted_code_points, code_points)
        place = np.minimum(place, len(self._sorted_code_points) - 1)
        known = self._sorted_code_points[place] == code_points
        return np.where(known, self._sorted_ids[place], np.int32(self._default))

    def _detokenize(self, token_ids: np.ndarray) -> str:
        return self._code_points[token_ids].tobytes().decode("utf-32-le")

    def _is_token(self, token: str) -> bool:
        return len(token) == 1 and super()._is_token(token)
