"""Weights in 8 or 16 bits, as a pass over a converted graph."""

from collections.abc import Callable, Iterator

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from kerasrnn.export.writers._nodes import every_graph

KINDS = ("int8", "float16")
_SMALL = 1024  # numbers; a smaller weight stays as it is
_LARGEST = 64
_MICROSOFT = "com.microsoft"


def quantize(model: onnx.ModelProto, kind: str) -> None:
    """Stores the weights of a model's products, recurrences and embeddings in fewer bits.

    "int8": weights are 8-bit integers with a scale for each column, w ≈ scale · q, and what they are multiplied with is
    quantised as it comes, with one scale for the whole tensor: so a row's result depends a little on the others of its
    batch. |q| ≤ 64: larger ones would saturate on x86 processors without VNNI, which add two products in 16 bits, and
    give other numbers there; unsigned ones would not, but take four times as long where there are instructions for tiles.

    "float16": weights are stored in 16 bits and computed with in float32.

    Args:
        model: converted, its recurrences lowered, of which only LSTM has an 8-bit node.
        kind: one of `KINDS`.
    """
    weights = {weight.name: weight for weight in model.graph.initializer}
    made: dict[str, onnx.TensorProto] = {}
    if kind == "int8":
        for graph in every_graph(model.graph):
            _rewrite(graph, lambda node: _in_8_bits(node, weights, made))
        if not any(o.domain == _MICROSOFT for o in model.opset_import):
            model.opset_import.append(helper.make_opsetid(_MICROSOFT, 1))
    else:
        casts = []
        for name, weight in list(weights.items()):
            if weight.data_type == TensorProto.FLOAT and np.prod(weight.dims) >= _SMALL:
                stored = numpy_helper.from_array(numpy_helper.to_array(weight).astype(np.float16), f"{name}/float16")
                made[stored.name] = stored
                casts.append(helper.make_node("Cast", [stored.name], [name], to=TensorProto.FLOAT))
                del weights[name]
        nodes = [*casts, *model.graph.node]
        del model.graph.node[:]
        model.graph.node.extend(nodes)
    read = set(_reads(model.graph))
    kept = [weight for weight in (*weights.values(), *made.values()) if weight.name in read]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)


def _rewrite(graph: onnx.GraphProto, rule: Callable[[onnx.NodeProto], list[onnx.NodeProto]]) -> None:
    nodes = [new for node in graph.node for new in rule(node)]
    del graph.node[:]
    graph.node.extend(nodes)


def _in_8_bits(
    node: onnx.NodeProto, weights: dict[str, onnx.TensorProto], made: dict[str, onnx.TensorProto]
) -> list[onnx.NodeProto]:
    """The nodes in a node's place: itself, if it has no 8-bit form."""

    def constant(value: np.ndarray, name: str) -> str:
        if name not in made:
            made[name] = numpy_helper.from_array(np.ascontiguousarray(value), name)
        return name

    def large(name: str, rank: int) -> bool:
        weight = weights.get(name)
        return (
            weight is not None
            and weight.data_type == TensorProto.FLOAT
            and len(weight.dims) == rank
            and np.prod(weight.dims) >= _SMALL
        )

    def columns(name: str, transposed: bool = False) -> list[str]:
        """Integers, scales and zero points, one a column of the last axis."""
        value = numpy_helper.to_array(weights[name])
        value = np.swapaxes(value, -1, -2) if transposed else value
        scale = np.maximum(np.abs(value).max(axis=-2) / _LARGEST, 1e-12).astype(np.float32)
        integers = np.clip(np.round(value / scale[..., None, :]), -_LARGEST, _LARGEST).astype(np.int8)
        values = (integers, scale, np.zeros_like(scale, np.int8))
        return [constant(v, f"{name}/{title}") for v, title in zip(values, ("int8", "scale", "zero"))]

    if node.op_type == "LSTM" and large(node.input[1], 3) and large(node.input[2], 3):
        kernel, kernel_scale, kernel_zero = columns(node.input[1], transposed=True)
        recurrent, recurrent_scale, recurrent_zero = columns(node.input[2], transposed=True)
        inputs = [*node.input, *[""] * (8 - len(node.input))]
        inputs[1:3] = kernel, recurrent
        scales = [kernel_scale, kernel_zero, recurrent_scale, recurrent_zero]
        new = helper.make_node("DynamicQuantizeLSTM", [*inputs, *scales], list(node.output), domain=_MICROSOFT)
        new.attribute.extend(node.attribute)
        return [new]
    if node.op_type == "MatMul" and large(node.input[1], 2):
        inputs = [node.input[0], *columns(node.input[1])]
        return [helper.make_node("DynamicQuantizeMatMul", inputs, list(node.output), domain=_MICROSOFT)]
    if node.op_type == "Gather" and large(node.input[0], 2) and not any(a.name == "axis" and a.i for a in node.attribute):
        name, ids, output = *node.input, node.output[0]
        value = numpy_helper.to_array(weights[name])
        scale = np.maximum(np.abs(value).max(axis=1, keepdims=True) / 127, 1e-12).astype(np.float32)
        table = constant(np.round(value / scale).astype(np.int8), f"{name}/rows_int8")
        return [
            helper.make_node("Gather", [table, ids], [f"{output}/int8"]),
            helper.make_node("Gather", [constant(scale, f"{name}/rows_scale"), ids], [f"{output}/scale"]),
            helper.make_node("Cast", [f"{output}/int8"], [f"{output}/float"], to=TensorProto.FLOAT),
            helper.make_node("Mul", [f"{output}/float", f"{output}/scale"], [output]),
        ]
    return [node]


def _reads(graph: onnx.GraphProto) -> Iterator[str]:
    for inner in every_graph(graph):
        yield from (name for node in inner.node for name in node.input)
        yield from (value.name for value in inner.output)
