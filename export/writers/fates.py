"""What becomes of each recurrent layer in an ONNX file: known once the model is traced, before anything is converted."""

from collections.abc import Iterable
from typing import Any

import keras
import tensorflow as tf

from kerasrnn.export.writers._markers import Marker, recurrences_as_markers
from kerasrnn.export.writers._precision import in_float32
from kerasrnn.export.writers._quantisation import KINDS
from kerasrnn.export.writers._recurrence import Recurrence
from kerasrnn.export.writers._signatures import forward_of


def layer_fates(model: keras.Model, input_signature: Any = None, quantize: str | None = None) -> dict[str, str]:
    """Tells what `export_onnx` would make of each recurrent layer, without converting or writing anything.

    Args:
        model: a built model.
        input_signature: what a subclassed model takes, as in `export_onnx`.
        quantize: as in `export_onnx`.

    Returns:
        By the layers' names: a native node ("native LSTM", "native GRU", "native RNN"), "Scan" (one ONNX loop around the
        cell's operations), or "general path, slow, as …" (TensorFlow's own loop, operation by operation); then how masked
        steps are treated. Any other layer that runs a loop, as a Viterbi decoder does, is named too. A layer called twice has
        both fates, one after the other.

    Raises:
        TypeError: it is no model.
        ValueError: it cannot be exported: it is not built, has a stateful layer, or computes in float64.

    Example:

    >>> import keras, kerasrnn
    >>> model = keras.Sequential([keras.Input((None, 3)), kerasrnn.layers.LSTM(4, name="lstm")])
    >>> kerasrnn.export.layer_fates(model)
    {'lstm': 'native LSTM'}
    """
    if quantize not in (None, *KINDS):
        raise ValueError(f"quantize: expected one of {', '.join(KINDS)}, or None; received {quantize!r}")
    with in_float32(model):
        forward = forward_of(model, input_signature)
        with recurrences_as_markers(model, native=native_operations(quantize)) as markers:
            traced = tf.function(forward.function, forward.inputs).get_concrete_function()
    loops = [op.name for op in traced.graph.get_operations() if op.type in ("While", "StatelessWhile")]
    return fates_of(model, markers, quantize, loops)


def native_operations(quantize: str | None) -> tuple[str, ...]:
    """Which operations may be native nodes."""
    # Of the native recurrences LSTM alone has an 8-bit form; the others are taken apart into products.
    return ("LSTM",) if quantize == "int8" else ("LSTM", "GRU", "RNN")


def fates_of(
    model: keras.Model, markers: dict[str, Marker], quantize: str | None, loops: Iterable[str] = ()
) -> dict[str, str]:
    """What becomes of each recurrent layer, by the markers that it left in a trace; and of other layers with `loops`."""
    fates: dict[str, str] = {}
    for marker in markers.values():
        native = f"native {marker.what.op}" if isinstance(marker.what, Recurrence) else "Scan"
        if quantize == "int8":
            native = {"native LSTM": "native LSTM in 8 bits", "Scan": "Scan, its products in 8 bits"}[native]
        masked = {"none": "", "right": " by lengths", "any": ", masked steps left out"}[marker.mask]
        so_far = fates.get(marker.layer)
        fates[marker.layer] = f"{so_far}; {native}{masked}" if so_far else native + masked
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.RNN) and layer.name not in fates:
            reason = "its loop or its states are its own" if layer.built else "it is not called"
            fates[layer.name] = f"general path, slow, as {reason}"
    for loop in loops:
        fates.setdefault(layer_of([loop], model), "general path, slow, as it runs a loop over time or another axis")
    return fates


def layer_of(names: Iterable[str], model: keras.Model) -> str:
    """The name of the innermost layer that operations of these names come from; the model's where none is known."""
    scopes = [scope for name in names for scope in name.split("/")]
    layers = {layer.name for layer in model._flatten_layers()}
    # TensorFlow numbers a scope that it meets again: dense_1 may be the layer dense.
    known = [name for scope in scopes for name in (scope, scope.rstrip("0123456789").removesuffix("_")) if name in layers]
    return known[-1] if known else model.name
