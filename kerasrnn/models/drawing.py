"""Draws of a sampler that has its own `__call__`, inside a graph that generates."""

import weakref
from typing import Any

import numpy as np

from kerasrnn._backend import tf
from kerasrnn.samplers import Sampler

_SAMPLERS: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()


def draws_by_itself(sampler: Any) -> bool:
    """Whether a sampler draws in its own way, and not as its settings say."""
    return isinstance(sampler, Sampler) and type(sampler).__call__ is not Sampler.__call__


def key_of(sampler: Any) -> Any:
    """A number by which a graph finds the sampler: one graph serves all of them."""
    _SAMPLERS[id(sampler)] = sampler
    return tf.constant(id(sampler), tf.int64)


def drawn_by(key: Any, logits: Any, seed: Any, step: Any, seen: Any) -> Any:
    """The tokens (batch,) int32 that the sampler of this key draws, called in Python with tensors that hold values."""

    def draw(key: Any, logits: Any, seed: Any, step: Any, seen: Any) -> Any:
        sampler = _SAMPLERS[int(key)]
        tokens = np.asarray(sampler(logits, seed, step, seen))
        rows, vocabulary_size = logits.shape
        if tokens.shape != (rows,) or tokens.dtype.kind not in "iu" or np.any((tokens < 0) | (tokens >= vocabulary_size)):
            raise ValueError(
                f"sampler: expected {type(sampler).__name__} to return {rows} token ids, integers in [0, {vocabulary_size}) of "
                f"shape ({rows},); received {tokens!r}"
            )
        return tokens.astype(np.int32)

    tokens = tf.py_function(draw, [key, logits, seed, step, seen], tf.int32)
    tokens.set_shape((None,))
    return tokens
