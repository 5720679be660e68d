"""A model of half or mixed precision, computing in float32 for a while, as its export does."""

import contextlib
from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf

_HALF = ("float16", "bfloat16")


@contextlib.contextmanager
def in_float32(model: keras.Model) -> Iterator[None]:
    """While it is open, all of the model computes in float32, whatever its dtype policies say.

    The weights of mixed precision are float32 all the same; weights of half precision are read as float32. What a layer was
    told to cast, as by `keras.ops.cast(x, "float16")`, it casts.

    Raises:
        TypeError: it is no model.
        ValueError: a recurrent layer computes in float64, for which there are no native nodes.
    """
    if not isinstance(model, keras.Model):
        raise TypeError(f"model: expected a keras.Model; received a {type(model).__name__}")
    layers = list(model._flatten_layers())
    for layer in layers:
        if isinstance(layer, keras.layers.RNN) and layer.compute_dtype == "float64":
            raise ValueError(
                f"{layer.name}: expected a layer of float32 or mixed precision, as exported models compute in float32; received "
                "float64. Build the model with dtype='float32', and set_weights(model.get_weights())"
            )
    with contextlib.ExitStack() as until_exported:
        for owner, attribute, value in _in_half_precision(model, layers):
            until_exported.callback(owner.__dict__.__setitem__, attribute, owner.__dict__[attribute])
            owner.__dict__[attribute] = value
        for layer in layers:
            if isinstance(layer, keras.layers.Normalization):
                layer.finalize_state()  # from its float32 weights, not from what was rounded
        yield


def _in_half_precision(model: keras.Model, layers: list[Any]) -> Iterator[tuple[Any, str, Any]]:
    """Attributes that say or hold half precision: owner, name, and what stands there in float32."""
    for variable in model.variables:
        if variable._dtype in _HALF:
            yield variable, "_value", tf.Variable(tf.cast(variable._value, tf.float32), trainable=variable.trainable)
            yield variable, "_dtype", "float32"
    for layer in layers:
        graph = getattr(layer, "_functional", None) or layer
        # What takes an inner model's inputs casts them to the type that they had when it was built.
        if layer is not model or isinstance(layer, keras.Sequential):
            for tensor in keras.tree.flatten(getattr(graph, "_inputs", [])):
                if tensor.dtype in _HALF:
                    yield tensor, "_dtype", "float32"
        if isinstance(layer, keras.layers.InputLayer) and layer.dtype in _HALF:
            yield layer, "_dtype", "float32"  # as Sequential made it
        for part in {id(part): part for part in (layer, graph)}.values():
            if {part.compute_dtype, part.variable_dtype}.intersection(_HALF):
                mode = part.dtype_policy.quantization_mode
                yield part, "_dtype_policy", keras.dtype_policies.get(f"{mode}_from_float32" if mode else "float32")
        for name, value in vars(layer).items():
            if isinstance(value, tf.Tensor) and value.dtype.name in _HALF:
                yield layer, name, tf.cast(value, tf.float32)
