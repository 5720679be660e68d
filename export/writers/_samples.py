"""Inputs to verify an export on."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kerasrnn.export.writers._signature import Signature
from kerasrnn.export.writers._verification import BATCHES, STEPS

_SHOWN = 0.8  # of a boolean input, which may be a mask: the share of what is true


def samples_for(model: keras.Model, forward: Signature, given: Any) -> dict[str, np.ndarray]:
    """The samples given by the user, cut to what verification needs, or seeded random inputs.

    Args:
        model: the model that is exported.
        forward: its forward signature.
        given: a string, which a language model's tokenizer turns into token ids; arrays in the order of the inputs;
            or None.

    Raises:
        ValueError: the samples are fewer or shorter than needed.
    """
    rows, steps = forward.rows or max(BATCHES), max(STEPS)
    if isinstance(given, str):
        ids = np.asarray(model.tokenizer.tokenize(given), np.int32)
        if len(ids) < rows * steps:
            raise ValueError(f"samples: expected text of at least {rows * steps} tokens; received {len(ids)}")
        given = ids[: rows * steps].reshape(rows, steps)
    if given is not None:
        values = keras.tree.flatten(given)
        if forward.rows:
            if min(len(value) for value in values) < rows:
                raise ValueError(f"samples: expected {rows} rows, which the model's Input fixes; received fewer. Give {rows}")
            values = [value[:rows] for value in values]
        return {s.name: np.asarray(v, s.dtype.as_numpy_dtype) for s, v in zip(forward.inputs, values, strict=True)}
    random = np.random.default_rng(0)
    samples = {}
    for spec in forward.inputs:
        shape = (rows, *(steps if d is None else d for d in spec.shape[1:]))
        if spec.dtype == tf.string:
            samples[spec.name] = _texts(model, random, shape)
        elif spec.dtype.is_bool:
            samples[spec.name] = random.random(shape) < _SHOWN
        elif spec.dtype.is_integer:
            samples[spec.name] = random.integers(0, _upper_bound(model), shape).astype(spec.dtype.as_numpy_dtype)
        else:
            samples[spec.name] = random.standard_normal(shape).astype(spec.dtype.as_numpy_dtype)
    return samples


def _texts(model: keras.Model, random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Single words and texts of several, of the model's vocabularies and unknown ones."""
    kinds = (keras.layers.StringLookup, keras.layers.TextVectorization)
    known = [str(word) for layer in model._flatten_layers() if isinstance(layer, kinds) for word in layer.get_vocabulary()]
    words = np.array([*known, "", "unheard-of"], object)
    lengths = np.where(random.random(shape) < 0.5, 1, random.integers(1, 12, shape))
    return np.array([" ".join(random.choice(words, n)) for n in lengths.ravel()], object).reshape(shape)


def _upper_bound(model: keras.Model) -> int:
    sizes = [layer.input_dim for layer in model._flatten_layers() if isinstance(layer, keras.layers.Embedding)]
    return getattr(model, "vocabulary_size", None) or min(sizes, default=2)
