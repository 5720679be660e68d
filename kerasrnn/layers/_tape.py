"""Tells whether a gradient tape is open. TensorFlow has no public function for this.

A scan that keeps nothing for its gradient is lighter, but its gradient runs the forward pass a second time. `training` does not
tell which one is wanted: it is False in `fit` of a model whose `call` has no `training`.
"""

from kerasrnn._backend import tf  # noqa: F401  (a clear error first, for other backends)
from tensorflow.python.eager import record


def tape_records() -> bool:
    """Whether a `tf.GradientTape` is open here."""
    return bool(record.could_possibly_record())
