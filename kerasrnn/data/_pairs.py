"""Documents as inputs and targets, laid end to end."""

import itertools
from collections.abc import Iterable, Iterator
from typing import NamedTuple, TypeAlias

import numpy as np

from kerasrnn._backend import tf
from kerasrnn.tokenizers import Tokenizer
from kerasrnn.tokenizers.token_ids import TextOrTokenIds, as_token_ids

ManyTexts: TypeAlias = TextOrTokenIds | Iterable[TextOrTokenIds] | tf.RaggedTensor | tf.data.Dataset

CHUNK = 1024  # texts that the tokenizer gets at once


class Pairs(NamedTuple):
    """All documents' inputs and targets.

    Attributes:
        inputs: int32 of shape (total,).
        targets: The next tokens, int32 of shape (total,).
        lengths: How many of them each document has, int64 of shape (documents,); none of them is 0.
    """

    inputs: np.ndarray
    targets: np.ndarray
    lengths: np.ndarray

    @property
    def starts(self) -> np.ndarray:
        return np.cumsum(self.lengths) - self.lengths


def as_pairs(
    documents: ManyTexts, tokenizer: Tokenizer | None, start_token_id: int | None = None, right_to_left: bool = False
) -> Pairs:
    """Pairs each token of each document with the next one of the same document.

    Args:
        documents: One text or several: strings or token ids, a `tf.RaggedTensor` of ids, or a `tf.data.Dataset` of either.
        tokenizer: What splits texts into tokens.
        start_token_id: What to put before the first token, and to predict after the last where the tokenizer has no end
            token; None for neither.
        right_to_left: Whether to read each document backwards.

    Example:

    >>> as_pairs([[1, 2, 3], [4], [5, 6]], tokenizer=None)
    Pairs(inputs=array([1, 2, 5], dtype=int32), targets=array([2, 3, 6], dtype=int32), lengths=array([2, 1]))
    """
    if start_token_id is not None:
        as_token_ids([start_token_id], tokenizer)
    end = () if tokenizer is None or tokenizer.end_token_id is None else (np.array([tokenizer.end_token_id], "int32"),)
    # Room for a start token behind each document too: what is before one is then what is behind the one before.
    parts = [np.zeros(1, "int32")]
    lengths = []
    for token_ids in _each(documents, tokenizer):
        lengths.append(len(token_ids) + len(end))
        parts += [token_ids[:: -1 if right_to_left else 1], *end, parts[0]]
    flat, sizes = np.concatenate(parts), np.array(lengths, "int64") + 1
    borders = np.concatenate([[0], np.cumsum(sizes)])
    if start_token_id is not None:
        flat[borders] = start_token_id
        if not end:
            return Pairs(flat[:-1], flat[1:], sizes)
    # Nothing is predicted from what is behind a document, and a token only from one before it.
    keep = np.ones(len(flat) - 1, bool)
    keep[borders[1:] - 1] = False
    if start_token_id is None:
        keep[borders[:-1]] = False
    lengths = sizes - (1 if start_token_id is not None else 2)
    return Pairs(flat[:-1][keep], flat[1:][keep], lengths[lengths > 0])


def padding_of(tokenizer: Tokenizer | None) -> int:
    """What rows of a tokenizer's ids are filled up with: its padding, or 0 where it has none."""
    padding = None if tokenizer is None else tokenizer.padding_token_id
    return 0 if padding is None else padding


def _each(documents: ManyTexts, tokenizer: Tokenizer | None) -> Iterator[np.ndarray]:
    if isinstance(documents, tf.RaggedTensor):
        documents = np.split(documents.flat_values.numpy(), documents.row_splits.numpy()[1:-1]) if documents.shape[0] else []
    elif isinstance(documents, tf.data.Dataset):
        documents = documents.as_numpy_iterator()
    elif isinstance(documents, tf.Tensor) and documents.dtype == tf.string:
        documents = documents.numpy().ravel() if documents.shape.rank else [documents.numpy()]
    elif _is_one_text(documents):
        documents = [documents]
    documents = iter(documents)
    while chunk := list(itertools.islice(documents, CHUNK)):
        if tokenizer is not None and all(isinstance(document, (str, bytes)) for document in chunk):
            batch = tokenizer.tokenize(chunk)
            yield from np.split(batch.flat_values.numpy(), batch.row_splits.numpy()[1:-1])
        else:
            yield from (as_token_ids(document, tokenizer) for document in chunk)


def _is_one_text(documents: ManyTexts) -> bool:
    if isinstance(documents, (str, bytes, range)):
        return True
    if isinstance(documents, (np.ndarray, tf.Tensor)):
        return len(documents.shape) == 1 and np.asarray(documents).dtype.kind not in "OSU"
    return isinstance(documents, (list, tuple)) and bool(documents) and isinstance(documents[0], (int, np.integer))
