from kerasrnn._backend import tf
from kerasrnn.data.passes import integer, partition, random_offset
from kerasrnn.data.prefetched import prefetched
from kerasrnn.tokenizers import Tokenizer
from kerasrnn.tokenizers.token_ids import TextOrTokenIds, as_token_ids


def language_model_dataset(
    text: TextOrTokenIds,
    tokenizer: Tokenizer | None = None,
    batch_size: int = 32,
    num_steps: int = 64,
    shuffle: bool = True,
    contiguous: bool = False,
    seed: int | None = None,
    drop_remainder: bool = False,
    right_to_left: bool = False,
) -> tf.data.Dataset:
    """Cuts a text into windows whose targets are their own next tokens.

    The text is partitioned as in Dive into Deep Learning, "Language Models": windows follow one another without
    overlap from a random offset, and each pass over the dataset draws a new offset and a new order.

    - `shuffle=False`: every pass is the same. The windows come in the order of the text from offset 0, and each token
      but the first is predicted once; only what is shorter than a window at the end is left out.
    - `contiguous=True`: for layers that carry their state from batch to batch. Row b of a batch goes on where row b of
      the batch before ended, and all batches are full; `shuffle` draws the offset alone.

    `strided_windows` cuts the same windows so that any pass can be had again, from any batch on, and shared by workers.

    All passes have the same number of batches, the dataset's cardinality: as many windows as fit from every offset below
    `num_steps`. The offset is drawn from all from which they fit, so that no token is left out for ever, and windows anywhere
    but at the ends of the text are equally likely. A pass leaves out fewer than 2 · `num_steps` tokens, with
    `contiguous=True` fewer than (`batch_size` + 1) · `num_steps`.

    Args:
        text: The text, or its token ids: integers of shape (length,).
        tokenizer: What splits the text into tokens; for token ids only a check of their range.
        batch_size: Windows in a batch. The last batch may have fewer.
        num_steps: Tokens in a window.
        shuffle: Whether each pass cuts the text differently.
        contiguous: Whether each batch continues the one before.
        seed: From 0 on; makes the passes repeatable: another dataset with this seed draws the same ones in the same order. As
            everywhere in `tf.data`, a global seed (`keras.utils.set_random_seed`) has its part in what is drawn.
        drop_remainder: Whether to drop a last batch with fewer windows.
        right_to_left: Whether to read the text backwards, so that each target is the token *before*.

    Returns:
        A `tf.data.Dataset` of pairs (token_ids, targets), both int32 of shape (batch, num_steps).

    Raises:
        ValueError: If the text is too short for one batch, a token id is outside the vocabulary, or a number is
            outside its range.
        TypeError: If `text` is neither a string nor integers, or a string without a tokenizer.

    Example:

    >>> dataset = language_model_dataset(range(9), batch_size=2, num_steps=3, shuffle=False)
    >>> for token_ids, targets in dataset:
    ...     print(token_ids.numpy().tolist(), targets.numpy().tolist())
    [[0, 1, 2], [3, 4, 5]] [[1, 2, 3], [4, 5, 6]]
    """
    batch_size, num_steps = integer("batch_size", batch_size, 1), integer("num_steps", num_steps, 1)
    # Without one every pass of every dataset is another.
    seed = None if seed is None else integer("seed", seed, 0)
    # tf.data keeps a tensor by reference, where it would copy a NumPy array into the graph.
    token_ids = tf.constant(as_token_ids(text, tokenizer)[:: -1 if right_to_left else 1])
    length = token_ids.shape[0]

    full_batch = contiguous or drop_remainder
    shortest = (batch_size if full_batch else 1) * num_steps + 1
    if length < shortest:
        needs = f"one batch of {batch_size} windows" if full_batch else "one window"
        raise ValueError(
            f"text must have at least {shortest} tokens, for {needs} of num_steps={num_steps} and a last target, "
            f"but has {length}. Pass a longer text, or a smaller num_steps{' or batch_size' * full_batch}."
        )
    num_windows, num_offsets = partition(length, num_steps, shortest, batch_size if contiguous else 1, shuffle)
    num_batches = num_windows // batch_size if full_batch else -(-num_windows // batch_size)

    def windows_from(offset: tf.Tensor, order: tf.Tensor) -> tf.data.Dataset:
        starts = offset + order * num_steps
        if contiguous:
            rows = tf.reshape(starts[: num_batches * batch_size], (batch_size, num_batches))
            return tf.data.Dataset.from_tensor_slices(tf.transpose(rows))
        return tf.data.Dataset.from_tensor_slices(starts).batch(batch_size, drop_remainder)

    def new_pass(key: tf.Tensor) -> tf.data.Dataset:
        offset = random_offset(key, num_offsets, num_steps)
        order = tf.range(num_windows, dtype=tf.int64)
        return windows_from(offset, order if contiguous else tf.random.experimental.stateless_shuffle(order, key))

    def gather(starts: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        windows = tf.gather(token_ids, starts[:, tf.newaxis] + tf.range(num_steps + 1, dtype=tf.int64))
        return windows[:, :-1], windows[:, 1:]

    if shuffle:
        keys = tf.data.Dataset.random(seed, rerandomize_each_iteration=True).batch(2, drop_remainder=True)
        starts = keys.take(1).flat_map(new_pass)
    else:
        starts = windows_from(tf.constant(0, tf.int64), tf.range(num_windows, dtype=tf.int64))
    dataset = starts.map(gather, num_parallel_calls=tf.data.AUTOTUNE)
    return prefetched(dataset.apply(tf.data.experimental.assert_cardinality(num_batches)))
