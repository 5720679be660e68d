"""Proof that an exported `forecast` draws the model's paths, and gives their quantiles."""

import numpy as np

from kerasrnn.export.writers._forecast_signature import forecast_request
from kerasrnn.export.writers._signature import Signature
from kerasrnn.export.writers._verification import FREE_LIMIT, Check, Function, ParityError, check_all, check_outputs

_GROSS = 0.5  # of a quantised model's paths, whose losses are fed back: the root mean square error over their deviation


def verify_forecast(
    reference: Function, candidate: Function, signature: Signature, samples: dict[str, np.ndarray], horizon: int,
    quantized: bool = False,
) -> list[Check]:  # fmt: skip
    """Compares forecasts of one step, a horizon, and several, of one path and many, for one row and rows that differ.

    An error is the largest difference over the spread of what all of them gave.

    Args:
        reference: Keras's function.
        candidate: the artefact's.
        signature: of both.
        samples: inputs of forward.
        horizon: the model's.
        quantized: whether weights have lost digits.

    Returns:
        The checks, all passed.

    Raises:
        ParityError: with the table of all checks.
    """
    further = 2 * horizon + 1
    asked = [
        ([1], [1], [0]), ([horizon], [17], [-5]), ([horizon + 1], [1], [2**40]), ([1, further, horizon], [17, 5, 1], [7, 7, 8])
    ]  # fmt: skip
    pairs = []
    for steps, num_paths, seeds in asked:
        inputs = forecast_request(samples, signature, steps, num_paths, seeds)
        expected, received = reference(inputs), candidate(inputs)
        check_outputs(expected, received)
        pairs.append({name: _known(name, value, received[name]) for name, value in expected.items()})
    whole = {name: np.concatenate([pair[name] for pair in pairs], axis=1) for name in signature.outputs}
    if quantized:
        expected, received = whole["paths"]
        error = float(np.sqrt(np.mean(np.square(received - expected))) / max(expected.std(), 1e-6))
        return check_all([Check("forecast", "rms error", 3, further, error, _GROSS)])
    checks = []
    for (steps, *_), pair in zip(asked, pairs):
        errors = [np.ptp(pair[name], axis=0).max() / max(np.ptp(whole[name][0]), 1e-6) for name in pair]
        # np.max keeps a NaN, unlike max.
        checks.append(Check("forecast", "running freely", len(steps), max(steps), float(np.max(errors)), FREE_LIMIT))
    return check_all(checks)


def _known(name: str, expected: np.ndarray, received: np.ndarray) -> np.ndarray:
    """Both without the NaN beyond a row's own steps and paths, (2, count) float64."""
    if not np.array_equal(np.isnan(expected), np.isnan(received)):
        raise ParityError(f"forecast: {name}: expected NaN beyond a row's own steps and paths alone; received it elsewhere")
    return np.stack([expected[~np.isnan(expected)], received[~np.isnan(received)]]).astype(np.float64)
