"""How many of a layer's gates are at their limits, where their derivative is nearly zero."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from kerasrnn import cells
from kerasrnn._backend import keras, tf
from kerasrnn.diagnostics._batch import check_inputs, check_model, check_steps
from kerasrnn.diagnostics._recording import RecordedLayer, Recording

ops = keras.ops

# Beyond these, σ' = σ (1 − σ) is below a fifth of its largest value and tanh' = 1 − tanh² below a tenth.
_LIMITS = {"sigmoid": (0.05, 0.95), "hard_sigmoid": (0.05, 0.95), "tanh": (-0.95, 0.95)}
Gates = dict[str, tuple[Any, Any]]  # a gate's name: its values and its activation


@dataclass(frozen=True)
class SaturatedGates:
    """The share of saturated gates in one layer.

    Attributes:
        name: the layer's name.
        low: for each gate, the share of its values that are at the lower limit: σ < 0.05, tanh < −0.95.
        high: likewise at the upper one: σ > 0.95, tanh > 0.95.
    """

    name: str
    low: dict[str, float]
    high: dict[str, float]

    @property
    def shares(self) -> dict[str, float]:
        """For each gate the share of its values at either limit, in [0, 1]."""
        return {gate: self.low[gate] + self.high[gate] for gate in self.low}

    @property
    def share(self) -> float:
        """The mean of the gates' shares."""
        return float(np.mean([*self.shares.values()]))


def saturated_gates(model: Any, inputs: Any, rows: int | None = None) -> list[SaturatedGates | None]:
    """Measures the share of saturated gates, over all steps and units, by layer and gate.

    A gate is saturated where a sigmoid is beyond 0.05 or 0.95, or a tanh beyond ±0.95. That a forget gate is open for
    many units is how memory is kept; most of all gates at their limits means that hardly any gradient passes.

    Args:
        model: a built Keras model with recurrent layers.
        inputs: what it takes, (batch, time, …).
        rows: how many of the batch's rows to use; None for all.

    Returns:
        For each recurrent layer, in the order in which they are called, a `SaturatedGates` with the names that the cell
        gives its gates ("z", "r", "h" of a GRU; "h" of a simple network; "0.i" in the first cell of a stack). None where
        they cannot be seen: cells other than Keras's and this library's, or without a sigmoid or tanh.

    Raises:
        TypeError, ValueError: as `gradient_flow`.

    Example:

    >>> import keras, numpy as np
    >>> gru = keras.layers.GRU(3, bias_initializer=keras.initializers.Constant(5.0))
    >>> model = keras.Sequential([keras.Input((8, 2)), gru])
    >>> (gates,) = saturated_gates(model, np.zeros((1, 8, 2), "float32"))
    >>> gates.high["z"], gates.low["z"]
    (1.0, 0.0)
    """
    check_model(model)
    recording = Recording(model, check_inputs(inputs, rows, model), differentiable=False)
    check_steps(recording.layers)
    return [gates_of(recorded) for recorded in recording.layers]


def gates_of(recorded: RecordedLayer) -> SaturatedGates | None:
    """The share along what was recorded, masked steps left out."""
    x = tf.concat(recorded.inputs, axis=0)
    states = [tf.concat(parts, axis=0) for parts in zip(*recorded.states[:-1])]
    if recorded.masks:
        kept = tf.concat(recorded.masks, axis=0)
        x, states = tf.boolean_mask(x, kept), [tf.boolean_mask(state, kept) for state in states]
    gates = _gates(recorded.layer.cell, x, keras.tree.pack_sequence_as(recorded.structure, states))
    low, high = {}, {}
    for gate, (values, activation) in (gates or {}).items():
        limits = _LIMITS.get(getattr(activation, "__name__", ""))
        if limits is not None and len(x):
            low[gate] = float(np.mean(values.numpy() < limits[0]))
            high[gate] = float(np.mean(values.numpy() > limits[1]))
    return SaturatedGates(recorded.name, low, high) if low else None


def _gates(cell: Any, x: Any, states: Any) -> Gates | None:
    if isinstance(cell, keras.layers.StackedRNNCells):
        gates: Gates = {}
        for i, (inner, of_cell) in enumerate(zip(cell.cells, states)):
            nested = list(of_cell) if isinstance(of_cell, (list, tuple)) else [of_cell]
            gates |= {f"{i}.{gate}": value for gate, value in (_gates(inner, x, nested) or {}).items()}
            x, _ = inner(x, of_cell)
        return gates
    # By the method that holds the equations: a subclass with others is not taken for what it is derived from.
    kind = type(cell)
    known = _EQUATIONS.get(getattr(kind, "coefficients", None) or getattr(kind, "pointwise", None) or kind.call)
    return None if known is None else known(cell, x, states)


def _affine(cell: Any, x: Any, states: Any) -> tuple[Any, Any]:
    """inputs · kernel + bias, and h · recurrent_kernel (+ the second bias of a GRU)."""
    bias, second = cell.bias if cell.bias is not None else 0.0, 0.0
    if cell.bias is not None and len(cell.bias.shape) == 2:
        bias, second = ops.unstack(cell.bias)
    recurrent = getattr(cell, "recurrent_kernel", None)
    x = ops.matmul(x, cell.kernel) + bias
    return x, (None if recurrent is None else ops.matmul(states[0], recurrent) + second)


def _simple(cell: Any, x: Any, states: Any) -> Gates:
    x, h = _affine(cell, x, states)
    return {"h": (cell.activation(x + h), cell.activation)}


def _independent(cell: Any, x: Any, states: Any) -> Gates:
    x, _ = _affine(cell, x, states)
    return {"h": (cell.activation(x + cell.recurrent_weights * states[0]), cell.activation)}


def _lstm(cell: Any, x: Any, states: Any) -> Gates:
    x, h = _affine(cell, x, states)
    z_i, z_f, z_c, z_o = ops.split(x + h, 4, axis=-1)
    squash, c = cell.recurrent_activation, states[1]
    if getattr(cell, "peepholes", False):
        p_i, p_f, p_o = ops.unstack(cell.peephole)
        z_i, z_f = z_i + p_i * c, z_f + p_f * c
        z_o = z_o + p_o * (squash(z_f) * c + squash(z_i) * cell.activation(z_c))
    return {
        "i": (squash(z_i), squash), "f": (squash(z_f), squash), "c": (cell.activation(z_c), cell.activation),
        "o": (squash(z_o), squash),
    }  # fmt: skip


def _gru(cell: Any, x: Any, states: Any) -> Gates:
    before, squash = states[0], cell.recurrent_activation
    x, h = _affine(cell, x, states)
    x_z, x_r, x_h = ops.split(x, 3, axis=-1)
    h_z, h_r, h_h = ops.split(h, 3, axis=-1)
    z, r = squash(x_z + h_z), squash(x_r + h_r)
    if not cell.reset_after:
        h_h, r_before = ops.matmul(r * before, ops.split(cell.recurrent_kernel, 3, axis=-1)[2]), 1.0
    else:
        r_before = r
    return {"z": (z, squash), "r": (r, squash), "h": (cell.activation(x_h + r_before * h_h), cell.activation)}


def _layer_norm_lstm(cell: Any, x: Any, states: Any) -> Gates:
    x, h = ops.matmul(x, cell.kernel), ops.matmul(states[0], cell.recurrent_kernel)
    z = cell.gains[0] * cell._normalised(x) + cell.gains[1] * cell._normalised(h)
    z = z if cell.bias is None else z + cell.bias
    squash = dict.fromkeys(cell.gates, ops.sigmoid) | {"c": ops.tanh}
    return {gate: (squash[gate](part), squash[gate]) for gate, part in zip(cell.gates, ops.split(z, 4, axis=-1))}


def _sru(cell: Any, x: Any, states: Any) -> Gates:
    x, _ = _affine(cell, x, states)
    parts = dict(zip(cell.gates, ops.split(x, 4, axis=-1)))
    gates = zip(("f", "r"), ops.unstack(cell.peephole))
    return {gate: (ops.sigmoid(parts[gate] + peephole * states[0]), ops.sigmoid) for gate, peephole in gates}


def _of_inputs(cell: Any, x: Any, states: Any) -> Gates:
    x, _ = _affine(cell, x, states)
    parts = zip(cell.gates, ops.split(x, len(cell.gates), axis=-1))
    return {gate: (ops.sigmoid(part), ops.sigmoid) for gate, part in parts if gate != "h"}


_EQUATIONS: dict[Callable[..., Any], Callable[[Any, Any, Any], Gates]] = {
    keras.layers.SimpleRNNCell.call: _simple,
    keras.layers.LSTMCell.call: _lstm,
    keras.layers.GRUCell.call: _gru,
    cells.SimpleRNNCell.pointwise: _simple,
    cells.LSTMCell.pointwise: _lstm,
    cells.GRUCell.pointwise: _gru,
    cells.IndRNNCell.pointwise: _independent,
    cells.LayerNormLSTMCell.pointwise: _layer_norm_lstm,
    cells.SRUCell.pointwise: _sru,
    cells.MinGRUCell.coefficients: _of_inputs,
    cells.RGLRUCell.coefficients: _of_inputs,
}
