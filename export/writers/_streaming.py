"""The next steps of any causal model: its recurrences' states as inputs and outputs, or the reason why there can be none."""

import contextlib
from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf

from kerasrnn.export.writers._carried_states import carried_layers, named_states, recurrent_layers, states_handed_in
from kerasrnn.export.writers._in_pieces import difference_in_pieces
from kerasrnn.export.writers._masked_samples import MaskedSamples, has_time_axis
from kerasrnn.export.writers._signature import Signature, of_as_many_rows

_LOOKS_AROUND = (
    "Conv1D", "Conv2D", "Conv3D", "SeparableConv1D", "DepthwiseConv1D", "Conv1DTranspose", "Attention", "AdditiveAttention",
    "MultiHeadAttention", "GroupedQueryAttention", "GlobalAveragePooling1D", "GlobalMaxPooling1D", "AveragePooling1D",
    "MaxPooling1D", "Flatten", "Permute", "Reshape", "RepeatVector", "UpSampling1D", "ZeroPadding1D", "Cropping1D",
    "GroupNormalization",
)  # fmt: skip


def streaming_signature(model: keras.Model, forward: Signature, samples: MaskedSamples | None) -> Signature | str:
    """The signature `step`, or why the model cannot have one.

    Args:
        model: a built model.
        forward: its call on whole sequences.
        samples: inputs of forward on which to try whether the model gives the same in pieces; None where none has a time axis.

    Returns:
        `step`: the inputs of forward, of any length, and states in; the outputs of forward and next states out. A state is
        called `state_<i>_<name>` for the i-th recurrent layer.
    """
    if samples is None:
        return "no input has a time axis"
    if reason := _static_obstacle(model, forward):
        return reason
    whole = forward.function
    inputs = [tf.TensorSpec([forward.rows, None, *spec.shape[2:]], spec.dtype, name=spec.name) for spec in forward.inputs]

    def of_any_length(*tensors: Any) -> dict[str, Any]:
        with _no_loop_unrolled(model):
            return whole(*tensors)

    try:
        carried = carried_layers(model, Signature(of_any_length, inputs, forward.outputs))
    except Exception as error:  # whatever a layer raises where it needs a number of steps
        fixed = next((spec for spec in forward.inputs if spec.shape[1] is not None), None)
        if fixed is None:
            raise
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        return f"the input {fixed.name} has a fixed length of {fixed.shape[1]} steps, and the model takes no other: {reason}"
    if not carried:
        return "it has no recurrent layer"
    if reason := named_states(carried):
        return reason
    first = {name: value for one in carried for name, value in one.states.items()}

    def step(*tensors: Any) -> dict[str, Any]:
        given = tensors[: len(inputs)]
        states = of_as_many_rows(tensors[len(inputs) :], list(first), given[0], inputs[0].name)
        with states_handed_in(carried, states) as new_states:
            outputs = of_any_length(*given)
        return {**outputs, **{f"next_{name}": new_states[name] for name in first}}

    specs = [tf.TensorSpec((forward.rows, len(value)), tf.float32, name=name) for name, value in first.items()]
    outputs = [*forward.outputs, *(f"next_{name}" for name in first)]
    signature = Signature(step, [*inputs, *specs], outputs, states=first)
    return difference_in_pieces(model, forward, signature, samples) or signature


@contextlib.contextmanager
def _no_loop_unrolled(model: keras.Model) -> Iterator[None]:
    """While it is open, no recurrent layer unrolls its loop, for which it would need a number of steps."""
    layers = [layer for layer in recurrent_layers(model) if getattr(layer, "unroll", False)]
    try:
        for layer in layers:
            layer.unroll = False
        yield
    finally:
        for layer in layers:
            layer.unroll = True


def _static_obstacle(model: keras.Model, forward: Signature) -> str | None:
    for spec in forward.inputs:
        if not has_time_axis(spec):
            return f"the input {spec.name} has no time axis; its shape is {tuple(spec.shape.as_list())}"
    fixed = {spec.name: spec.shape[1] for spec in forward.inputs if spec.shape[1] is not None}
    if len(set(fixed.values())) > 1:
        return f"its inputs have lengths that differ: {', '.join(f'{n} steps of {name}' for name, n in fixed.items())}"
    if fixed and len(fixed) < len(forward.inputs):
        return f"the input {next(iter(fixed))} has a fixed length, and others have not"
    every = list(model._flatten_layers())
    distributed = [layer for layer in every if isinstance(layer, keras.layers.TimeDistributed)]
    within = {id(inner) for layer in distributed for inner in layer.layer._flatten_layers()}  # these see one step
    for layer in every:
        kind = type(layer).__name__
        if isinstance(layer, keras.layers.Bidirectional) or getattr(layer, "go_backwards", False):
            return f"{layer.name} reads the sequence from its end"
        if any(layer is one for one in distributed) and recurrent_layers(layer.layer):
            return f"{layer.name} runs a recurrent layer at every step"
        if kind in _LOOKS_AROUND and id(layer) not in within:
            return f"{layer.name}, a {kind}, looks at several steps at once"
    return None
