"""Recurrent layers' states, as one call of a model uses them: found, and handed in from outside."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kerasrnn.export.writers._markers import of_the_shape_of
from kerasrnn.export.writers._patched import patched
from kerasrnn.export.writers._signature import Signature


@dataclass
class Carried:
    """A recurrent layer, as one call of the model used it."""

    layer: Any
    initial: Any  # its initial states, a structure
    masked: bool
    output_size: int
    by_default: bool  # whether it began from its own initial states
    calls: int = 1
    states: dict[str, np.ndarray] = field(default_factory=dict)  # at the beginning of a row, by name


def recurrent_layers(model: Any) -> list[Any]:
    """All of a model or layer's, at any depth."""
    return [layer for layer in model._flatten_layers() if isinstance(layer, keras.layers.RNN)]


def carried_layers(model: keras.Model, forward: Signature) -> list[Carried]:
    """The recurrent layers in the order of their calls."""
    found: dict[int, Carried] = {}
    defaults: set[int] = set()

    def noting_default(layer: Any, method: Any) -> Any:
        def get_initial_state(batch_size: Any) -> Any:
            defaults.add(id(layer))
            return method(batch_size)

        return get_initial_state

    def noting_call(layer: Any, method: Any) -> Any:
        def inner_loop(sequences: Any, initial_state: Any, mask: Any = None, training: bool = False) -> Any:
            results = method(sequences, initial_state, mask=mask, training=training)
            if id(layer) in found:
                found[id(layer)].calls += 1
            else:
                size = results[0].shape[-1]
                found[id(layer)] = Carried(layer, initial_state, mask is not None, size, id(layer) in defaults)
            return results

        return inner_loop

    layers = recurrent_layers(model)
    with patched(layers, "get_initial_state", noting_default), patched(layers, "inner_loop", noting_call):
        tf.function(forward.function, forward.inputs).get_concrete_function()
    return list(found.values())


def named_states(carried: list[Carried]) -> str | None:
    """Gives every carried layer its states' names and first values; or says why one cannot have them."""
    for i, one in enumerate(carried):
        if one.calls > 1:
            return f"{one.layer.name} is called {one.calls} times"
        if not one.by_default:
            return f"{one.layer.name} begins from states that it is given"
        if not all(len(state.shape) == 2 and state.shape[-1] for state in keras.tree.flatten(one.initial)):
            return f"{one.layer.name} has states that are no vectors"
        first = _first_values(one.layer)
        if first is None:
            return f"{one.layer.name} begins from states that depend on more than its weights, as on chance or the batch"
        one.states = {f"state_{i}_{name}": value for name, value in zip(_state_names(len(first)), first)}
        if one.masked and not one.layer.zero_output_for_mask:
            # At a masked step the output stays what it was, perhaps in an earlier piece.
            one.states[f"state_{i}_output"] = np.zeros(one.output_size, np.float32)
    return None


def _state_names(count: int) -> list[str]:
    return {1: ["h"], 2: ["h", "c"]}.get(count, [str(i) for i in range(count)])


def _first_values(layer: Any) -> list[np.ndarray] | None:
    """A layer's own initial states, each (size,), if they are the same for every row of every batch."""
    found = []
    for rows in (1, 3, 3):
        try:
            states = keras.tree.flatten(layer.get_initial_state(batch_size=rows))
        except (TypeError, ValueError, AttributeError, tf.errors.OpError):  # of a tensor of a call that is over, say
            return None
        found.append([keras.ops.convert_to_numpy(state).astype(np.float32) for state in states])
    (one, *others) = found
    for states in others:
        if not all(a.ndim == 2 and np.array_equal(np.broadcast_to(a, b.shape), b) for a, b in zip(one, states)):
            return None
    return [state[0] for state in one]


@contextlib.contextmanager
def states_handed_in(carried: list[Carried], states: list[Any]) -> Iterator[dict[str, Any]]:
    """While it is open, the layers begin from these states; gives a dictionary that fills with the last ones by name."""
    given = dict(zip([name for one in carried for name in one.states], states, strict=True))
    by_layer = {id(one.layer): one for one in carried}
    last_states: dict[str, Any] = {}

    def handing_in(layer: Any, method: Any) -> Any:
        one = by_layer[id(layer)]
        count = len(keras.tree.flatten(one.initial))

        def inner_loop(sequences: Any, initial_state: Any, mask: Any = None, training: bool = False) -> Any:
            flat = [tf.cast(given[name], layer.compute_dtype) for name in one.states]  # sequences may be integers
            initial_state = keras.tree.pack_sequence_as(one.initial, flat[:count])
            last, outputs, new = method(sequences, initial_state, mask=mask, training=training)
            values = keras.tree.flatten(new)
            if len(flat) > count:
                begun = tf.cumsum(tf.cast(of_the_shape_of(sequences, mask), tf.int32), axis=1) > 0
                last = tf.where(tf.reduce_any(begun, axis=1)[:, None], last, flat[count])
                if layer.return_sequences:
                    outputs = tf.where(begun[:, :, None], outputs, flat[count][:, None])
                values = [*values, last]
            last_states.update(zip(one.states, values, strict=True))
            return last, outputs, new

        return inner_loop

    with patched([one.layer for one in carried], "inner_loop", handing_in):
        yield last_states
