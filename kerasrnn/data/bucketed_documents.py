from collections.abc import Sequence
from typing import Unpack

import numpy as np

from kerasrnn._backend import tf
from kerasrnn.data._pairs import ManyTexts, as_pairs, padding_of
from kerasrnn.data.passes import Passes, PassOptions, integer
from kerasrnn.data.prefetched import prefetched
from kerasrnn.tokenizers import Tokenizer


def bucketed_documents(
    documents: ManyTexts,
    tokenizer: Tokenizer | None = None,
    batch_size: int = 32,
    bucket_boundaries: Sequence[int] | None = None,
    shuffle: bool = True,
    start_token_id: int | None = None,
    pad_token_id: int | None = None,
    pad_to_boundary: bool = False,
    return_mask: bool = False,
    right_to_left: bool = False,
    **passes: Unpack[PassOptions],
) -> tf.data.Dataset:
    """Batches whole documents with others of about their length.

    A document of n tokens gives n - 1 inputs, each with the next token as its target, or n + 1 with a `start_token_id`.
    A tokenizer with an end token puts it behind each document, one input more without a `start_token_id`; a model that is
    trained on it ends its texts.
    Documents go to buckets by that number, each batch comes from one bucket, and rows are padded at their end to the
    longest of the batch. Sample weights are 1 for the targets and 0 for the padding, so each target counts exactly once
    an epoch. Documents with nothing to predict are left out.

    Args:
        documents: Texts or token ids: an iterable of either (as the readers of this package are), a `tf.RaggedTensor`,
            or a `tf.data.Dataset`. Their token ids are kept in memory.
        tokenizer: What splits texts into tokens; for token ids only a check of their range.
        batch_size: Documents in a batch. The last batch of each bucket may have fewer.
        bucket_boundaries: The largest numbers of inputs in each bucket, increasing; longer documents have a bucket of
            their own. By default sixteen buckets of about equally many documents.
        shuffle: Whether each epoch draws other batches in another order, or all have the order of the buckets and,
            in them, of the documents.
        start_token_id: What to put before each document's first token, and to predict after its last where there is no end
            token, such as the tokenizer's `start_token_id`; None for neither.
        pad_token_id: What to pad with; the tokenizer's `padding_token_id` if left out, or 0 where it has none.
        pad_to_boundary: Whether to pad to the bucket's boundary, so that batches have few different shapes.
        return_mask: Whether to give the mask as an input too, for layers that must not see the padding: bidirectional
            ones, or those that return their last state.
        right_to_left: Whether to read each document backwards, so that each target is the token *before*.
        **passes: Seed, epochs, place to resume from, share of a worker: see `PassOptions`.

    Returns:
        A `tf.data.Dataset` of triples (token_ids, targets, sample_weights), int32, int32 and float32 of shape
        (batch, time). With `return_mask` the first is a dictionary of "token_ids" and "mask", bool of that shape.

    Raises:
        ValueError: If no document has anything to predict, a token id is outside the vocabulary, the boundaries do
            not increase, or a number is not positive.
        TypeError: If `documents` are neither strings nor integers, or strings without a tokenizer.

    Example:

    >>> dataset = bucketed_documents([[1, 2, 3], [4, 5], [6, 7, 8, 9]], batch_size=2, bucket_boundaries=[2], shuffle=False)
    >>> for token_ids, targets, weights in dataset:
    ...     print(token_ids.numpy().tolist(), targets.numpy().tolist(), weights.numpy().tolist())
    [[1, 2], [4, 0]] [[2, 3], [5, 0]] [[1.0, 1.0], [1.0, 0.0]]
    [[6, 7, 8]] [[7, 8, 9]] [[1.0, 1.0, 1.0]]
    """
    if pad_token_id is None:
        pad_token_id = padding_of(tokenizer)
    batch_size, pad_token_id = integer("batch_size", batch_size, 1), integer("pad_token_id", pad_token_id, 0)
    place = Passes(**passes)
    pairs = as_pairs(documents, tokenizer, start_token_id, right_to_left)
    mine = slice(place.shard_index, None, place.num_shards)
    lengths, starts = pairs.lengths[mine], tf.constant(pairs.starts[mine])
    if not len(lengths):
        raise ValueError(
            f"documents must give each of num_shards={place.num_shards} workers one of at least 2 tokens (or any, with a "
            f"start_token_id), but have {len(pairs.lengths)} such. Pass more documents."
        )
    inputs, targets = tf.constant(pairs.inputs), tf.constant(pairs.targets)
    boundaries = _boundaries(bucket_boundaries, lengths)
    widths = tf.constant([*boundaries, max(lengths.max(), 1)], tf.int64)

    buckets = np.searchsorted(boundaries, lengths)
    counts = np.bincount(buckets, minlength=len(boundaries) + 1)
    begins = [np.arange(end - count, end, batch_size) for end, count in zip(np.cumsum(counts), counts)]
    ends = [np.minimum(begin + batch_size, end) for begin, end in zip(begins, np.cumsum(counts))]
    begins, ends = (tf.constant(np.concatenate(places), tf.int64) for places in (begins, ends))
    num_batches = begins.shape[0]
    buckets, lengths = tf.constant(buckets, tf.int64), tf.constant(lengths)

    def plan(epoch: tf.Tensor, first: tf.Tensor) -> tf.data.Dataset:
        order = place.order(lengths.shape[0], epoch, 0, shuffle)
        by_bucket = tf.gather(order, tf.argsort(tf.gather(buckets, order), stable=True))
        batches = place.order(num_batches, epoch, 1, shuffle)[first:]
        cuts = tf.data.Dataset.from_tensor_slices((tf.gather(begins, batches), tf.gather(ends, batches)))
        return cuts.map(lambda begin, end: by_bucket[begin:end])

    def gather(rows: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        row_lengths = tf.gather(lengths, rows)
        width = tf.gather(widths, buckets[rows[0]]) if pad_to_boundary else tf.reduce_max(row_lengths)
        steps = tf.range(width)
        mask = steps < row_lengths[:, tf.newaxis]
        places = tf.where(mask, tf.gather(starts, rows)[:, tf.newaxis] + steps, 0)
        token_ids, nexts = (tf.where(mask, tf.gather(flat, places), pad_token_id) for flat in (inputs, targets))
        return {"token_ids": token_ids, "mask": mask} if return_mask else token_ids, nexts, tf.cast(mask, tf.float32)

    return prefetched(place.dataset(num_batches, plan).map(gather, num_parallel_calls=tf.data.AUTOTUNE))


def _boundaries(given: Sequence[int] | None, lengths: np.ndarray) -> np.ndarray:
    if given is None:
        return np.unique(np.quantile(lengths, np.arange(1, 16) / 16, method="higher"))
    boundaries = np.array([integer("bucket_boundaries", boundary, 1) for boundary in given], "int64")
    if np.any(np.diff(boundaries) <= 0):
        raise ValueError(f"bucket_boundaries must increase, but are {list(given)}. Sort them and leave out repetitions.")
    return boundaries
