"""A recurrent layer as the exporter sees it: which native node it is, and with what weights."""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

# Keras's activation functions by their names in ONNX; (name, alpha, beta).
_ACTIVATIONS = {
    "tanh": ("Tanh", None, None),
    "sigmoid": ("Sigmoid", None, None),
    "relu": ("Relu", None, None),
    "linear": ("Affine", 1.0, 0.0),
    "hard_sigmoid": ("HardSigmoid", 1 / 6, 0.5),
    "softsign": ("Softsign", None, None),
    "softplus": ("Softplus", None, None),
    "elu": ("Elu", 1.0, None),
    "leaky_relu": ("LeakyRelu", 0.2, None),
}

# Our gates' order (Keras's) as a permutation into ONNX's: LSTM i, f, c, o → i, o, f, c; GRU z, r, h as it is.
_GATE_ORDERS = {"LSTM": [0, 3, 1, 2], "GRU": [0, 1, 2], "RNN": [0]}


@dataclass(frozen=True)
class Recurrence:
    """One native recurrence: the node's type and its weights, in ONNX's order."""

    op: str
    units: int
    kernel: np.ndarray  # (gates · units, features), ONNX's W without the direction
    recurrent_kernel: np.ndarray  # (gates · units, units), ONNX's R
    bias: np.ndarray  # (2 · gates · units,), ONNX's B
    activations: list[tuple[str, float | None, float | None]]
    linear_before_reset: bool = False
    peephole: np.ndarray | None = None  # (3 · units,), ONNX's P: of i, o, f

    @property
    def num_states(self) -> int:
        return 2 if self.op == "LSTM" else 1


def recurrence_of(cell: Any) -> Recurrence | None:
    """Reads a cell (ours by its `recurrence()`, or Keras's own); None for one that is no native node."""
    description = cell.recurrence() if hasattr(cell, "recurrence") else _describe_keras_cell(cell)
    if description is None:
        return None
    names = [keras.activations.serialize(f) for f in description["activations"]]
    if not all(isinstance(name, str) and name in _ACTIVATIONS for name in names):
        return None
    peephole = description.get("peephole")
    op, order = description["op"], _GATE_ORDERS[description["op"]]

    def in_onnx_order(weight: Any) -> np.ndarray:
        blocks = np.split(np.asarray(weight, np.float32), len(order), axis=-1)
        return np.concatenate([blocks[i] for i in order], axis=-1)

    kernel, recurrent_kernel = in_onnx_order(cell.kernel), in_onnx_order(cell.recurrent_kernel)
    bias = np.zeros((2, kernel.shape[-1]), np.float32)
    if cell.bias is not None:
        given = in_onnx_order(cell.bias)
        bias[: given.size // bias.shape[-1]] = given
    return Recurrence(
        op, cell.units, kernel.T, recurrent_kernel.T, bias.reshape(-1), [_ACTIVATIONS[n] for n in names],
        linear_before_reset=description.get("reset_after", False),
        peephole=None if peephole is None else np.asarray(peephole, np.float32)[[0, 2, 1]].reshape(-1),
    )  # fmt: skip


def _describe_keras_cell(cell: Any) -> dict[str, Any] | None:
    if type(cell) is keras.layers.LSTMCell:
        return {"op": "LSTM", "activations": [cell.recurrent_activation, cell.activation, cell.activation]}
    if type(cell) is keras.layers.GRUCell:
        activations = [cell.recurrent_activation, cell.activation]
        return {"op": "GRU", "activations": activations, "reset_after": cell.reset_after}
    if type(cell) is keras.layers.SimpleRNNCell:
        return {"op": "RNN", "activations": [cell.activation]}
    return None
