"""Random inputs on which a model's numbers can be judged: they stay finite, and rounding does not grow there past all limits."""

import contextlib
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from kerasrnn.export.writers._signature import Signature
from kerasrnn.export.writers._verification import FREE_LIMIT, STEPS, Function

_SCALES = (1.0, 0.1, 0.01)
_GROWTH = 1e4  # from the first steps to the last: errors, judged by the largest numbers, would not show in the others
_NUDGE = 2e-7  # of an input: two units in the last place


def judgeable_samples(
    forward: Signature, function: Function, samples: dict[str, np.ndarray]
) -> tuple[dict[str, np.ndarray], str]:
    """Makes random samples smaller, then shorter, until the Keras model's numbers can be judged on them.

    Args:
        forward: the model's call on whole sequences.
        function: the Keras model's.
        samples: random inputs.

    Returns:
        The samples, and what was done to them in words.

    Raises:
        ValueError: the model's numbers can be judged on none; the message asks for samples.
    """
    reason, over_time = "", {spec.name for spec in forward.inputs if spec.shape.rank > 1 and spec.shape[1] is None}
    for scale, steps, tried in _attempts(forward, samples, over_time):
        try:
            obstacle = _obstacle(function, tried, over_time)
        except (ValueError, tf.errors.OpError) as error:
            if (scale, steps) == (1.0, None):
                raise
            obstacle = str(error)  # it needs more steps than these
        if not obstacle:
            parts = ["random inputs", *([f"times {scale}"] * (scale != 1)), *([f"of {steps} steps"] * (steps is not None))]
            return tried, " ".join(parts)
        reason = reason or obstacle
    raise ValueError(
        f"samples: expected inputs to verify the export on; received None, and on random inputs the Keras "
        f"model cannot be judged: {reason}. Give samples=…, "
        "real data: arrays like the model's inputs, at least 3 rows, best of 200 steps"
    )


def _attempts(
    forward: Signature, samples: dict[str, np.ndarray], over_time: set[str]
) -> Iterator[tuple[float, int | None, dict[str, np.ndarray]]]:
    floats = {spec.name for spec in forward.inputs if spec.dtype.is_floating}
    for steps in (None, *STEPS[-2:0:-1]) if over_time else (None,):
        for scale in _SCALES if floats else _SCALES[:1]:
            cut = _cut(samples, steps, over_time)
            yield scale, steps, {name: (v * scale).astype(v.dtype) if name in floats else v for name, v in cut.items()}


def _cut(samples: dict[str, np.ndarray], steps: int | None, over_time: set[str]) -> dict[str, np.ndarray]:
    return {name: value[:, :steps] if name in over_time else value for name, value in samples.items()}


def _obstacle(function: Function, samples: dict[str, np.ndarray], over_time: set[str]) -> str | None:
    """Why the model's numbers cannot be judged on samples, if so."""
    nudged = {name: value * value.dtype.type(1 + _NUDGE) if value.dtype.kind == "f" else value for name, value in samples.items()}
    given, moved = function(samples), function(nudged)
    begun: dict[str, np.ndarray] = {}
    with contextlib.suppress(ValueError, tf.errors.OpError):  # a model may need more steps than these
        begun = function(_cut(samples, 2, over_time))
    for name, value in given.items():
        if value.dtype.kind != "f" or not value.size:
            continue
        if not np.isfinite(value).all():
            return f"its output {name!r} is not finite"
        if name in begun and np.abs(value).max() > _GROWTH * max(1e-2, float(np.abs(begun[name]).max())):
            return f"its output {name!r} grows without bound"
        if float(np.abs(moved[name] - value).max()) > FREE_LIMIT / 3 * max(float(np.ptp(value)), 1e-6):
            return f"its output {name!r} amplifies rounding without bound"
    return None
