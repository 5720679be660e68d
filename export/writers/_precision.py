"""A model of mixed precision, computing in float32 for a while, as its export does."""

import contextlib
from collections.abc import Iterator

import keras

_HALF = ("float16", "bfloat16")


@contextlib.contextmanager
def in_float32(model: keras.Model) -> Iterator[None]:
    """While it is open, all layers of the model compute in float32, whatever their dtype policies say.

    The weights of mixed precision are float32 all the same.

    Raises:
        TypeError: it is no model.
        ValueError: a recurrent layer computes in float64, for which there are no native nodes.
    """
    if not isinstance(model, keras.Model):
        raise TypeError(f"model: expected a keras.Model; received a {type(model).__name__}")
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.RNN) and layer.compute_dtype == "float64":
            raise ValueError(
                f"{layer.name}: expected a layer of float32 or mixed precision, as exported models compute in float32; received "
                "float64. Build the model with dtype='float32', and set_weights(model.get_weights())"
            )
    before = [(layer, layer.dtype_policy) for layer in model._flatten_layers() if layer.compute_dtype in _HALF]
    try:
        for layer, _ in before:
            layer.dtype_policy = "float32"
        yield
    finally:
        for layer, policy in before:
            layer.dtype_policy = policy
