from typing import Unpack

from kerasrnn._backend import tf
from kerasrnn.data.passes import Passes, PassOptions, integer
from kerasrnn.data.prefetched import prefetched
from kerasrnn.tokenizers import Tokenizer
from kerasrnn.tokenizers.token_ids import TextOrTokenIds, as_token_ids


def variable_windows(
    text: TextOrTokenIds,
    tokenizer: Tokenizer | None = None,
    batch_size: int = 80,
    num_steps: int = 70,
    half_probability: float = 0.05,
    deviation: float = 5.0,
    min_steps: int = 5,
    right_to_left: bool = False,
    **passes: Unpack[PassOptions],
) -> tf.data.Dataset:
    """Cuts a text into contiguous windows of random lengths, so that each epoch breaks it elsewhere.

    The text is laid out in `batch_size` rows, and row b of a batch goes on where row b of the batch before ended: for
    layers that carry their state. All rows of a batch have the same length

        max(min_steps, ⌊x⌋),  x ~ N(base, deviation²),  base = num_steps / 2 with half_probability, else num_steps,

    and the last batch of an epoch has what is left. Each token is predicted exactly once an epoch, but the first of
    the text and fewer than `batch_size` at its end.

    The paper multiplies the learning rate of a step by its length over `num_steps`, so that tokens of short windows do
    not count for more.

    Args:
        text: The text, or its token ids: integers of shape (length,).
        tokenizer: What splits the text into tokens; for token ids only a check of their range.
        batch_size: Rows of a batch; with `num_shards` those of one worker.
        num_steps: The usual mean length, in tokens.
        half_probability: How often the mean is half of that.
        deviation: The lengths' standard deviation, in tokens.
        min_steps: The shortest length, but for the last batch.
        right_to_left: Whether to read the text backwards, so that each target is the token *before*.
        **passes: Seed, epochs, place to resume from, share of a worker: see `PassOptions`.

    Returns:
        A `tf.data.Dataset` of pairs (token_ids, targets), both int32 of shape (batch_size, length).

    Raises:
        ValueError: If the text is too short for one token a row, a token id is outside the vocabulary, or a number is
            outside its range.
        TypeError: If `text` is neither a string nor integers, or a string without a tokenizer.

    Example:

    >>> dataset = variable_windows(range(1001), batch_size=4, num_steps=70, seed=1)
    >>> lengths = [int(token_ids.shape[1]) for token_ids, targets in dataset]
    >>> sum(lengths)
    250
    >>> len(set(lengths)) > 1
    True

    Reference: Merity, Keskar and Socher, 2018, "Regularizing and Optimizing LSTM Language Models", section 5.
    """
    batch_size, num_steps = integer("batch_size", batch_size, 1), integer("num_steps", num_steps, 1)
    min_steps = integer("min_steps", min_steps, 1)
    if not 0 <= half_probability <= 1:
        raise ValueError(f"half_probability must be a probability, from 0 to 1, but is {half_probability!r}.")
    if not 0 <= deviation < float("inf"):
        raise ValueError(f"deviation must be a number of tokens of at least 0, but is {deviation!r}.")
    place = Passes(**passes)
    token_ids = tf.constant(as_token_ids(text, tokenizer)[:: -1 if right_to_left else 1])
    num_rows = batch_size * place.num_shards
    row_length = (token_ids.shape[0] - 1) // num_rows
    if row_length < 1:
        raise ValueError(
            f"text must have at least {num_rows + 1} tokens, for one in each row of batch_size={batch_size} × "
            f"num_shards={place.num_shards} and a last target, but has {token_ids.shape[0]}. "
            "Pass a longer text, or a smaller batch_size."
        )
    row_starts = tf.range(place.shard_index, num_rows, place.num_shards, dtype=tf.int64)[:, tf.newaxis] * row_length
    num_offsets = token_ids.shape[0] - num_rows * row_length

    def lengths(epoch: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        shape = (-(-row_length // min_steps),)
        halved = tf.random.stateless_uniform(shape, place.key(epoch, 0)) < half_probability
        drawn = tf.where(halved, num_steps / 2, float(num_steps))
        drawn += deviation * tf.random.stateless_normal(shape, place.key(epoch, 1))
        ends = tf.cumsum(tf.maximum(tf.cast(drawn, tf.int64), min_steps))
        starts = tf.concat([tf.zeros(1, tf.int64), ends[:-1]], 0)
        used = starts < row_length
        return starts[used], tf.minimum(ends[used], row_length)

    def num_batches(epoch: int) -> int:
        return int(tf.size(lengths(epoch)[0]))

    def plan(epoch: tf.Tensor, first: tf.Tensor) -> tf.data.Dataset:
        starts, ends = lengths(epoch)
        # The rows are of one length, which leaves a rest: each epoch another one.
        offset = tf.random.stateless_uniform((), place.key(epoch, 2), maxval=num_offsets, dtype=tf.int64)
        return tf.data.Dataset.from_tensor_slices((offset + starts[first:], offset + ends[first:]))

    def gather(start: tf.Tensor, end: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        windows = tf.gather(token_ids, row_starts + tf.range(start, end + 1))
        return windows[:, :-1], windows[:, 1:]

    return prefetched(place.dataset(num_batches, plan).map(gather, num_parallel_calls=tf.data.AUTOTUNE))
