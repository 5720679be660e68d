from typing import Unpack

import numpy as np

from kerasrnn._backend import tf
from kerasrnn.data._pairs import ManyTexts, Pairs, as_pairs, padding_of
from kerasrnn.data.passes import Passes, PassOptions, integer
from kerasrnn.data.prefetched import prefetched
from kerasrnn.tokenizers import Tokenizer


def document_streams(
    documents: ManyTexts,
    tokenizer: Tokenizer | None = None,
    batch_size: int = 32,
    num_steps: int = 64,
    shuffle: bool = True,
    start_token_id: int | None = None,
    align: bool = False,
    right_to_left: bool = False,
    **passes: Unpack[PassOptions],
) -> tf.data.Dataset:
    """Joins documents into parallel streams, and marks where the state must be reset.

    Row b of a batch goes on where row b of the batch before ended: for layers that carry their state. `resets` is
    True where a token does not go on from the one before it: at the first token of each document, and at the first of
    each row in an epoch. Each token is predicted from those before it in its document, exactly once an epoch; not the
    first of a document without a `start_token_id`. What fills up the last windows has sample weight 0, and is the padding
    of a tokenizer that has one. A tokenizer with an end token puts it behind each document.

    A layer with `stateful=True` can be reset between windows: with `align=True` every document begins with a window,
    and all marks are in column 0. Before each batch its states are then multiplied by

        keep = 1 - resets[:, 0]        (batch, 1)

    as in the example; a layer that takes `initial_state` gets its last states times `keep`. Without `align` nothing is
    padded but the end, and marks are anywhere in a window: for cells that take them as a feature, step by step.

    Args:
        documents: Texts or token ids: an iterable of either (as the readers of this package are), a `tf.RaggedTensor`,
            or a `tf.data.Dataset`. Their token ids are kept in memory.
        tokenizer: What splits texts into tokens; for token ids only a check of their range.
        batch_size: Rows of a batch; with `num_shards` those of one worker.
        num_steps: Tokens in a window.
        shuffle: Whether each epoch begins with another document: the others follow in their order.
        start_token_id: What to put before each document's first token, and to predict after its last where there is no end
            token, such as the tokenizer's `start_token_id`; None for neither.
        align: Whether to fill up the last window of each document, so that every document begins with a window.
        right_to_left: Whether to read each document backwards, so that each target is the token *before*.
        **passes: Seed, epochs, place to resume from, share of a worker: see `PassOptions`.

    Returns:
        A `tf.data.Dataset` of triples (inputs, targets, sample_weights), all of shape (batch_size, num_steps): inputs
        are a dictionary of "token_ids", int32, and "resets", bool; targets are int32 and sample weights float32.

    Raises:
        ValueError: If no document has anything to predict, a token id is outside the vocabulary, or a number is not
            positive.
        TypeError: If `documents` are neither strings nor integers, or strings without a tokenizer.

    Example:

    >>> import keras
    >>> class Stateful(keras.Model):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.embedding, self.dense = keras.layers.Embedding(10, 4), keras.layers.Dense(10)
    ...         self.rnn = keras.layers.GRU(4, return_sequences=True, stateful=True)
    ...     def build(self, input_shape):
    ...         batch, steps = input_shape["token_ids"]
    ...         self.rnn.build((batch, steps, 4))
    ...         self.dense.build((batch, steps, 4))
    ...     def call(self, inputs):
    ...         keep = 1 - keras.ops.cast(inputs["resets"][:, :1], "float32")
    ...         for state in self.rnn.states:
    ...             state.assign(state * keep)
    ...         return self.dense(self.rnn(self.embedding(inputs["token_ids"])))
    >>> streams = document_streams([[1, 2, 3, 4, 5], [6, 7, 8]], batch_size=1, num_steps=3, shuffle=False, align=True)
    >>> for inputs, targets, weights in streams:
    ...     print(*(tensor.numpy().astype(int)[0].tolist() for tensor in [*inputs.values(), targets, weights]))
    [1, 2, 3] [1, 0, 0] [2, 3, 4] [1, 1, 1]
    [4, 0, 0] [0, 0, 0] [5, 0, 0] [1, 0, 0]
    [6, 7, 0] [1, 0, 0] [7, 8, 0] [1, 1, 0]
    >>> model = Stateful()
    >>> model.compile(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    >>> history = model.fit(streams, shuffle=False, verbose=0)
    """
    batch_size, num_steps = integer("batch_size", batch_size, 1), integer("num_steps", num_steps, 1)
    place = Passes(**passes)
    pairs = as_pairs(documents, tokenizer, start_token_id, right_to_left)
    if not len(pairs.lengths):
        raise ValueError(
            "documents must have one of at least 2 tokens (or any, with a start_token_id), but have none. "
            "Pass more documents, or start_token_id=tokenizer.start_token_id."
        )
    padding = padding_of(tokenizer)
    pairs, counted = _aligned(pairs, num_steps, padding) if align else (pairs, None)
    inputs, targets, document_starts = (tf.constant(array) for array in (pairs.inputs, pairs.targets, pairs.starts))
    counted = None if counted is None else tf.constant(counted)
    begins = np.zeros(len(pairs.inputs), bool)
    begins[pairs.starts] = True
    begins = tf.constant(begins)

    total, num_documents, num_rows = len(pairs.inputs), len(pairs.lengths), batch_size * place.num_shards
    num_batches = -(-total // (num_rows * num_steps))
    rows = tf.range(place.shard_index, num_rows, place.num_shards, dtype=tf.int64)[:, tf.newaxis] * num_batches * num_steps
    steps = tf.range(num_steps, dtype=tf.int64)

    def plan(epoch: tf.Tensor, first: tf.Tensor) -> tf.data.Dataset:
        chosen = tf.random.stateless_uniform((), place.key(epoch, 0), maxval=num_documents, dtype=tf.int64)
        origin = document_starts[chosen if shuffle else 0]
        return tf.data.Dataset.range(first, num_batches).map(lambda batch: (origin, batch))

    def gather(origin: tf.Tensor, batch: tf.Tensor) -> tuple[dict[str, tf.Tensor], tf.Tensor, tf.Tensor]:
        places = rows + batch * num_steps + steps
        inside = places < total
        # The streams go round: from the last document to the first.
        places = (places + origin) % total
        weights = inside if counted is None else inside & tf.gather(counted, places)
        token_ids, nexts = (tf.where(inside, tf.gather(flat, places), padding) for flat in (inputs, targets))
        resets = (inside & tf.gather(begins, places)) | ((batch == 0) & (steps == 0))
        return {"token_ids": token_ids, "resets": resets}, nexts, tf.cast(weights, tf.float32)

    return prefetched(place.dataset(num_batches, plan).map(gather, num_parallel_calls=tf.data.AUTOTUNE))


def _aligned(pairs: Pairs, num_steps: int, padding: int) -> tuple[Pairs, np.ndarray]:
    """Fills up each document to whole windows; the second result says what is not filling."""
    lengths = -(-pairs.lengths // num_steps) * num_steps
    shifts = np.cumsum(lengths) - lengths - pairs.starts
    places = np.arange(len(pairs.inputs)) + np.repeat(shifts, pairs.lengths)
    fills = ((padding, "int32"), (padding, "int32"), (False, bool))
    arrays = [np.full(lengths.sum(), fill, dtype) for fill, dtype in fills]
    for array, values in zip(arrays, (pairs.inputs, pairs.targets, True)):
        array[places] = values
    return Pairs(arrays[0], arrays[1], lengths), arrays[2]
