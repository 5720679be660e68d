from typing import Any

import numpy as np

from kerasrnn.export.runtime.tokenizer_base import Tokenizer


class ByteTokenizer(Tokenizer):
    r"""Computes what `kerasrnn.tokenizers.ByteTokenizer` computes, in NumPy: a token's id is the byte's value.

    `detokenize` returns a string, in which bytes that are no UTF-8 have become U+FFFD; `detokenize_bytes` keeps them.

    Example:

    >>> names = [*map(chr, range(128)), *(f"<0x{byte:02X}>" for byte in range(128, 256)), "<unknown>"]
    >>> tokenizer = ByteTokenizer({
    ...     "class_name": "ByteTokenizer", "version": 1,
    ...     "vocabulary": names, "unknown_token": "<unknown>", "start_token": "\n",
    ... })
    >>> tokenizer.tokenize("né")
    array([110, 195, 169], dtype=int32)
    >>> tokenizer.detokenize([110, 195, 169]), tokenizer.detokenize_bytes([195])
    ('né', b'\xc3')
    """

    def __init__(self, specification: dict[str, Any]) -> None:
        super().__init__(specification)
        has_places = self.vocabulary_size == 257 + len(self._control_ids) and self.unknown_token_id == 256
        if not has_places or "".join(self._vocabulary[:128]) != "".join(map(chr, range(128))):
            raise ValueError(
                "specification's vocabulary must be the 256 bytes, the unknown token, and the end and the padding token. "
                "Export the model again."
            )

    def detokenize_bytes(self, token_ids: Any) -> bytes:
        """Joins the bytes that the ids stand for, valid UTF-8 or not.

        Args:
            token_ids: Integers of shape (length,); the unknown token's becomes the bytes of U+FFFD.
        """
        ids = self._of_text(np.asarray(token_ids))
        pieces = np.split(ids, np.flatnonzero(ids == self.unknown_token_id))
        first, *others = (piece.astype("uint8").tobytes() for piece in pieces)
        return first + b"".join("\ufffd".encode() + other[1:] for other in others)

    def _tokenize(self, text: bytes) -> np.ndarray:
        return np.frombuffer(text, "uint8").astype("int32")

    def _encoded(self, token_ids: np.ndarray) -> bytes:
        return self.detokenize_bytes(token_ids)

    def _detokenize(self, token_ids: np.ndarray) -> str:
        return self.detokenize_bytes(token_ids).decode("utf-8", "replace")

    def _is_unknown_token(self, token: Any, vocabulary: list[str]) -> bool:
        return token in vocabulary
