"""ONNX nodes by hand: a list that grows, and names that nothing else has."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper


def every_graph(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """A graph and all graphs within: inner ones first."""
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from every_graph(attribute.g)
    yield graph


def every_node(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """The nodes of a graph and of all graphs within."""
    return (node for inner in every_graph(graph) for node in inner.node)


class Nodes:
    """Nodes and constants of a graph, all named `prefix/…`.

    >>> nodes = Nodes("example")
    >>> nodes("Add", "x", nodes.constant(1.0))
    'example/Add_1'
    >>> [node.op_type for node in nodes.nodes], [weight.name for weight in nodes.weights]
    (['Add'], ['example/constant_0'])
    """

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self._count = 0

    def __call__(self, op: str, *inputs: str, outputs: int = 1, **attributes: Any) -> Any:
        """Adds a node; gives its output's name, or a list of names for several `outputs`."""
        names = [self.name(op) for _ in range(outputs)]
        self.nodes.append(helper.make_node(op, list(inputs), names, **attributes))
        return names[0] if outputs == 1 else names

    def constant(self, value: Any, dtype: Any = None) -> str:
        """Adds a constant: float32 and int64 unless told otherwise."""
        array = np.asarray(value, dtype)
        if dtype is None and array.dtype == np.float64:
            array = array.astype(np.float32)
        # np.ascontiguousarray would make a vector of a scalar.
        array = np.ascontiguousarray(array) if array.ndim else array
        self.weights.append(numpy_helper.from_array(array, self.name("constant")))
        return self.weights[-1].name

    def name(self, stem: str) -> str:
        """A name that is new."""
        self._count += 1
        return f"{self.prefix}/{stem}_{self._count - 1}"
