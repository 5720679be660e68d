"""Tokens out of any step function or Keras model: drawn by a sampler, or searched with beams."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from kerasrnn import samplers
from kerasrnn._backend import keras, tf
from kerasrnn.models.beam_search import search_beams

Step = Callable[[Any, Any], tuple[Any, Any]]


class Decoded(NamedTuple):
    """Tokens that `decode` wrote. With `num_samples` the first axis is (batch, num_samples).

    Attributes:
        token_ids: (batch, time) int32; beyond a row's `num_tokens` they mean nothing.
        num_tokens: (batch,) int32, the end token not counted.
        log_probabilities: (batch, time) float32, natural logarithms under the model as it is, without temperature and
            filters; that of the end token follows the row's tokens.
        score: (batch,) float64, their sum, the end token's included; of a search divided by the length penalty's norm.
    """

    token_ids: Any
    num_tokens: Any
    log_probabilities: Any
    score: Any


def decode(
    step: Step | keras.Model,
    tokens: Any,
    states: Any = None,
    max_new_tokens: Any = 100,
    sampler: Any = "random",
    seed: Any = 0,
    end_token_id: int | None = None,
    never: Sequence[int] = (),
    num_samples: int | None = None,
) -> Decoded:
    """Writes tokens with whatever gives the logits of the next one: a step function, or a Keras model.

    It works eagerly and in a `tf.function`, where a loop is many times faster.

    Args:
        step: a function `(tokens, states) -> (logits, states)`, from the last tokens, (batch,) int32, and the states
            before them to the logits of the next tokens, (batch, vocabulary), and the states then. Or a Keras model from
            token ids (batch, time) to logits (batch, time, vocabulary), which reads all tokens again for each new one.
        tokens: (batch,) integers, the tokens to go on from: start tokens, say. For a Keras model also (batch, time).
        states: tensors with the axis batch first, nested as you like, as the step function takes them; None for a model.
            What does not change, as an encoder's outputs and their mask, may be among them.
        max_new_tokens: an integer of at least 1, or one a row.
        sampler: an object of `kerasrnn.samplers`, one's own subclass of `Sampler` included, or a name of one.
        seed: integers (batch,), or one for all rows; the same seed draws the same tokens. A search needs none.
        end_token_id: the token that ends a row. Its probability counts; it is not counted in `num_tokens`.
        never: ids of tokens that are not written, as those of padding and unknown words.
        num_samples: for a search, how many of its best results to return for each row, at most `num_beams`.

    Returns:
        A `Decoded`. "Seen", for a repetition penalty, are the tokens written.

    Raises:
        ValueError: an argument outside its range, states with a model, or logits of another shape.

    Example:

    >>> import kerasrnn, tensorflow as tf
    >>> table = tf.math.log([[0.1, 0.7, 0.2], [0.5, 0.1, 0.4], [0.3, 0.3, 0.4]])  # P(next token | token)
    >>> def bigrams(tokens, counted):
    ...     return tf.gather(table, tokens), {"so far": counted["so far"] + 1}
    >>> states = {"so far": tf.zeros([2], tf.int32)}
    >>> decode(bigrams, [0, 1], states, 4, sampler="greedy", end_token_id=2).token_ids.numpy()
    array([[1, 0, 1, 0],
           [0, 1, 0, 1]], dtype=int32)
    >>> search = kerasrnn.samplers.BeamSearch(3, length_penalty=0.6)
    >>> best = decode(bigrams, [0], {"so far": tf.zeros([1], tf.int32)}, 4, search, end_token_id=2, num_samples=2)
    >>> best.num_tokens.numpy()
    array([[1, 0]], dtype=int32)
    """
    sampler = samplers.get(sampler)
    if isinstance(step, keras.Model):
        step, tokens, states = _of_model(step, tokens, states)
    tokens = tf.convert_to_tensor(tokens, tf.int32)
    if tokens.shape.rank != 1:
        raise ValueError(f"tokens: expected integers (batch,), the last token of each row; received the shape {tokens.shape}.")
    states = tf.nest.map_structure(tf.convert_to_tensor, states)
    rows = tf.shape(tokens)[0]
    max_new_tokens = tf.broadcast_to(_counts(max_new_tokens), (rows,))
    step = _checked(step)
    if not tf.executing_eagerly():
        states = _loop_states(step, tokens, states)
    if isinstance(sampler, samplers.BeamSearch):
        return _search(step, tokens, states, max_new_tokens, sampler, end_token_id, never, num_samples)
    if num_samples is not None:
        raise ValueError(f"num_samples: expected None with {sampler}, which draws; received {num_samples}. Repeat the rows.")
    return _draw(step, tokens, states, max_new_tokens, sampler, seed, end_token_id, never)


def _draw(
    step: Step, tokens: Any, states: Any, max_new_tokens: Any, sampler: Any, seed: Any, end_token_id: int | None,
    never: Sequence[int],
) -> Decoded:  # fmt: skip
    rows = tf.shape(tokens)[0]
    seed = tf.broadcast_to(tf.cast(seed, tf.int64), (rows,))

    def body(t: Any, tokens: Any, states: Any, seen: Any, ended: Any, counts: Any, written: Any, likely: Any) -> Any:
        logits, states = step(tokens, states)
        vocabulary_size = tf.shape(logits)[1]
        # Nothing was seen before the vocabulary's size is known.
        seen = tf.cond(t > 0, lambda: seen, lambda: tf.zeros((rows, vocabulary_size), bool))
        tokens = tf.cast(sampler(logits + _never(never, vocabulary_size), seed=seed, step=t, seen=seen), tf.int32)
        seen |= tf.one_hot(tokens, vocabulary_size, on_value=True, off_value=False)
        log_probabilities = -tf.nn.sparse_softmax_cross_entropy_with_logits(labels=tokens, logits=logits)
        likely = tf.concat([likely, tf.where(ended, 0.0, log_probabilities)[:, None]], axis=1)
        is_end = tf.zeros_like(ended) if end_token_id is None else tokens == end_token_id
        counts += tf.cast(~(ended | is_end), tf.int32)
        ended |= is_end | (t + 1 >= max_new_tokens)
        return t + 1, tokens, states, seen, ended, counts, tf.concat([written, tokens[:, None]], axis=1), likely

    nothing = [tf.zeros((rows, 0), bool), tf.zeros((rows,), bool), tf.zeros((rows,), tf.int32)]
    nothing += [tf.zeros((rows, 0), tf.int32), tf.zeros((rows, 0))]
    matrix, vector = tf.TensorShape((None, None)), tf.TensorShape((None,))
    of_states = tf.nest.map_structure(lambda state: state.shape, states)
    *_, counts, written, likely = tf.while_loop(
        lambda t, tokens, states, seen, ended, *_: tf.reduce_any(~ended),
        body,
        [tf.constant(0), tokens, states, *nothing],
        [tf.TensorShape(()), vector, of_states, matrix, vector, vector, matrix, matrix],
    )
    return Decoded(written, counts, likely, tf.reduce_sum(tf.cast(likely, tf.float64), axis=1))


def _search(
    step: Step, tokens: Any, states: Any, max_new_tokens: Any, search: Any, end_token_id: int | None, never: Sequence[int],
    num_samples: int | None,
) -> Decoded:  # fmt: skip
    if num_samples is not None and not 1 <= num_samples <= search.num_beams:
        raise ValueError(f"num_samples: expected 1 to {search.num_beams}, num_beams; received {num_samples}. Search with more.")

    def is_end(tokens: Any) -> Any:
        return tf.zeros_like(tokens, bool) if end_token_id is None else tokens == end_token_id

    def stops(token_ids: Any) -> Any:
        return tf.zeros(tf.shape(token_ids)[:2], bool)

    def likely(tokens: Any, states: Any) -> tuple[Any, Any]:
        logits, states = step(tokens, states)
        return tf.nn.log_softmax(logits) + _never(never, tf.shape(logits)[1]), states

    penalty = tf.constant(search.length_penalty, tf.float64)
    found = search_beams(likely, tokens, states, is_end, stops, max_new_tokens, tf.constant(search.num_beams), penalty)
    kept = 0 if num_samples is None else slice(num_samples)
    return Decoded(*(found[name][:, kept] for name in ("token_ids", "num_tokens", "log_probabilities", "score")))


def _of_model(model: keras.Model, tokens: Any, states: Any) -> tuple[Step, Any, Any]:
    """A step whose state is all tokens before, and where it begins."""
    if states is not None:
        raise ValueError("states: expected None with a Keras model, which reads all tokens again; received states. Give a function.")
    token_ids = tf.convert_to_tensor(tokens, tf.int32)
    token_ids = token_ids[:, None] if token_ids.shape.rank == 1 else token_ids

    def step(tokens: Any, before: Any) -> tuple[Any, Any]:
        token_ids = tf.concat([before, tokens[:, None]], axis=1)
        return model(token_ids, training=False)[:, -1], token_ids

    return step, token_ids[:, -1], token_ids[:, :-1]


def _checked(step: Step) -> Step:
    def checked(tokens: Any, states: Any) -> tuple[Any, Any]:
        logits, following = step(tokens, states)
        logits = tf.cast(tf.convert_to_tensor(logits), tf.float32)
        if logits.shape.rank != 2:
            raise ValueError(f"step: expected logits (batch, vocabulary); received the shape {logits.shape}. Take one step's.")
        return logits, tf.nest.map_structure(tf.convert_to_tensor, following)

    return checked


def _loop_states(step: Step, tokens: Any, states: Any) -> Any:
    """The states with the static shapes that hold in a loop: rows vary, and so do axes that the step makes longer."""
    loose = tf.nest.map_structure(lambda state: _with_shape(state, (None, *state.shape[1:])), states)
    _, following = step(_with_shape(tokens, (None,)), loose)
    tf.nest.assert_same_structure(states, following)
    shapes = tf.nest.map_structure(
        lambda before, after: tf.TensorShape([one if one == other else None for one, other in zip(before.shape, after.shape)]),
        loose, following,
    )  # fmt: skip
    return tf.nest.map_structure(_with_shape, states, shapes)


def _with_shape(tensor: Any, shape: Any) -> Any:
    return tf.raw_ops.PlaceholderWithDefault(input=tensor, shape=shape)


def _never(never: Sequence[int], vocabulary_size: Any) -> Any:
    if not len(never):
        return tf.zeros((vocabulary_size,))
    is_never = tf.reduce_any(tf.one_hot(np.asarray(never), vocabulary_size, on_value=True, off_value=False), axis=0)
    return tf.where(is_never, -np.inf, 0.0)


def _counts(max_new_tokens: Any) -> Any:
    counts = tf.cast(max_new_tokens, tf.int32)
    if counts.shape.rank > 1 or not tf.is_tensor(max_new_tokens) and np.any(np.asarray(max_new_tokens) < 1):
        raise ValueError(f"max_new_tokens: expected an integer of at least 1, or one a row; received {max_new_tokens!r}.")
    return counts
