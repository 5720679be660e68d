"""What each layer of a model gives, and the masks that it is given, as one call of the model has them."""

import inspect
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kerasrnn.export.writers._patched import patched
from kerasrnn.export.writers._signature import Signature


@dataclass
class Seen:
    """What one call showed: outputs by name, and values with the layers' names, in the order of their calls."""

    outputs: dict[str, np.ndarray]
    masks: list[tuple[str, np.ndarray]] = field(default_factory=list)
    values: list[tuple[str, np.ndarray]] = field(default_factory=list)


class Observed:
    """A signature's function, with what happens at every layer of the model: one trace, any number of calls.

    Args:
        model: the model.
        signature: what to call.
        values: whether to keep what each layer gives.
    """

    def __init__(self, model: keras.Model, signature: Signature, values: bool = False) -> None:
        self._masks: list[str] = []
        self._values: list[str] = []

        def function(*tensors: Any) -> tuple[dict[str, Any], list[Any], list[Any]]:
            masks: list[tuple[str, Any]] = []
            given_out: list[tuple[str, Any]] = []
            graph = tf.compat.v1.get_default_graph()

            def of_this_graph(value: Any) -> bool:
                return isinstance(value, tf.Tensor) and value.graph is graph

            def noting(layer: Any, method: Any) -> Any:
                name, signature_of_call = _named(layer), inspect.signature(method)

                def call(*args: Any, **kwargs: Any) -> Any:
                    given = signature_of_call.bind(*args, **kwargs).arguments
                    found = [value for key, value in given.items() if key.endswith("mask")]
                    masks.extend((name, mask) for mask in keras.tree.flatten(found) if of_this_graph(mask))
                    results = method(*args, **kwargs)
                    kept = keras.tree.flatten(results) if values else []
                    given_out.extend((name, value) for value in kept if of_this_graph(value))
                    return results

                return call

            with patched(_operations(model), "call", noting):
                outputs = signature.function(*tensors)
            self._masks, self._values = [name for name, _ in masks], [name for name, _ in given_out]
            return outputs, [tf.cast(mask, tf.bool) for _, mask in masks], [value for _, value in given_out]

        self._traced = tf.function(function, signature.inputs)

    def __call__(self, *tensors: Any) -> Seen:
        outputs, masks, values = self._traced(*tensors)
        return Seen(
            {name: value.numpy() for name, value in outputs.items()},
            list(zip(self._masks, (mask.numpy() for mask in masks), strict=True)),
            list(zip(self._values, (value.numpy() for value in values), strict=True)),
        )


def _named(layer: Any) -> str:
    return f"{layer.name}, a {type(layer).__name__}"


def _operations(model: keras.Model) -> list[Any]:
    """Layers and bare operations, but no models, whose parts are among them, nor what sees one step only."""
    layers = list(model._flatten_layers(include_self=False))
    models = [layer for layer in [model, *layers] if isinstance(layer, keras.Model)]
    bare = [one for each in models for one in getattr(each, "operations", []) if not isinstance(one, keras.layers.Layer)]
    distributed = [layer for layer in layers if isinstance(layer, keras.layers.TimeDistributed)]
    cells = [layer.cell for layer in layers if isinstance(layer, keras.layers.RNN)]
    one_step = [part for whole in [*distributed, *cells] if hasattr(whole, "_flatten_layers") for part in whole._flatten_layers()]
    left_out = {id(layer) for layer in [*models, *one_step]}
    return list({id(one): one for one in [*layers, *bare] if id(one) not in left_out}.values())
