from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from kerasrnn._backend import tf
from kerasrnn.tokenizers.tokenizer import Tokenizer

TextOrTokenIds: TypeAlias = str | Sequence[int] | np.ndarray | tf.Tensor


def as_token_ids(
    text: TextOrTokenIds,
    tokenizer: Tokenizer | None,
    vocabulary_size: int = 2**31,
) -> np.ndarray:
    """Returns the token ids of a text, or checks those given instead of it.

    Args:
        text: A string, or integers of shape (length,).
        tokenizer: What splits a string into tokens, or None.
        vocabulary_size: What token ids must be less than, where there is no tokenizer to tell.

    Returns:
        Token ids, int32, of shape (length,).

    Raises:
        ValueError: If an id is outside the vocabulary.
        TypeError: If `text` is neither a string nor integers, or a string without a tokenizer.

    Example:

    >>> from kerasrnn.tokenizers import CharTokenizer
    >>> as_token_ids("aba", CharTokenizer(["\\ufffd", "\\n", "a", "b"]))
    array([2, 3, 2], dtype=int32)
    """
    if isinstance(text, str):
        if tokenizer is None:
            raise TypeError(
                "text is a string, which needs a tokenizer, but tokenizer is None. Pass one, such as a CharTokenizer "
                "adapted to the text, or pass token ids as text."
            )
        return tokenizer.tokenize(text).numpy()
    token_ids = np.asarray(text)
    if token_ids.ndim != 1 or not (np.issubdtype(token_ids.dtype, np.integer) or token_ids.size == 0):
        raise TypeError(
            "text must be a string, or token ids: integers of shape (length,), "
            f"but is {token_ids.dtype} of shape {token_ids.shape}. Join several texts into one."
        )
    if tokenizer is not None:
        vocabulary_size = tokenizer.vocabulary_size()
    outside = np.flatnonzero((token_ids < 0) | (token_ids >= vocabulary_size))
    if outside.size:
        raise ValueError(
            f"text must hold token ids in [0, {vocabulary_size}), the vocabulary's range, but has "
            f"{token_ids[outside[0]]} at position {outside[0]}. Was it made by another tokenizer?"
        )
    return token_ids.astype("int32")
