from typing import Unpack

from kerasrnn._backend import tf
from kerasrnn.data.passes import Passes, PassOptions, integer, random_offset
from kerasrnn.data.prefetched import prefetched
from kerasrnn.tokenizers import Tokenizer
from kerasrnn.tokenizers.token_ids import TextOrTokenIds, as_token_ids


def strided_windows(
    text: TextOrTokenIds,
    tokenizer: Tokenizer | None = None,
    batch_size: int = 32,
    num_steps: int = 64,
    stride: int | None = None,
    shuffle: bool = True,
    count_once: bool = False,
    right_to_left: bool = False,
    drop_remainder: bool = False,
    **passes: Unpack[PassOptions],
) -> tf.data.Dataset:
    """Cuts a text into windows of one length, a fixed distance apart.

    Window k holds the tokens from offset + k · stride on, and its targets are their next tokens. With a stride of
    `num_steps` and `shuffle` it is the random partition of Dive into Deep Learning, "Language Models": the offset, any
    from which the windows fit, and the order of the windows are other ones in each epoch. Every token is predicted at most once
    then, and those that are not are fewer than 2 · `num_steps` at the ends of the text. With a smaller stride windows
    overlap, and tokens are predicted several times, after more or fewer others.

    `count_once=True` predicts every token but the first of the text exactly once an epoch, as evaluations need it:
    windows begin at offset 0, the last one ends where the text does, and targets that the window before has too get
    weight 0. All but the first window's targets are then predicted from at least `num_steps - stride` tokens before.

    Args:
        text: The text, or its token ids: integers of shape (length,).
        tokenizer: What splits the text into tokens; for token ids only a check of their range.
        batch_size: Windows in a batch. The last batch may have fewer.
        num_steps: Tokens in a window.
        stride: Tokens from the beginning of one window to that of the next; `num_steps` by default.
        shuffle: Whether each epoch draws an offset and an order, or all have the order of the text from offset 0.
        count_once: Whether to add the weights described above.
        right_to_left: Whether to read the text backwards, so that each target is the token *before*.
        drop_remainder: Whether to drop a last batch with fewer windows. All workers have as many batches then.
        **passes: Seed, epochs, place to resume from, share of a worker: see `PassOptions`.

    Returns:
        A `tf.data.Dataset` of pairs (token_ids, targets), both int32 of shape (batch, num_steps), or with `count_once`
        of triples with sample weights, float32 of the same shape.

    Raises:
        ValueError: If the text is too short for one batch, a token id is outside the vocabulary, or a number is not
            positive.
        TypeError: If `text` is neither a string nor integers, or a string without a tokenizer.

    Example:

    >>> dataset = strided_windows(range(8), batch_size=3, num_steps=4, stride=2, shuffle=False, count_once=True)
    >>> for token_ids, targets, weights in dataset:
    ...     print(token_ids.numpy().tolist(), targets.numpy().tolist(), weights.numpy().astype(int).tolist(), sep="\\n")
    [[0, 1, 2, 3], [2, 3, 4, 5], [3, 4, 5, 6]]
    [[1, 2, 3, 4], [3, 4, 5, 6], [4, 5, 6, 7]]
    [[1, 1, 1, 1], [0, 0, 1, 1], [0, 0, 0, 1]]
    """
    batch_size, num_steps = integer("batch_size", batch_size, 1), integer("num_steps", num_steps, 1)
    stride = num_steps if stride is None else integer("stride", stride, 1)
    if count_once and stride > num_steps:
        raise ValueError(
            f"stride must be at most num_steps={num_steps} with count_once=True, as tokens between two windows would "
            f"not be counted, but is {stride}."
        )
    place = Passes(**passes)
    # tf.data keeps a tensor by reference, where it would copy a NumPy array into the graph.
    token_ids = tf.constant(as_token_ids(text, tokenizer)[:: -1 if right_to_left else 1])
    last_start = token_ids.shape[0] - 1 - num_steps
    if last_start < 0:
        raise ValueError(
            f"text must have at least {num_steps + 1} tokens, for one window of num_steps={num_steps} and a last target, "
            f"but has {token_ids.shape[0]}. Pass a longer text, or a smaller num_steps."
        )
    if count_once:
        num_windows, num_offsets = -(-last_start // stride) + 1, 1
    else:
        # As many windows in every epoch as there is room for from any offset below the stride.
        num_windows = (last_start - (min(stride - 1, last_start) if shuffle else 0)) // stride + 1
        # All offsets from which they fit: with fewer the end of the text would never be read.
        num_offsets = last_start - (num_windows - 1) * stride + 1 if shuffle else 1
    if drop_remainder:
        num_batches = num_windows // place.num_shards // batch_size
    else:
        num_batches = -(-place.share(num_windows) // batch_size)
    if not num_batches:
        raise ValueError(
            f"text must give at least one batch of batch_size={batch_size} windows to each of "
            f"num_shards={place.num_shards} workers, but gives {num_windows} windows to all. Pass a longer text, or a "
            "smaller num_steps, batch_size or num_shards."
        )

    def plan(epoch: tf.Tensor, first: tf.Tensor) -> tf.data.Dataset:
        offset = random_offset(place.key(epoch, 0), num_offsets, stride)
        order = place.order(num_windows, epoch, 1, shuffle)[place.shard_index :: place.num_shards]
        starts = tf.minimum(offset + order[first * batch_size : num_batches * batch_size] * stride, last_start)
        return tf.data.Dataset.from_tensor_slices(starts).batch(batch_size, drop_remainder)

    def gather(starts: tf.Tensor) -> tuple[tf.Tensor, ...]:
        starts = starts[:, tf.newaxis]
        windows = tf.gather(token_ids, starts + tf.range(num_steps + 1, dtype=tf.int64))
        if not count_once:
            return windows[:, :-1], windows[:, 1:]
        before = (-(-starts // stride) - 1) * stride
        overlap = tf.where(starts > 0, before + num_steps - starts, 0)
        weights = tf.cast(tf.range(num_steps, dtype=tf.int64) >= overlap, tf.float32)
        return windows[:, :-1], windows[:, 1:], weights

    return prefetched(place.dataset(num_batches, plan).map(gather, num_parallel_calls=tf.data.AUTOTUNE))
