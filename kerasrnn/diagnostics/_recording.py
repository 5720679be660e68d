"""A model's run with every recurrent layer taken step by step, so that the gradient of each state can be asked for."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kerasrnn._backend import keras, tf


@dataclass
class RecordedLayer:
    """What one call of a recurrent layer went through. Steps are in the order in which the layer takes them.

    Attributes:
        name: the layer's name; calls after the first have their number added.
        layer: the layer.
        reversed: whether its step j belongs to the sequence's time steps − 1 − j (the second half of a Bidirectional).
        bidirectional: whether it is either half of one.
        inputs: x of each step, (batch, features).
        masks: for each step (batch,) booleans, or None.
        states: the flat states before each step, and after the last: steps + 1 lists of (batch, …).
        probes: zeros that were added to the states after each step: their gradient is that of the states.
        structure: the states as the cell takes them.
    """

    name: str
    layer: Any
    reversed: bool = False
    bidirectional: bool = False
    inputs: list[Any] = field(default_factory=list)
    masks: list[Any] | None = None
    states: list[list[Any]] = field(default_factory=list)
    probes: list[list[Any]] = field(default_factory=list)
    structure: Any = None

    @property
    def steps(self) -> int:
        return len(self.inputs)

    @property
    def size(self) -> int:
        """How many numbers a row's states have together."""
        return sum(int(np.prod(state.shape[1:])) for state in self.states[0])

    def step(self, x: Any, states: list[Any], mask: Any = None) -> tuple[Any, list[Any]]:
        """The layer's step at inference: the cell's, with the layer's zoneout and mask.

        Returns:
            The output, or the place of the state that it is; and the new flat states.
        """
        output, new = self.layer.cell(x, keras.tree.pack_sequence_as(self.structure, states))
        new = keras.tree.flatten(new)
        place = next((i for i, state in enumerate(new) if state is output), None)
        if rate := getattr(self.layer, "zoneout", 0.0):
            new = [rate * before + (1 - rate) * after for before, after in zip(states, new)]
        if mask is not None:
            new = [tf.where(_like(mask, after), after, before) for before, after in zip(states, new)]
        return (output if place is None else place), new


class Recording:
    """The outputs of a model for a batch, and what its recurrent layers did.

    Args:
        model: a built Keras model.
        inputs: its inputs, of at least one row.
        differentiable: whether to keep what gradients of the states need.

    Attributes:
        outputs: what the model returned.
        layers: a `RecordedLayer` for each call of a recurrent layer, in the order of their calls.
        tape: persistent; None if not differentiable.
    """

    def __init__(self, model: Any, inputs: Any, differentiable: bool = True) -> None:
        self.layers: list[RecordedLayer] = []
        self.tape = tf.GradientTape(persistent=True, watch_accessed_variables=False) if differentiable else None
        with _untouched(model), _eagerly(), self._in_place_of_loops(model), self.tape or contextlib.nullcontext():
            self.outputs = model(inputs, training=False)

    @contextlib.contextmanager
    def _in_place_of_loops(self, model: Any) -> Iterator[None]:
        halves = {}
        for layer in all_layers(model):
            if isinstance(layer, keras.layers.Bidirectional):
                halves |= {id(layer.forward_layer): False, id(layer.backward_layer): True}
        layers = recurrent_layers(model)
        try:
            for layer in layers:
                # In __dict__, past Keras's tracking: it is no part of the layer.
                vars(layer)["inner_loop"] = self._loop_of(layer, halves.get(id(layer)))
            yield
        finally:
            for layer in layers:
                vars(layer).pop("inner_loop", None)

    def _loop_of(self, layer: Any, half: bool | None) -> Any:
        def inner_loop(sequences: Any, initial_state: Any, mask: Any = None, training: bool = False) -> Any:
            calls = sum(recorded.layer is layer for recorded in self.layers)
            name = layer.name if not calls else f"{layer.name} (call {calls + 1})"
            recorded = RecordedLayer(name, layer, reversed=bool(half), bidirectional=half is not None)
            self.layers.append(recorded)
            return self._run(recorded, sequences, initial_state, mask)

        return inner_loop

    def _run(self, recorded: RecordedLayer, sequences: Any, initial_state: Any, mask: Any) -> Any:
        layer = recorded.layer
        initial_state = list(initial_state) if isinstance(initial_state, (list, tuple)) else [initial_state]
        recorded.structure = initial_state
        xs = tf.unstack(tf.cast(sequences, layer.cell.compute_dtype), axis=1)
        if mask is not None:
            recorded.masks = tf.unstack(tf.cast(keras.tree.flatten(mask)[0], bool), axis=1)
        if layer.go_backwards:
            xs = xs[::-1]
            recorded.masks = recorded.masks and recorded.masks[::-1]
        recorded.inputs = xs
        states = [tf.convert_to_tensor(state) for state in keras.tree.flatten(initial_state)]
        recorded.states.append(states)
        outputs, output, begun = [], None, None
        for j, x in enumerate(xs):
            m = recorded.masks[j] if recorded.masks else None
            result, states = recorded.step(x, states, m)
            probes = [tf.zeros_like(state) for state in states]
            if self.tape is not None:
                self.tape.watch(probes)
            states = [state + probe for state, probe in zip(states, probes)]
            recorded.states.append(states)
            recorded.probes.append(probes)
            new = states[result] if isinstance(result, int) else result
            if m is not None:
                begun = m if begun is None else begun | m
                if layer.zero_output_for_mask or output is None:
                    new = tf.where(_like(m, new), new, tf.zeros_like(new))
                elif isinstance(result, int):  # a masked step's state is the one before
                    new = tf.where(_like(begun, new), new, tf.zeros_like(new))
                else:
                    new = tf.where(_like(m, new), new, output)
            output = new
            outputs.append(output)
        return output, tf.stack(outputs, axis=1), keras.tree.pack_sequence_as(recorded.structure, states)


def all_layers(model: Any) -> list[Any]:
    """The layers of a model, those within others too, each once."""
    return list({id(layer): layer for layer in model._flatten_layers()}.values())


def recurrent_layers(model: Any) -> list[Any]:
    """The recurrent layers of a model: `keras.layers.RNN` and what is derived from it, in wrappers and in models too."""
    return [layer for layer in all_layers(model) if isinstance(layer, keras.layers.RNN)]


def _like(mask: Any, value: Any) -> Any:
    return tf.reshape(mask, [-1] + [1] * (len(value.shape) - 1))


@contextlib.contextmanager
def _untouched(model: Any) -> Iterator[None]:
    """Leaves states that are carried, and seeds, as they were."""
    # Keras does not count the states of stateful layers among a model's variables.
    carried = [state for layer in recurrent_layers(model) if layer.stateful for state in keras.tree.flatten(layer.states)]
    variables = [*model.non_trainable_variables, *carried]
    values = [tf.identity(variable.value) for variable in variables]
    try:
        yield
    finally:
        for variable, value in zip(variables, values):
            variable.assign(value)


@contextlib.contextmanager
def _eagerly() -> Iterator[None]:
    before = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(before)
