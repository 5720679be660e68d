"""Recurrences in ONNX: one marker a recurrence while TensorFlow traces the model, one native node in its place.

tf2onnx would turn a recurrence into a Loop of 40 to 170 nodes. So each recurrent layer is traced as one opaque op
with known shapes, tf2onnx converts everything around it, and `lower_markers` puts LSTM, GRU or RNN in.
"""

import contextlib
import functools
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import onnx
import tensorflow as tf
from onnx import TensorProto, helper, numpy_helper

from kerasrnn.export.writers._recurrence import Recurrence, recurrence_of

_DOMAIN = "kerasrnn"


@contextlib.contextmanager
def recurrences_as_markers(model: keras.Model, right_padded: bool = False) -> Iterator[dict[str, Recurrence]]:
    """While it is open, the model's plain recurrences trace as markers; gives the markers' recurrences by name.

    The others trace as Keras's own loop, which is the one that tf2onnx can convert; of one step, as the cell itself.

    Args:
        model: the model to trace.
        right_padded: whether masks are known to hide nothing but the ends of rows, which native nodes take as lengths.
    """
    markers: dict[str, Recurrence] = {}
    layers = [layer for layer in model._flatten_layers() if isinstance(layer, keras.layers.RNN)]
    for layer in layers:
        # On the instance, past Keras's tracking; other models and threads see nothing of it.
        layer.__dict__["inner_loop"] = _traced_loop(layer, recurrence_of(layer.cell), markers, right_padded)
    try:
        yield markers
    finally:
        for layer in layers:
            del layer.__dict__["inner_loop"]


def _traced_loop(layer: Any, recurrence: Recurrence | None, markers: dict[str, Recurrence], right_padded: bool) -> Any:
    keras_loop = functools.partial(keras.layers.RNN.inner_loop, layer)

    def inner_loop(sequences: Any, initial_state: Any, mask: Any = None, training: bool = False) -> Any:
        by_lengths = mask is not None and right_padded and not layer.go_backwards
        if recurrence is None and mask is None and sequences.shape[1] == 1 and not getattr(layer, "zoneout", 0):
            output, states = layer.cell(sequences[:, 0], initial_state)
            return output, output[:, None], states
        if recurrence is None or (mask is not None and not by_lengths):
            return keras_loop(sequences, initial_state, mask=mask, training=training)
        name = f"recurrence_{len(markers)}"
        markers[name] = recurrence
        sequences = tf.reverse(sequences, [1]) if layer.go_backwards else sequences
        lengths = [tf.reduce_sum(tf.cast(mask, tf.int32), axis=1)] if by_lengths else []
        outputs, *states = tf.numpy_function(
            lambda *_: None, [sequences, *initial_state, *lengths], [tf.float32] * (1 + recurrence.num_states),
            stateful=False, name=name,
        )  # fmt: skip
        outputs = tf.ensure_shape(outputs, (None, None, recurrence.units))
        states = [tf.ensure_shape(s, (None, recurrence.units)) for s in states]
        if by_lengths:
            # The native nodes give zeros for a row of no steps.
            states = [tf.where(lengths[0][:, None] > 0, s, initial) for s, initial in zip(states, initial_state)]
        return states[0], outputs if layer.return_sequences else states[0][:, None], states

    return inner_loop


def marker_handler(ctx: Any, node: Any, name: str, args: Any) -> None:
    """tf2onnx's handler of the markers' op: keeps it, under a domain of our own."""
    node.type, node.domain = "Recurrence", _DOMAIN
    for attribute in list(node.attr):
        del node.attr[attribute]
    node.set_attr("marker", node.name.split("/")[-1])


def lower_markers(model: onnx.ModelProto, markers: dict[str, Recurrence], guarded: bool = True) -> None:
    """Replaces each marker by its native node, guarded against empty batches and sequences unless there can be none."""
    nodes = []
    for node in model.graph.node:
        if node.domain != _DOMAIN:
            nodes.append(node)
            continue
        marker = helper.get_node_attr_value(node, "marker").decode()
        new_nodes, weights = _native_nodes(markers[marker], node, marker, guarded)
        nodes.extend(new_nodes)
        model.graph.initializer.extend(weights)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    kept = [o for o in model.opset_import if o.domain != _DOMAIN]
    del model.opset_import[:]
    model.opset_import.extend(kept)


def _native_nodes(
    recurrence: Recurrence, node: onnx.NodeProto, prefix: str, guarded: bool
) -> tuple[list[onnx.NodeProto], list[onnx.TensorProto]]:
    """X (batch, time, features), states (batch, units) → outputs (batch, time, units), states."""
    sequences, *states = node.input[: 1 + recurrence.num_states]
    lengths = node.input[1 + recurrence.num_states] if len(node.input) > 1 + recurrence.num_states else ""
    constants = {
        "W": recurrence.kernel[None],
        "R": recurrence.recurrent_kernel[None],
        "B": recurrence.bias[None],
        **({} if recurrence.peephole is None else {"P": recurrence.peephole[None]}),
        "zero": np.array([0], np.int64),
        "one": np.array([1], np.int64),
    }
    if guarded:
        constants |= {"units": np.array([recurrence.units], np.int64), "nothing": np.array(0, np.int64)}
    weights = [numpy_helper.from_array(np.ascontiguousarray(v) if v.ndim else v, f"{prefix}/{k}") for k, v in constants.items()]

    def p(name: str) -> str:
        return f"{prefix}/{name}"

    peephole = [p("P")] if "P" in constants else []
    attributes: dict[str, Any] = {"hidden_size": recurrence.units, "activations": [a for a, _, _ in recurrence.activations]}
    alphas, betas = ([a[i] for a in recurrence.activations if a[i] is not None] for i in (1, 2))
    if alphas:
        attributes["activation_alpha"] = alphas
    if betas:
        attributes["activation_beta"] = betas
    if recurrence.op == "GRU":
        attributes["linear_before_reset"] = int(recurrence.linear_before_reset)
    last = [p(f"last_{i}") for i in range(len(states))]
    run = [
        helper.make_node("Transpose", [sequences], [p("time_major")], perm=[1, 0, 2]),
        *(helper.make_node("Unsqueeze", [s, p("zero")], [p(f"initial_{i}")]) for i, s in enumerate(states)),
        helper.make_node(
            recurrence.op,
            [p("time_major"), p("W"), p("R"), p("B"), lengths, *(p(f"initial_{i}") for i in range(len(states))), *peephole],
            [p("Y"), *last],
            **attributes,
        ),
        helper.make_node("Squeeze", [p("Y"), p("one")], [p("Y_time_major")]),
        helper.make_node("Transpose", [p("Y_time_major")], [p("run_Y")], perm=[1, 0, 2]),
        *(helper.make_node("Squeeze", [s, p("zero")], [p(f"run_{i}")]) for i, s in enumerate(last)),
    ]
    if not guarded:
        renamed = dict(zip([p(f"run_{o}") for o in ("Y", *range(len(states)))], node.output))
        for n in run:
            n.output[:] = [renamed.get(name, name) for name in n.output]
        return run, weights
    skip = [
        helper.make_node("Shape", [sequences], [p("batch_time")], start=0, end=2),
        helper.make_node("Concat", [p("batch_time"), p("units")], [p("empty_shape")], axis=0),
        helper.make_node("ConstantOfShape", [p("empty_shape")], [p("skip_Y")]),
        *(helper.make_node("Identity", [s], [p(f"skip_{i}")]) for i, s in enumerate(states)),
    ]
    branches = {
        f"{branch}_branch": helper.make_graph(
            body, p(branch), [],
            [helper.make_tensor_value_info(p(f"{kind}_{o}"), TensorProto.FLOAT, None) for o in ("Y", *range(len(states)))],
        )
        for branch, kind, body in (("then", "run", run), ("else", "skip", skip))
    }  # fmt: skip
    # onnxruntime aborts the process on an empty batch, and loses the state on no steps: the states pass by instead.
    guard = [
        helper.make_node("Size", [sequences], [p("size")]),
        helper.make_node("Greater", [p("size"), p("nothing")], [p("any")]),
        helper.make_node("If", [p("any")], list(node.output), **branches),
    ]
    return guard, weights
