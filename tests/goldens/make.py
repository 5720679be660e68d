"""Writes the goldens of this folder: what the NumPy references make of fixed weights and inputs.

    python tests/goldens/make.py

They come from the papers' equations in tests/reference/cells.py, never from the code that they test.
"""

import json
import sys
from functools import partial
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent
sys.path.append(str(FOLDER.parent))

from reference import cells as reference  # noqa: E402

BATCH, STEPS, FEATURES, UNITS = 2, 3, 3, 2


def affine(gates: int, **others: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    return {"kernel": (FEATURES, gates * UNITS), **others, "bias": (gates * UNITS,)}


def recurrent(gates: int, width: int = UNITS) -> dict[str, tuple[int, ...]]:
    return affine(gates, recurrent_kernel=(width, gates * UNITS))


# Name: the cell's class and arguments, the widths of its states, the shapes of its weights, its equations.
GOLDENS = {
    "simple_rnn": ("SimpleRNNCell", {}, [UNITS], recurrent(1), reference.simple_rnn),
    "lstm": ("LSTMCell", {}, [UNITS, UNITS], recurrent(4), reference.lstm),
    "lstm_peepholes": (
        "LSTMCell", {"peepholes": True}, [UNITS, UNITS], {**recurrent(4), "peephole": (3, UNITS)}, reference.peephole_lstm,
    ),
    "lstm_projection": (
        "LSTMCell", {"projection": 1}, [1, UNITS], {**recurrent(4, 1), "projection_kernel": (UNITS, 1)},
        reference.projected_lstm,
    ),
    "gru": (
        "GRUCell", {}, [UNITS], {**recurrent(3), "bias": (2, 3 * UNITS)}, partial(reference.gru, reset_after=True),
    ),
    "gru_reset_before": (
        "GRUCell", {"reset_after": False}, [UNITS], recurrent(3), partial(reference.gru, reset_after=False),
    ),
    "layer_norm_lstm": (
        "LayerNormLSTMCell", {}, [UNITS, UNITS],
        {**recurrent(4), "gains": (2, 4 * UNITS), "memory_gain": (UNITS,), "memory_bias": (UNITS,)},
        reference.layer_norm_lstm,
    ),
    "ind_rnn": ("IndRNNCell", {}, [UNITS], {**affine(1), "recurrent_weights": (UNITS,)}, reference.ind_rnn),
    "sru": ("SRUCell", {}, [UNITS], {**affine(4), "peephole": (2, UNITS)}, reference.sru),
    "min_gru": ("MinGRUCell", {}, [UNITS], affine(2), reference.min_gru),
    "rg_lru": ("RGLRUCell", {}, [UNITS], {**affine(3), "decay": (UNITS,)}, reference.rg_lru),
}  # fmt: skip


def make(name: str) -> dict:
    """One golden: every number of its weights, inputs and initial states is another."""
    cell, arguments, state_sizes, weight_shapes, equations = GOLDENS[name]
    drawn = 0

    def distinct(*shape: int) -> np.ndarray:
        nonlocal drawn
        drawn += int(np.prod(shape))
        return np.round(np.sin(1.7 * np.arange(drawn - int(np.prod(shape)), drawn) + 0.3), 5).reshape(shape)

    weights = {weight: distinct(*shape) for weight, shape in weight_shapes.items()}
    inputs = distinct(BATCH, STEPS, FEATURES)
    initial_states = states = [distinct(BATCH, size) for size in state_sizes]
    outputs = []
    for t in range(STEPS):
        results = equations(inputs[:, t], *states, **weights)
        # The output of a reference comes first, and is the first of its states, or of its only one where it is all it has.
        results = results if isinstance(results, tuple) else (results,)
        outputs.append(results[0])
        states = list(results[-len(states) :])
    return {
        "cell": cell,
        "arguments": {"units": UNITS, **arguments},
        "weights": {weight: value.tolist() for weight, value in weights.items()},
        "inputs": inputs.tolist(),
        "initial_states": [s.tolist() for s in initial_states],
        "outputs": np.stack(outputs, axis=1).tolist(),
        "last_states": [s.tolist() for s in states],
    }


def main() -> None:
    for name in GOLDENS:
        rows = [f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in make(name).items()]
        (FOLDER / f"{name}.json").write_text("{\n" + ",\n".join(rows) + "\n}\n")


if __name__ == "__main__":
    main()
