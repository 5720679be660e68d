"""keras.layers.TimeDistributed as one call on all steps."""

import contextlib
import functools
from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf

from kerasrnn.export.writers._patched import patched


@contextlib.contextmanager
def all_steps_at_once(model: keras.Model) -> Iterator[None]:
    """While it is open, `TimeDistributed` calls its layer once, with all steps as one batch.

    Keras 3.15, where the number of steps is not known while it traces, maps over as many steps as there are rows
    (TimeDistributed.call asks for the shape before it transposes), and a map has no good ONNX form.
    """
    layers = [layer for layer in model._flatten_layers() if isinstance(layer, keras.layers.TimeDistributed)]
    with patched(layers, "call", lambda layer, _: functools.partial(_at_once, layer)):
        yield


def _at_once(layer: Any, inputs: Any, training: Any = None, mask: Any = None) -> Any:
    def merged(value: Any) -> Any:
        shape = tf.shape(value)
        return tf.reshape(value, tf.concat([[shape[0] * shape[1]], shape[2:]], 0))

    def merged_with_shape(value: Any) -> Any:
        return tf.ensure_shape(merged(value), (None, *value.shape[2:]))

    options: dict[str, Any] = {}
    if layer.layer._call_has_mask_arg and mask is not None:
        options["mask"] = merged(mask)
    if layer.layer._call_has_training_arg:
        options["training"] = training
    outputs = layer.layer.call(merged_with_shape(inputs), **options)
    shape = tf.concat([tf.shape(inputs)[:2], tf.shape(outputs)[1:]], 0)
    return tf.ensure_shape(tf.reshape(outputs, shape), (*inputs.shape[:2], *outputs.shape[1:]))
