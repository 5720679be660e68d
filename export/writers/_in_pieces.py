"""Whether a model gives in pieces what it gives on the whole sequence, and which layer does not."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from kerasrnn.export.writers._feeding import fed, joined
from kerasrnn.export.writers._masked_samples import MaskedSamples, cuts_around_masked
from kerasrnn.export.writers._observed import Observed
from kerasrnn.export.writers._signature import Signature

_SINGLE = 24  # steps taken one by one, at most


def difference_in_pieces(model: keras.Model, forward: Signature, step: Signature, samples: MaskedSamples) -> str | None:
    """Why the model itself gives something else in pieces, which no list of layers can tell; None if it does not.

    Args:
        model: the model.
        forward: its call on whole sequences, all of whose inputs have a time axis of one length.
        step: the same with states in and out.
        samples: inputs of forward, with masked steps.
    """
    traced = step.traced()

    def in_pieces(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {name: value.numpy() for name, value in traced(*_tensors(step, inputs)).items()}

    looks = ((slice(2, 3), "it looks at other steps than its own"), (slice(None), "it looks at others where steps are masked"))
    for rows, what in looks[1:] if forward.rows else looks:
        inputs = {name: value[rows] for name, value in samples.inputs.items()}
        steps = next(iter(inputs.values())).shape[1]
        for cuts in (sorted({2 * steps // 5} - {0}), cuts_around_masked(steps), list(range(1, min(steps, _SINGLE)))):
            try:
                pieces = fed(in_pieces, inputs, step.states, cuts)
            except tf.errors.OpError as error:
                return f"it fails in pieces: {_said(error)}"
            for name, value in samples.outputs.items():
                if not _same(value[rows], [piece[name] for piece in pieces]):
                    return f"{_culprit(model, forward, step, inputs, cuts)}, gives something else in pieces: {what}"
    return None


def _said(error: tf.errors.OpError) -> str:
    """What an operation said, with its name, in which its layer's is."""
    lines = [line.strip() for line in error.message.splitlines() if line.strip()]
    node = next((line for line in reversed(lines) if "{{node" in line), "")
    said = next((line for line in reversed(lines) if "{{node" not in line), "")
    return f"{said} ({node.partition('{{node ')[2].partition('}}')[0]})" if node else said


def _same(whole: np.ndarray, pieces: list[np.ndarray]) -> bool:
    value = joined(pieces, whole)
    if value.shape != whole.shape:
        return False
    if whole.dtype.kind != "f":
        return bool((value == whole).all())
    largest = float(np.abs(whole[np.isfinite(whole)]).max(initial=0.0))
    return np.allclose(value, whole, rtol=1e-3, atol=1e-4 * max(1.0, largest), equal_nan=True)


def _culprit(
    model: keras.Model, forward: Signature, step: Signature, inputs: dict[str, np.ndarray], cuts: list[int]
) -> str:
    """The first layer whose values differ, in the order of calls; the model where none does."""
    whole = Observed(model, forward, values=True)(*_tensors(forward, inputs)).values
    observed, seen = Observed(model, step, values=True), []

    def noting(inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        seen.append(observed(*_tensors(step, inputs)))
        return seen[-1].outputs

    fed(noting, inputs, step.states, cuts)
    if all(len(piece.values) == len(whole) for piece in seen):
        for i, (name, value) in enumerate(whole):
            parts = [piece.values[i][1] for piece in seen]
            if all(part.ndim == value.ndim for part in parts) and not _same(value, parts):
                return name
    return f"{model.name}, a {type(model).__name__}"


def _tensors(signature: Signature, inputs: dict[str, np.ndarray]) -> list[Any]:
    return [tf.constant(inputs[spec.name]) for spec in signature.inputs]
