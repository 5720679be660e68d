"""The next steps of any causal model: its recurrences' states as inputs and outputs, or the reason why there can be none."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kerasrnn.export.writers._patched import patched
from kerasrnn.export.writers._samples import samples_for
from kerasrnn.export.writers._signature import Signature, of_as_many_rows

_LOOKS_AROUND = (
    "Conv1D", "Conv2D", "Conv3D", "SeparableConv1D", "DepthwiseConv1D", "Conv1DTranspose", "Attention", "AdditiveAttention",
    "MultiHeadAttention", "GroupedQueryAttention", "GlobalAveragePooling1D", "GlobalMaxPooling1D", "AveragePooling1D",
    "MaxPooling1D", "Flatten", "Permute", "Reshape", "RepeatVector", "UpSampling1D", "ZeroPadding1D", "Cropping1D",
    "GroupNormalization",
)  # fmt: skip
_AT_ONE_STEP = (
    "InputLayer", "Embedding", "ReversibleEmbedding", "Dense", "Dropout", "Masking", "TimeDistributed", "Activation", "ReLU",
)  # fmt: skip
_STEPS, _CUT = 9, 4  # of the sequence that is tried whole and in pieces


@dataclass
class _Carried:
    """A recurrent layer, as one call of the model used it."""

    layer: Any
    initial: Any  # its initial states, a structure
    masked: bool
    output_size: int
    by_default: bool  # whether it began from its own initial states
    calls: int = 1
    names: list[str] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)


def streaming_signature(model: keras.Model, forward: Signature) -> Signature | str:
    """The signature `step`, or why the model cannot have one.

    Args:
        model: a built model.
        forward: its call on whole sequences, all of whose inputs have a time axis.

    Returns:
        `step`: the inputs of forward and states in, the outputs of forward and next states out. A state is called
        `state_<i>_<name>` for the i-th recurrent layer.
    """
    if reason := _static_obstacle(model, forward):
        return reason
    carried = _recorded(model, forward)
    if not carried:
        return "it has no recurrent layer"
    for one in carried:
        if one.calls > 1:
            return f"{one.layer.name} is called {one.calls} times"
        if not one.by_default:
            return f"{one.layer.name} begins from states that it is given"
        if getattr(one.layer, "trainable_initial_state", False):
            return f"{one.layer.name} begins from states that were trained, and not from zeros"
        if not all(len(state.shape) == 2 and state.shape[-1] for state in keras.tree.flatten(one.initial)):
            return f"{one.layer.name} has states that are no vectors"
    for i, one in enumerate(carried):
        one.sizes = [state.shape[-1] for state in keras.tree.flatten(one.initial)]
        one.names = [f"state_{i}_{name}" for name in _state_names(len(one.sizes))]
        if one.masked and not one.layer.zero_output_for_mask:
            # At a masked step the output stays what it was, perhaps in an earlier piece.
            one.names.append(f"state_{i}_output")
            one.sizes.append(one.output_size)
    names = [name for one in carried for name in one.names]
    sizes = [size for one in carried for size in one.sizes]
    count = len(forward.inputs)

    def step(*tensors: Any) -> dict[str, Any]:
        inputs = tensors[:count]
        states = of_as_many_rows(tensors[count:], names, inputs[0], forward.inputs[0].name)
        with _states_handed_in(carried, states) as new_states:
            outputs = forward.function(*inputs)
        return {**outputs, **{f"next_{name}": new_states[name] for name in names}}

    specs = [tf.TensorSpec((None, size), tf.float32, name=name) for name, size in zip(names, sizes)]
    signature = Signature(step, [*forward.inputs, *specs], [*forward.outputs, *(f"next_{name}" for name in names)])
    if not _same_in_pieces(model, forward, signature):
        others = ", ".join(layer.name for layer in model._flatten_layers(include_self=False) if _may_look_around(layer))
        return f"in pieces it computes something else: a layer looks at other steps than its own, perhaps one of {others}"
    return signature


def _same_in_pieces(model: keras.Model, forward: Signature, step: Signature) -> bool:
    """Whether the model itself gives the same on a sequence and on two pieces of it: what no list of layers can tell."""
    rows = forward.rows or 2
    samples = {name: value[:rows, :_STEPS] for name, value in samples_for(model, forward, None).items()}
    names = [spec.name for spec in step.inputs[len(samples) :]]
    whole, traced = forward.traced()(*map(tf.constant, samples.values())), step.traced()
    states: list[Any] = [tf.zeros((rows, spec.shape[-1])) for spec in step.inputs[len(samples) :]]
    pieces = []
    for part in (slice(0, _CUT), slice(_CUT, _STEPS)):
        pieces.append(traced(*(tf.constant(value[:, part]) for value in samples.values()), *states))
        states = [pieces[-1][f"next_{name}"] for name in names]
    for name, value in whole.items():
        over_time = len(value.shape) > 2 and value.shape[1] == _STEPS
        joined = tf.concat([piece[name] for piece in pieces], axis=1) if over_time else pieces[-1][name]
        limit = 1e-4 * max(1.0, np.abs(value).max())
        if joined.shape != value.shape or not np.allclose(joined, value, rtol=1e-3, atol=limit):
            return False
    return True


def _may_look_around(layer: Any) -> bool:
    return type(layer).__name__ not in _AT_ONE_STEP and not hasattr(layer, "state_size")


def _static_obstacle(model: keras.Model, forward: Signature) -> str | None:
    for spec in forward.inputs:
        if spec.shape.rank < 2 or spec.shape[1] is not None:
            return f"the input {spec.name} has no time axis of any length; its shape is {tuple(spec.shape.as_list())}"
    every = list(model._flatten_layers())
    distributed = [layer for layer in every if isinstance(layer, keras.layers.TimeDistributed)]
    within = {id(inner) for layer in distributed for inner in layer.layer._flatten_layers()}  # these see one step
    for layer in every:
        kind = type(layer).__name__
        if isinstance(layer, keras.layers.Bidirectional) or getattr(layer, "go_backwards", False):
            return f"{layer.name} reads the sequence from its end"
        if any(layer is one for one in distributed) and _recurrent_layers(layer.layer):
            return f"{layer.name} runs a recurrent layer at every step"
        if kind in _LOOKS_AROUND and id(layer) not in within:
            return f"{layer.name}, a {kind}, looks at several steps at once"
    return None


def _recurrent_layers(model: Any) -> list[Any]:
    return [layer for layer in model._flatten_layers() if isinstance(layer, keras.layers.RNN)]


def _state_names(count: int) -> list[str]:
    return {1: ["h"], 2: ["h", "c"]}.get(count, [str(i) for i in range(count)])


def _recorded(model: keras.Model, forward: Signature) -> list[_Carried]:
    """The recurrent layers in the order of their calls."""
    found: dict[int, _Carried] = {}
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
                found[id(layer)] = _Carried(layer, initial_state, mask is not None, size, id(layer) in defaults)
            return results

        return inner_loop

    layers = _recurrent_layers(model)
    with patched(layers, "get_initial_state", noting_default), patched(layers, "inner_loop", noting_call):
        tf.function(forward.function, forward.inputs).get_concrete_function()
    return list(found.values())


@contextlib.contextmanager
def _states_handed_in(carried: list[_Carried], states: list[Any]) -> Iterator[dict[str, Any]]:
    """While it is open, the layers begin from these states; gives a dictionary that fills with the last ones by name."""
    given = dict(zip([name for one in carried for name in one.names], states, strict=True))
    by_layer = {id(one.layer): one for one in carried}
    last_states: dict[str, Any] = {}

    def handing_in(layer: Any, method: Any) -> Any:
        one = by_layer[id(layer)]
        count = len(keras.tree.flatten(one.initial))

        def inner_loop(sequences: Any, initial_state: Any, mask: Any = None, training: bool = False) -> Any:
            flat = [tf.cast(given[name], layer.compute_dtype) for name in one.names]  # sequences may be integers
            initial_state = keras.tree.pack_sequence_as(one.initial, flat[:count])
            last, outputs, new = method(sequences, initial_state, mask=mask, training=training)
            values = keras.tree.flatten(new)
            if len(flat) > count:
                begun = tf.cumsum(tf.cast(keras.tree.flatten(mask)[0], tf.int32), axis=1) > 0
                last = tf.where(tf.reduce_any(begun, axis=1)[:, None], last, flat[count])
                if layer.return_sequences:
                    outputs = tf.where(begun[:, :, None], outputs, flat[count][:, None])
                values = [*values, last]
            last_states.update(zip(one.names, values, strict=True))
            return last, outputs, new

        return inner_loop

    with patched([one.layer for one in carried], "inner_loop", handing_in):
        yield last_states
