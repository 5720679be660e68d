"""What a layer computes: its outputs, its last states, and all gradients, by name."""

from collections.abc import Callable
from typing import Any

from kerasrnn._backend import keras, tf
from kerasrnn.testing._subject import state_names, weight_names


def results(
    layer: Any,
    sequences: Any,
    states: list[Any],
    mask: Any = None,
    *,
    training: bool = True,
    wrap: Callable[..., Any] | None = None,
) -> dict[str, Any]:
    """Outputs, last states, and gradients of a sum that weighs each number of them differently, as NumPy arrays.

    Args:
        layer: a recurrent layer.
        sequences: (batch, time, features).
        states: the initial states, structured as the layer has them.
        mask: (batch, time) booleans, or None.
        training: as in the layer's call.
        wrap: what runs it all, as `tf.function` does; None for eagerly.
    """

    def run(sequences: Any, states: list[Any]) -> dict[str, Any]:
        initial = keras.tree.flatten(states)
        variables = [w.value for w in layer.trainable_weights]
        with tf.GradientTape() as tape:
            tape.watch([sequences, *initial])
            outputs = keras.tree.flatten(layer(sequences, initial_state=states, mask=mask, training=training))
            loss = weighed_sum(outputs)
        gradients = tape.gradient(loss, [sequences, *initial, *variables], unconnected_gradients="zero")
        names = state_names(layer.cell)
        trained = [name for name, w in zip(weight_names(layer), layer.weights) if w.trainable]
        return {
            **dict(zip(["output", *(f"last state {name}" for name in names)], outputs)),
            **dict(zip(gradient_names(names, trained), gradients, strict=True)),
        }

    # Called directly, TensorFlow would warn of retracing: it counts by code, not by function.
    found = (wrap(run).get_concrete_function(sequences, states) if wrap else run)(sequences, states)
    return {name: tensor.numpy() for name, tensor in found.items()}


def gradient_names(states: list[str], weights: list[str]) -> list[str]:
    of = ["inputs", *(f"initial state {name}" for name in states), *(f"weight {name}" for name in weights)]
    return [f"gradient of {name}" for name in of]


def weighed_sum(tensors: list[Any]) -> Any:
    """A sum with another factor for every number, so that no two of them can be swapped unseen."""
    total = 0.0
    for i, tensor in enumerate(tensors):
        tensor = tf.cast(tensor, tf.float64 if tensor.dtype == tf.float64 else tf.float32)
        factors = tf.cos(tf.cast(tf.range(tf.size(tensor)), tensor.dtype) + i)
        total += tf.reduce_sum(tensor * tf.reshape(factors, tf.shape(tensor)))
    return total


def xla(function: Callable[..., Any]) -> Callable[..., Any]:
    return tf.function(function, jit_compile=True)


# Ways to run, by the name that a failure calls them.
RUNS: dict[str, Callable[..., Any] | None] = {"eagerly": None, "in tf.function": tf.function, "under XLA": xla}
