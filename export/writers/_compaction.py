"""Any mask for nodes that know lengths alone: the steps that count go to the front, and the outputs back to their places.

A recurrence passes its state by at a masked step, so that it sees the other steps as if they were adjacent. That is as good for
masks at the left, within and all over a row as for those at its end.
"""

from collections.abc import Callable

from kerasrnn.export.writers._nodes import Nodes


def compacted(
    nodes: Nodes, sequences: str, mask: str, run: Callable[[str, str], tuple[str, list[str]]]
) -> tuple[str, list[str]]:
    """Adds the nodes of a recurrence under a mask.

    Args:
        nodes: where to add them.
        sequences: (batch, time, features), neither of the first two empty.
        mask: (batch, time), bool: true for what counts.
        run: adds the recurrence on the sequences and lengths that it is given, and returns outputs and last states.

    Returns:
        The outputs as Keras has them, of masked steps those of the step before and zeros where there is none; the last states.
    """
    last_axis, one, zero = nodes.constant([-1]), nodes.constant([1]), nodes.constant(0)
    counts = nodes("CumSum", nodes("Cast", mask, to=7), nodes.constant(1))  # of true steps up to each, (batch, time)
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
    lengths = nodes("Cast", nodes("ReduceMax", counts, one, keepdims=0), to=6)
    outputs, last = run(front, lengths)
    back = nodes("GatherND", outputs, nodes("Unsqueeze", nodes("Max", places, zero), last_axis), batch_dims=1)
    begun = nodes("Unsqueeze", nodes("Greater", counts, zero), last_axis)
    return nodes("Where", begun, back, nodes.constant(0.0)), last
