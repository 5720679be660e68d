"""A model of mixed precision, computing in float32 for a while, as its export does."""

import contextlib
from collections.abc import Iterator

import keras


@contextlib.contextmanager
def in_float32(model: keras.Model) -> Iterator[None]:
    """While it is open, all layers of the model compute in float32, whatever their dtype policies say.

    The weights of mixed precision are float32 all the same.
    """
    before = [(layer, layer.dtype_policy) for layer in model._flatten_layers() if layer.compute_dtype != "float32"]
    try:
        for layer, _ in before:
            layer.dtype_policy = "float32"
        yield
    finally:
        for layer, policy in before:
            layer.dtype_policy = policy
