"""Recurrences as markers: one opaque op each while TensorFlow traces the model, for `lower_markers` to replace.

tf2onnx would turn a recurrence into a Loop of 40 to 170 nodes. So each recurrent layer is traced as one op with known
shapes, and tf2onnx converts everything around it.
"""

import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from kerasrnn.export.writers._cell_scan import CellStep
from kerasrnn.export.writers._patched import patched
from kerasrnn.export.writers._recurrence import Recurrence, recurrence_of

DOMAIN = "kerasrnn"
_MARKER = "kerasrnn_recurrence_"


@dataclass(frozen=True)
class Marker:
    """What is to stand in a marker's place.

    Its inputs are sequences (batch, time, features), states, and the mask (batch, time) if there is one; its outputs all
    outputs, the last one of a `CellStep`, and the last states.

    Attributes:
        what: a recurrence that is a native node, or a cell's step.
        mask: "none", "right" where it is known to hide nothing but the ends of rows, or "any".
        return_sequences: whether anyone reads all outputs.
        layer: the name of the layer.
    """

    what: Recurrence | CellStep
    mask: str
    return_sequences: bool
    layer: str


@contextlib.contextmanager
def recurrences_as_markers(
    model: keras.Model, right_padded: bool = False, native: Sequence[str] = ("LSTM", "GRU", "RNN")
) -> Iterator[dict[str, Marker]]:
    """While it is open, the model's recurrences trace as markers; gives the markers by name.

    Layers with a loop of their own, as ConvLSTM, keep it.

    Args:
        model: the model to trace.
        right_padded: whether masks are known to hide nothing but the ends of rows.
        native: which operations may be native nodes; other recurrences become a `CellStep`.
    """
    markers: dict[str, Marker] = {}
    layers = [layer for layer in model._flatten_layers() if isinstance(layer, keras.layers.RNN)]
    options = (markers, right_padded, native)
    with patched(layers, "inner_loop", lambda layer, _: functools.partial(_traced_loop, layer, *options)):
        yield markers


def _traced_loop(
    layer: Any, markers: dict[str, Marker], right_padded: bool, native: Sequence[str], sequences: Any, initial_state: Any,
    mask: Any = None, training: bool = False,
) -> Any:  # fmt: skip
    mask = keras.tree.flatten(mask)[0] if mask is not None else None
    if not _fits(layer, sequences, initial_state, mask):
        return type(layer).inner_loop(layer, sequences, initial_state, mask=mask, training=training)
    if layer.go_backwards:
        sequences, mask = tf.reverse(sequences, [1]), None if mask is None else tf.reverse(mask, [1])
    kind = "none" if mask is None else "right" if right_padded and not layer.go_backwards else "any"
    cells = list(layer.cell.cells) if isinstance(layer.cell, keras.layers.StackedRNNCells) else [layer.cell]
    given = list(initial_state) if len(cells) > 1 else [initial_state[0] if _is_stack(layer.cell) else initial_state]
    outputs, last, last_states = sequences, None, []
    for cell, states in zip(cells, given, strict=True):
        return_sequences = layer.return_sequences or cell is not cells[-1]
        zoneout = getattr(layer, "zoneout", 0)
        recurrence = None if zoneout else _recurrence_of(cell, native)
        one_step = _step(cell, states, zoneout)
        marked = functools.partial(Marker, mask=kind, return_sequences=return_sequences, layer=layer.name)
        outputs, last, new = _mark(recurrence, one_step, markers, marked, outputs, states, mask)
        last_states.append(new)
    if mask is not None and layer.zero_output_for_mask:
        mask = of_the_shape_of(sequences, mask)
        last = tf.where(mask[:, -1:], last, tf.zeros_like(last))
        if layer.return_sequences:
            outputs = tf.where(mask[:, :, None], outputs, tf.zeros_like(outputs))
    return last, outputs, last_states if len(cells) > 1 else last_states[0]


def of_the_shape_of(sequences: Any, mask: Any) -> Any:
    """A mask, (batch, time) for sequences (batch, time, …): onnxruntime reduces no axis of what is empty, as in Masking."""
    mask = keras.tree.flatten(mask)[0]
    return tf.ensure_shape(tf.reshape(mask, tf.shape(sequences)[:2]), mask.shape[:2])


def _is_stack(cell: Any) -> bool:
    return isinstance(cell, keras.layers.StackedRNNCells) and keras.tree.is_nested(cell.state_size[0])


def _fits(layer: Any, sequences: Any, initial_state: Any, mask: Any) -> bool:
    """Whether the layer's loop is the usual one, over sequences and states of vectors."""
    states = keras.tree.flatten(initial_state)
    vectors = len(sequences.shape) == 3 and sequences.shape[-1] is not None
    vectors = vectors and all(len(state.shape) == 2 and state.shape[-1] is not None for state in states)
    loop, kinds = type(layer).inner_loop, (keras.layers.RNN, keras.layers.LSTM, keras.layers.GRU)
    usual = any(loop is kind.inner_loop for kind in kinds) or loop.__module__.startswith("kerasrnn.layers.")
    return usual and vectors and (mask is None or len(mask.shape) == 2)


def _recurrence_of(cell: Any, native: Sequence[str]) -> Recurrence | None:
    # Weights can only be read outside of the graph being traced, and of a scope that has tensors in their place.
    with tf.init_scope(), keras.StatelessScope():
        recurrence = recurrence_of(cell)
    return recurrence if recurrence is not None and recurrence.op in native else None


def _mark(
    recurrence: Recurrence | None, one_step: Callable[..., Any], markers: dict[str, Marker], marked: Callable[[Any], Marker],
    sequences: Any, states: Any, mask: Any,
) -> tuple[Any, Any, Any]:  # fmt: skip
    """The outputs of a cell over the sequences, the last one, and its last states: a marker stands for all."""
    flat, nested = keras.tree.flatten(states), keras.tree.is_nested(states)
    if recurrence is None and mask is None and sequences.shape[1] == 1:
        output, new = one_step(sequences[:, 0], flat)  # no loop around one step: generation takes many
        return output[:, None], output, keras.tree.pack_sequence_as(states, new)
    what: Recurrence | CellStep
    if recurrence is not None:
        what, size = recurrence, recurrence.units
        sequences = tf.cast(sequences, tf.float32)  # from integers or booleans; native nodes have one type
    else:
        # Outside of the graph being traced: only its width is wanted.
        spec = tf.TensorSpec((None, sequences.shape[-1]), sequences.dtype)
        specs = [tf.TensorSpec((None, state.shape[-1])) for state in flat]
        traced = tf.function(lambda x, *flat: one_step(x, list(flat))[0], [spec, *specs]).get_concrete_function()
        size = traced.outputs[0].shape[-1]
        what = CellStep(one_step, sequences.shape[-1], sequences.dtype, tuple(state.shape[-1] for state in flat), size)
    name = f"{_MARKER}{len(markers)}"
    markers[name] = marked(what)
    extra = int(recurrence is None)
    outputs, *rest = tf.numpy_function(
        lambda *_: None, [sequences, *flat, *([] if mask is None else [tf.cast(mask, tf.bool)])],
        [tf.float32] * (1 + extra + len(flat)), stateful=False, name=name,
    )  # fmt: skip
    # What the sequences' shape tells, the model may ask of the outputs', as it may in Keras.
    batch, steps = sequences.shape[:2]
    outputs = tf.ensure_shape(outputs, (batch, steps, size))
    new = [tf.ensure_shape(value, (batch, state.shape[-1])) for value, state in zip(rest[extra:], flat, strict=True)]
    last = tf.ensure_shape(rest[0], (batch, size))
    if not markers[name].return_sequences:
        outputs = last[:, None]
    return outputs, last, keras.tree.pack_sequence_as(states, new) if nested else new[0]


def _step(cell: Any, states: Any, zoneout: float) -> Callable[[Any, list[Any]], tuple[Any, list[Any]]]:
    """A cell's call at inference, of flat states."""
    options = {"training": False} if getattr(cell, "_call_has_training_arg", False) else {}

    def step(x: Any, flat: list[Any]) -> tuple[Any, list[Any]]:
        given = keras.tree.pack_sequence_as(states, flat)
        output, new_states = cell(x, given if keras.tree.is_nested(given) else [given], **options)
        new = keras.tree.flatten(new_states)
        if zoneout:
            kept = [zoneout * a + (1 - zoneout) * b for a, b in zip(flat, new)]
            output, new = (kept[0] if output is new[0] else output), kept
        return output, new

    return step


def marker_handler(ctx: Any, node: Any, name: str, args: Any) -> None:
    """tf2onnx's handler of the markers' op: keeps it, under a domain of our own; a Python function of the model's stays."""
    if not node.name.split("/")[-1].startswith(_MARKER):
        return
    node.type, node.domain = "Recurrence", DOMAIN
    for attribute in list(node.attr):
        del node.attr[attribute]
    node.set_attr("marker", node.name.split("/")[-1])
