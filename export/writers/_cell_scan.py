"""Any cell as one ONNX Scan: its call through tf2onnx as the body, and what depends on the inputs alone out of the loop."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import onnx
import tensorflow as tf
from onnx import TensorProto, helper, numpy_helper

from kerasrnn.export.writers._nodes import Nodes
from kerasrnn.export.writers._tf2onnx import convert_function

# Operations of a step that are the same on all steps at once, where their other inputs are constants.
_UNARY = {
    "Abs", "Cast", "Elu", "Erf", "Exp", "HardSigmoid", "Identity", "LeakyRelu", "Log", "Neg", "Reciprocal", "Relu", "Sigmoid",
    "Softplus", "Softsign", "Sqrt", "Tanh",
}  # fmt: skip
_OVER_LAST_AXIS = {"ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum"}
_BINARY = {"Add", "Div", "Mul", "Sub"}


@dataclass(frozen=True)
class CellStep:
    """One step of a cell, of rows without a time axis.

    Attributes:
        function: maps x (batch, features) and flat states to the output and the flat new states.
        features: the width of x.
        dtype: the type of x: a cell may take integers or booleans.
        state_sizes: the widths of the states.
        output_size: the width of the output.
    """

    function: Callable[..., tuple[Any, list[Any]]]
    features: int
    dtype: tf.DType
    state_sizes: tuple[int, ...]
    output_size: int


def cell_scan(
    nodes: Nodes, step: CellStep, opset: int, sequences: str, states: list[str], mask: str | None, return_sequences: bool
) -> tuple[str, str, list[str]]:
    """Adds a Scan of a cell.

    Args:
        nodes: where to add it.
        step: the cell's step.
        opset: of the graph.
        sequences: (batch, time, features), neither of the first two empty.
        states: each (batch, width).
        mask: (batch, time) bool, or None: at masked steps states and output stay as they were.
        return_sequences: whether anyone reads all outputs.

    Returns:
        The outputs (batch, time, width), the last one alone if nobody reads the others; the last output; the last states.
    """
    body = _converted(step, opset, nodes.prefix)
    nodes.weights.extend(body.initializer)
    x, *given = [value.name for value in body.input]
    output, *new = [value.name for value in body.output]
    outside, inside = _hoisted(body, x)
    types = {value.name: value.type.tensor_type.elem_type for value in (*body.input, *body.value_info)}
    # The step's operations run on (time, batch, …): more axes in front, and the last ones as they were.
    time_major = nodes("Transpose", sequences, perm=[1, 0, 2])
    for node in outside:
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        copy.input[:] = [time_major if name == x else name for name in node.input]
        nodes.nodes.append(copy)
        if node.op_type == "Cast" and node.input[0] == x:
            # onnxruntime 1.31 crashes on a product of what is transposed first and cast then.
            copy.input[:], copy.output[:] = [sequences], [nodes.name("Cast")]
            nodes.nodes.append(helper.make_node("Transpose", copy.output, node.output, perm=[1, 0, 2]))
    made = {name for node in outside for name in node.output}
    read = [*(name for node in inside for name in _reads(node)), output, *new]
    crossing = [name for name in dict.fromkeys(read) if name == x or name in made]
    inner = Nodes(f"{nodes.prefix}/body")
    fed = {name: f"{name}_at_t" for name in crossing}
    for node in inside:
        _rename(node, fed)
    inner.nodes.extend(inside)
    output, *new = [fed.get(name, name) for name in (output, *new)]
    before, m = inner.name("output_before"), inner.name("mask_at_t")
    if mask is not None:
        counts = inner("Unsqueeze", m, inner.constant([-1]))
        output, *new = [inner("Where", counts, a, b) for a, b in zip((output, *new), (before, *given))]
    # A graph may not give what it was given, nor one value twice.
    output, *new = [inner("Identity", name) for name in (output, *new)]
    scanned = [inner("Identity", output)] if return_sequences else []
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        inner.nodes,
        f"{nodes.prefix}/body",
        [info(name, TensorProto.FLOAT, None) for name in (before, *given)]
        + [info(fed[name], types.get(name, TensorProto.FLOAT), None) for name in crossing]
        + ([info(m, TensorProto.BOOL, None)] if mask is not None else []),
        [info(name, TensorProto.FLOAT, None) for name in (output, *new, *scanned)],
    )
    nodes.weights.extend(inner.weights)
    rows = nodes("Gather", nodes("Shape", sequences), nodes.constant([0]))
    zeros = nodes("Expand", nodes.constant(0.0), nodes("Concat", rows, nodes.constant([step.output_size]), axis=0))
    last, *last_states = nodes(
        "Scan",
        zeros,
        *states,
        *(time_major if name == x else name for name in crossing),
        *([nodes("Transpose", mask, perm=[1, 0])] if mask is not None else []),
        outputs=1 + len(states) + len(scanned),
        body=graph,
        num_scan_inputs=len(crossing) + (mask is not None),
    )
    if not scanned:
        return nodes("Unsqueeze", last, nodes.constant([1])), last, last_states
    return nodes("Transpose", last_states.pop(), perm=[1, 0, 2]), last, last_states


def _converted(step: CellStep, opset: int, prefix: str) -> onnx.GraphProto:
    """The step's graph, all names prefixed; inputs x and states, outputs the output and the new states."""
    specs = [tf.TensorSpec((None, step.features), step.dtype, name="x")]
    specs += [tf.TensorSpec((None, size), name=f"state_{i}") for i, size in enumerate(step.state_sizes)]
    names = ["output", *(f"new_state_{i}" for i in range(len(step.state_sizes)))]

    def function(x: Any, *states: Any) -> dict[str, Any]:
        output, new_states = step.function(x, list(states))
        values = [tf.cast(value, tf.float32) for value in (output, *new_states)]
        return {name: tf.identity(value) for name, value in zip(names, values, strict=True)}

    proto = convert_function(function, specs, opset)
    by_name = {value.name: value for value in proto.graph.output}
    del proto.graph.output[:]
    proto.graph.output.extend(by_name[name] for name in names)
    return onnx.compose.add_prefix(onnx.shape_inference.infer_shapes(proto), f"{prefix}/step/").graph


def _hoisted(body: onnx.GraphProto, x: str) -> tuple[list[onnx.NodeProto], list[onnx.NodeProto]]:
    """The body's nodes in two: those that may run before the loop, on all steps at once, and the others."""
    ranks = {weight.name: len(weight.dims) for weight in body.initializer}
    last_axis = {w.name for w in body.initializer if w.dims == [1] and numpy_helper.to_array(w)[0] == -1}
    constant, of_x = set(ranks), {x}
    results = {value.name for value in body.output}
    outside, inside = [], []
    for node in body.node:
        if not node.input and node.op_type == "Constant" or (constant.issuperset(node.input) and not _subgraphs(node)):
            outside.append(node)
            constant.update(node.output)
            if node.op_type == "Identity" and node.input[0] in ranks:
                ranks[node.output[0]] = ranks[node.input[0]]
        elif not results.intersection(node.output) and _runs_on_all_steps(node, of_x, ranks, last_axis):
            outside.append(node)
            of_x.update(node.output)
        else:
            inside.append(node)
    return outside, inside


def _runs_on_all_steps(node: onnx.NodeProto, of_x: set[str], ranks: dict[str, int], last_axis: set[str]) -> bool:
    if node.op_type in _OVER_LAST_AXIS:
        return node.input[0] in of_x and node.input[1:] in [[axis] for axis in last_axis] and _keeps_axes(node)
    if node.op_type in _UNARY:
        return node.input[0] in of_x
    if node.op_type == "MatMul":
        return node.input[0] in of_x and ranks.get(node.input[1]) == 2
    if node.op_type in _BINARY:
        # A constant of rank 2 has one row, or the step would know its number of rows.
        fits = [name in of_x or ranks.get(name, 9) <= 2 for name in node.input]
        return all(fits) and any(name in of_x for name in node.input)
    return False


def _keeps_axes(node: onnx.NodeProto) -> bool:
    return all(attribute.i for attribute in node.attribute if attribute.name == "keepdims")


def _subgraphs(node: onnx.NodeProto) -> list[onnx.GraphProto]:
    return [attribute.g for attribute in node.attribute if attribute.HasField("g")]


def _reads(node: onnx.NodeProto) -> list[str]:
    return [*node.input, *(name for graph in _subgraphs(node) for inner in graph.node for name in _reads(inner))]


def _rename(node: onnx.NodeProto, names: dict[str, str]) -> None:
    node.input[:] = [names.get(name, name) for name in node.input]
    for graph in _subgraphs(node):
        for inner in graph.node:
            _rename(inner, names)
