"""From figures to a word: vanishing, exploding, saturated or healthy; and what to try."""

from typing import Any

import numpy as np

from kerasrnn._backend import keras

# In the order of what hides what: a layer that explodes may be saturated by it, and one that is saturated vanishes by it.
VERDICTS = ("exploding", "saturated", "vanishing", "healthy")

# Steps of long ago then outweigh those of now ten to one: clipped to a norm, the gradient has next to nothing of the
# latter left.
_GROWTH = 10.0
# What is left of the gradient half a batch back. 2^-10 is the resolution of float16, and a minibatch's gradient is
# noisier than that by far: what is smaller cannot be learnt from. A loss in the middle of the sequence should still be
# felt at its beginning, hence half: whatever the length, the whole of it was paid for.
_REMAINING = 2.0**-10
# The majority: a typical unit then passes less than a fifth (σ) or a tenth (tanh) of the gradient that it could.
_SATURATED = 0.5


def growth_of(norms: np.ndarray) -> float:
    """The largest norm by that of the smallest lag that has one: 1 where none further back is larger."""
    if not np.isfinite(norms).all():
        return float("inf")
    first = np.flatnonzero(norms)
    return float(norms.max() / norms[first[0]]) if len(first) else 1.0


def remaining_of(norms: np.ndarray) -> float:
    """The norm half of all lags back, by the largest."""
    if not np.isfinite(norms).all():
        return float("nan")
    return float(norms[len(norms) // 2] / norms.max()) if norms.max() > 0 else 0.0


def verdict_of(growth: float, remaining: float, saturated: float | None) -> str:
    """One of `VERDICTS`, from what the three functions of a layer gave; saturated is None where it is not known."""
    if growth > _GROWTH:
        return "exploding"
    if saturated is not None and saturated > _SATURATED:
        return "saturated"
    return "vanishing" if remaining < _REMAINING else "healthy"


def worst(verdicts: list[str]) -> str:
    """The verdict on a stack: that of its worst layer, as gradients must pass all of them."""
    return min(verdicts, key=VERDICTS.index)


def advice_on(verdict: str, cell: Any, steps: int) -> list[str]:
    """What to try, the likeliest first, for a layer of this cell and sequences of so many steps."""
    gated = hasattr(cell, "recurrent_activation") or len(getattr(cell, "gates", ())) > 1
    lstm = isinstance(cell, keras.layers.LSTMCell) or hasattr(cell, "unit_forget_bias")
    if verdict == "exploding":
        return [
            "Clip the gradient's norm: compile with an optimizer that has global_clipnorm=1.0.",
            "Start from a smaller or orthogonal recurrent kernel: recurrent_initializer='orthogonal'.",
            "Lower the learning rate, if training made it so; or go back to a checkpoint before.",
            "Cut the gradient: truncate=τ of kerasrnn.layers.RNN, or shorter windows.",
        ]
    if verdict == "saturated":
        return [
            "Scale the inputs to about unit variance, and start from smaller kernels: they drive the units to their limits.",
            "Normalise within the cell: kerasrnn.cells.LayerNormLSTMCell.",
            "Lower the learning rate, or add weight decay, if training made it so.",
            "Where a trained model predicts well, leave it: its gates are often at their limits (Karpathy et al., 2015).",
        ]
    if verdict == "vanishing":
        first = [
            f"Start with the forget gate open, for its memory to last as long as your sequences: a bias of about "
            f"ln({steps}) = {np.log(max(steps, 2)):.1f} (Tallec and Ollivier, 2018, arXiv:1804.11188)."
        ]
        if not lstm:
            first = ["Start the update gate where it keeps the state, by its bias."] if gated else [
                "Use a gated cell: kerasrnn.cells.LSTMCell or GRUCell.",
                "Start from an orthogonal recurrent kernel, or the identity with ReLU (Le et al., 2015, arXiv:1504.00941).",
            ]  # fmt: skip
        return [
            *first,
            "Take cells whose recurrence is linear in the state: kerasrnn.cells.RGLRUCell or MinGRUCell.",
            "Shorter sequences cost less and lose nothing, as long as the gradient does not reach back further.",
        ]
    return []
