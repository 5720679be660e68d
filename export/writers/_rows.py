"""How many rows a model takes: any number, or the one that its `keras.Input(batch_size=…)` fixes and its graph holds to."""

import contextlib
from collections.abc import Iterator

import keras
import tensorflow as tf

from kerasrnn.export.writers._samples import samples_for
from kerasrnn.export.writers._signature import Signature

_TRIED = (1, 2)


def takes_any_number_of_rows(model: keras.Model, forward: Signature) -> bool:
    """Whether a model, whose `Input` fixes the number of rows, computes as many rows as it is given all the same."""
    try:
        traced, samples = forward.traced(), samples_for(model, forward, None)
        for rows in _TRIED:
            outputs = traced(*(tf.constant(value[:rows]) for value in samples.values()))
            if any(value.shape.rank and value.shape[0] != rows for value in outputs.values()):
                return False
    except (TypeError, ValueError, tf.errors.OpError):
        return False
    return True


@contextlib.contextmanager
def rows_explained(model: keras.Model) -> Iterator[None]:
    """TensorFlow's own error of a shape, as of a constant with 8 rows, with a word on the remedy."""
    try:
        yield
    except tf.errors.InvalidArgumentError as error:
        lines = [line.strip() for line in error.message.splitlines() if line.strip() and "[[" not in line]
        raise ValueError(
            f"{model.name}: expected a model that takes any number of rows; on 1 to 3 rows it fails: {lines[-1]}. If it is made "
            "for one batch size, say so: keras.Input(batch_size=8, …). If it takes other inputs than random ones, give samples=…"
        ) from error
