"""Checks of a request in ONNX, which has no assertions: a node fails whose name says what was expected."""

from typing import Any

import onnx
import spox.opset.ai.onnx.v20 as op

from kerasrnn.export.writers._onnx_sampling import integer

_EXPECTED = ": expected"


def zero_if(is_valid: Any, name: str, expected: str) -> Any:
    """Zeros, int64, to add to what the graph goes on with; an index out of range where one of the booleans is false."""
    zero = op.gather(integer([0]), op.where(is_valid, integer(0), integer(1)))
    zero._rename(f"{name}{_EXPECTED} {expected}")
    return zero


def name_checks(graph: onnx.GraphProto) -> None:
    """Names the nodes of checks, as onnxruntime's errors name nodes."""
    for node in graph.node:
        if _EXPECTED in node.output[0]:
            node.name = node.output[0]
