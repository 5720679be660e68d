"""LSTM, GRU and RNN as the native nodes of ONNX."""

from typing import Any

from kerasrnn.export.writers._nodes import Nodes
from kerasrnn.export.writers._recurrence import Recurrence


def native(
    nodes: Nodes, recurrence: Recurrence, sequences: str, states: list[str], lengths: str = ""
) -> tuple[str, list[str]]:
    """Adds a native recurrence.

    Args:
        nodes: where to add it.
        recurrence: which one, with its weights.
        sequences: (batch, time, features), neither of the first two empty.
        states: each (batch, units).
        lengths: how many steps of each row count, (batch,) int32; all if left out.

    Returns:
        The outputs (batch, time, units), zeros after a row's length, and the last states.
    """
    attributes: dict[str, Any] = {"hidden_size": recurrence.units, "activations": [a for a, _, _ in recurrence.activations]}
    alphas, betas = ([a[i] for a in recurrence.activations if a[i] is not None] for i in (1, 2))
    if alphas:
        attributes["activation_alpha"] = alphas
    if betas:
        attributes["activation_beta"] = betas
    if recurrence.op == "GRU":
        attributes["linear_before_reset"] = int(recurrence.linear_before_reset)
    zero, one = nodes.constant([0]), nodes.constant([1])
    weights = [nodes.constant(w[None]) for w in (recurrence.kernel, recurrence.recurrent_kernel, recurrence.bias)]
    peephole = [] if recurrence.peephole is None else [nodes.constant(recurrence.peephole[None])]
    outputs, *last = nodes(
        recurrence.op,
        nodes("Transpose", sequences, perm=[1, 0, 2]),  # onnxruntime has no layout=1
        *weights,
        lengths,
        *(nodes("Unsqueeze", state, zero) for state in states),
        *peephole,
        outputs=1 + len(states),
        **attributes,
    )
    outputs = nodes("Transpose", nodes("Squeeze", outputs, one), perm=[1, 0, 2])
    last = [nodes("Squeeze", state, zero) for state in last]
    if lengths:
        # The native nodes give zeros for a row of no steps.
        any_steps = nodes("Unsqueeze", nodes("Greater", lengths, nodes.constant(0, "int32")), one)
        last = [nodes("Where", any_steps, new, initial) for new, initial in zip(last, states)]
    return outputs, last
