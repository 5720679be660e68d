"""How large the recurrent layers' last states are, within a training step."""

from typing import Any

from kerasrnn._backend import keras, tf


class RecurrentStates:
    """Keeps the last states of a model's recurrent layers while a step is traced, or runs eagerly.

    Args:
        model: Any model; layers within layers other than models are not looked into.
    """

    def __init__(self, model: keras.Model) -> None:
        self._layers = [layer for layer in model.layers if isinstance(layer, keras.layers.RNN)]
        self._states: dict[str, list[Any]] = {}
        for layer in self._layers:
            vars(layer)["inner_loop"] = self._keeping(layer)  # past Keras's tracking

    def _keeping(self, layer: keras.layers.RNN) -> Any:
        inner_loop = layer.inner_loop

        def kept(*args: Any, **kwargs: Any) -> Any:
            last, outputs, states = inner_loop(*args, **kwargs)
            self._states[layer.name] = keras.tree.flatten(states)
            return last, outputs, states

        return kept

    @property
    def names(self) -> list[str]:
        """<layer>/<state> for each state."""
        return [f"{layer.name}/{name}" for layer in self._layers for name in _names(layer)]

    def norms(self) -> list[Any]:
        """The mean over the batch's rows of each state's norm; NaN where it is computed within a loop of the step."""
        norms = []
        for layer in self._layers:
            states = self._states.pop(layer.name, [])
            norms += [_norm(state) for state in states] or [tf.constant(float("nan"))] * len(_names(layer))
        return norms

    def remove(self) -> None:
        for layer in self._layers:
            vars(layer).pop("inner_loop", None)


def _names(layer: keras.layers.RNN) -> list[str]:
    count = len(keras.tree.flatten(layer.state_size))
    return list(getattr(layer.cell, "state_names", None) or map(str, range(count)))


def _norm(state: Any) -> Any:
    if not tf.executing_eagerly() and getattr(state, "graph", None) is not tf.compat.v1.get_default_graph():
        return tf.constant(float("nan"))
    return tf.reduce_mean(tf.norm(tf.cast(state, tf.float32), axis=-1))
