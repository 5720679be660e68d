"""The vocabulary of a model: how many token ids there are, and that ids are among them."""

from typing import Any

from kerasrnn._backend import tf


def vocabulary_size_of(tokenizer: Any, vocabulary_size: int | None) -> int:
    """The size that either a tokenizer or a number gives.

    Raises:
        ValueError: neither or both are given, or the number is not positive.
    """
    if (tokenizer is None) == (vocabulary_size is None):
        given = "neither" if tokenizer is None else "both"
        raise ValueError(f"expected either tokenizer or vocabulary_size; received {given}")
    if tokenizer is not None:
        return tokenizer.vocabulary_size()
    if isinstance(vocabulary_size, bool) or not hasattr(vocabulary_size, "__index__") or vocabulary_size < 1:
        raise ValueError(f"vocabulary_size: expected a positive integer; received {vocabulary_size!r}")
    return int(vocabulary_size)


def padding_mask(tokenizer: Any, token_ids: Any, mask: Any = None) -> Any:
    """(batch, time) booleans, False at the tokenizer's padding and where `mask` is; `mask` where there is no padding."""
    padding = getattr(tokenizer, "padding_token_id", None)
    if padding is None:
        return mask
    is_token = tf.not_equal(tf.cast(token_ids, tf.int64), tf.constant(padding, tf.int64))
    return is_token if mask is None else is_token & tf.cast(mask, bool)


def check_dense(token_ids: Any) -> None:
    """Raises a ValueError of token ids whose rows have lengths of their own."""
    if isinstance(token_ids, (tf.RaggedTensor, tf.SparseTensor)):
        raise ValueError(
            f"token_ids: expected a dense tensor (batch, time); received a {type(token_ids).__name__}. Cut text into rows of one "
            "length with kerasrnn.data.language_model_dataset, or pad them with kerasrnn.data.bucketed_documents."
        )


def within_vocabulary(token_ids: Any, vocabulary_size: int) -> Any:
    """The token ids, sure to lie in [0, vocabulary_size).

    Raises:
        ValueError: they do not, in eager calls; a graph fails with `tf.errors.InvalidArgumentError`.
    """
    check_dense(token_ids)
    if tf.executing_eagerly() and tf.size(token_ids) > 0:
        low, high = int(tf.reduce_min(token_ids)), int(tf.reduce_max(token_ids))
        if low < 0 or high >= vocabulary_size:
            raise ValueError(
                f"token_ids: expected values in [0, {vocabulary_size}), the vocabulary; received "
                f"{low if low < 0 else high}. Tokenize with the tokenizer that the model was made for."
            )
    # In a graph this gather fails instead, where an embedding would take −1 for its last row.
    return tf.gather(tf.range(vocabulary_size), token_ids)
