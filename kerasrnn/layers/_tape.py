"""Whether a gradient may be asked for, which TensorFlow tells nowhere in public.

A scan that keeps nothing for its gradient is lighter, and a gradient of it runs the forward pass a second time. `training`
alone does not tell which one is wanted: in `fit` of a model whose `call` has no `training` it is False.
"""

from kerasrnn._backend import tf  # noqa: F401  (a clear error first, for other backends)
from tensorflow.python.eager import record


def tape_records() -> bool:
    """Whether a `tf.GradientTape` is open here."""
    return bool(record.could_possibly_record())
