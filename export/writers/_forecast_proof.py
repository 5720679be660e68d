"""Proof that an exported `forecast` draws the model's paths, and gives their quantiles."""

import numpy as np

from kerasrnn.export.writers._forecast_signature import forecast_request
from kerasrnn.export.writers._quality import GROSS, rms_error
from kerasrnn.export.writers._signature import Signature
from kerasrnn.export.writers._verification import (
    FREE_LIMIT,
    Check,
    Function,
    ParityError,
    check_all,
    check_outputs,
    largest_error,
)


def verify_forecast(
    reference: Function, candidate: Function, signature: Signature, samples: dict[str, np.ndarray], horizon: int,
    quantized: bool = False,
) -> list[Check]:  # fmt: skip
    """Compares forecasts of one step, a horizon, and several, of one path and many, for one row and rows that differ.

    Args:
        reference: Keras's function.
        candidate: the artefact's.
        signature: of both.
        samples: inputs of forward.
        horizon: the model's.
        quantized: whether weights have lost digits: paths may then part as far as states may.

    Returns:
        The checks, all passed.

    Raises:
        ParityError: with the table of all checks.
    """
    further, checks, pairs = 2 * horizon + 1, [], []
    for steps, num_paths, seeds in (
        ([1], [1], [0]), ([horizon], [17], [-5]), ([horizon + 1], [1], [2**40]), ([1, further, horizon], [17, 5, 1], [7, 7, 8])
    ):  # fmt: skip
        inputs = forecast_request(samples, signature, steps, num_paths, seeds)
        expected, received = reference(inputs), candidate(inputs)
        check_outputs(expected, received)
        if not all(np.array_equal(np.isnan(value), np.isnan(received[name])) for name, value in expected.items()):
            raise ParityError("forecast: expected NaN beyond each row's own steps and paths alone; received it elsewhere")
        asked = [{name: value[~np.isnan(value)] for name, value in values.items()} for values in (expected, received)]
        pairs.append(asked)
        checks.append(Check("forecast", "running freely", len(steps), max(steps), largest_error(*asked), FREE_LIMIT))
    if quantized:
        # Over the deviation of all paths: those of one request may be one number.
        expected, received = (np.concatenate([side["paths"] for side in sides]) for sides in zip(*pairs))
        checks = [Check("forecast", "rms error", 3, further, rms_error(expected, received), GROSS)]
    return check_all(checks)
