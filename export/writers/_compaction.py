"""Any mask for native nodes, which know lengths alone: the steps that count go to the front, and the outputs back.

A recurrence passes its state by at a masked step, so that it sees the other steps as if they were adjacent. That is as good
for masks at the left, within and all over a row as for those at its end.

onnxruntime stops each row at its length. OpenVINO 2026.4 and onnx's reference evaluator run on, without a word (OpenVINO
where dimensions are dynamic): so the last h is read from the outputs, and an LSTM's c is held by its own gates after the end.
"""

from dataclasses import replace

import numpy as np

from kerasrnn.export.writers._native import native
from kerasrnn.export.writers._nodes import Nodes
from kerasrnn.export.writers._recurrence import Recurrence

_INT32, _INT64, _FLOAT = 6, 7, 1
_SATURATING = 1e4  # the sigmoid of it is 1 to the last bit, and of its negative 0


def compacted(
    nodes: Nodes, recurrence: Recurrence, sequences: str, states: list[str], mask: str, held: bool
) -> tuple[str, list[str]]:
    """Adds a native recurrence under a mask.

    Args:
        nodes: where to add it.
        recurrence: which one.
        sequences: (batch, time, features), neither of the first two empty.
        states: each (batch, units).
        mask: (batch, time), bool: true for what counts.
        held: whether an LSTM's c is to be held by its gates, for engines that do not know lengths.

    Returns:
        The outputs as Keras has them, at masked steps those of the step before and zeros where there is none; the last states.
    """
    last_axis, one, zero = nodes.constant([-1]), nodes.constant([1]), nodes.constant(0)
    counts = nodes("CumSum", nodes("Cast", mask, to=_INT64), nodes.constant(1))  # of true steps up to each, (batch, time)
    places = nodes("Sub", counts, nodes.constant(1))
    shape = nodes("Shape", mask)
    steps = nodes("Gather", shape, nodes.constant(1))
    # The number of the true step that goes to each place; all masked ones go to a place after the last.
    targets = nodes("Where", mask, places, steps)
    numbers = nodes("Expand", nodes("Range", zero, steps, nodes.constant(1)), shape)
    empty = nodes("Pad", nodes("Sub", numbers, numbers), nodes.constant([0, 0, 0, 1]))
    order = nodes("ScatterElements", empty, targets, numbers, axis=1)
    order = nodes("Slice", order, nodes.constant([0]), nodes("Unsqueeze", steps, nodes.constant([0])), one)
    front = nodes("GatherND", sequences, nodes("Unsqueeze", order, last_axis), batch_dims=1)
    lengths = nodes("ReduceMax", counts, one, keepdims=1)  # (batch, 1)
    gates = recurrence.activations[0][0]
    if held and recurrence.op == "LSTM" and gates in ("Sigmoid", "HardSigmoid"):
        after = nodes("Cast", nodes("GreaterOrEqual", numbers, lengths), to=_FLOAT)
        front = nodes("Concat", front, nodes("Unsqueeze", after, last_axis), axis=2)
        recurrence = _holding(recurrence)
    outputs, last = native(nodes, recurrence, front, states, nodes("Cast", nodes("Squeeze", lengths, one), to=_INT32))
    # A row of no steps has no output to read; what is read there is not used.
    at_end = nodes("GatherND", outputs, nodes("Max", nodes("Sub", lengths, nodes.constant(1)), zero), batch_dims=1)
    last[0] = nodes("Where", nodes("Greater", lengths, zero), at_end, states[0])
    back = nodes("GatherND", outputs, nodes("Unsqueeze", nodes("Max", places, zero), last_axis), batch_dims=1)
    begun = nodes("Unsqueeze", nodes("Greater", counts, zero), last_axis)
    return nodes("Where", begun, back, nodes.constant(0.0)), last


def _holding(recurrence: Recurrence) -> Recurrence:
    """An LSTM of one more feature: where it is 1, nothing gets in and nothing out, i = 0 and f = 1."""
    column = np.zeros((4, recurrence.units), np.float32)
    column[0], column[2] = -_SATURATING, _SATURATING  # ONNX's order: i, o, f, c
    return replace(recurrence, kernel=np.concatenate([recurrence.kernel, column.reshape(-1, 1)], axis=1))
