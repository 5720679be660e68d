"""What an exported forecast takes: its inputs, their ranges, and one value for all rows or one a row."""

from typing import Any

import numpy as np

from kerasrnn._portable.arguments import row_seeds, same_values

MAX_STEPS = 10_000  # that one row may ask for: a server must not be kept busy for ever
MAX_PATHS = 1_000


def forecast_inputs(
    manifest: dict[str, Any], past: Any, steps: Any, num_paths: Any, seed: Any, covariates: Any
) -> dict[str, np.ndarray]:
    """Checks everything that was asked for; the inputs of the graph."""
    about = manifest.get("forecast")
    if about is None:
        raise ValueError(
            "forecast: expected a Forecaster with output='gaussian', or 'quantile' and at least two quantiles; received a "
            f"{manifest['model']['class_name']} that was exported without paths. Call forward"
        )
    spec = manifest["signatures"]["forecast"]["inputs"][0]
    past = _numbers("past", past, spec["shape"])
    if not past.shape[1]:
        raise ValueError("past: expected at least one time step; received none")
    rows = len(past)
    steps = _per_row("steps", steps, rows, MAX_STEPS)
    inputs = {"past": past, "steps": steps, "num_paths": _per_row("num_paths", num_paths, rows, MAX_PATHS)}
    inputs["seed"] = row_seeds(seed, rows)
    if about["covariates"]:
        horizon, most = about["horizon"], int(steps.max(initial=1))
        needed = (-(-most // horizon) - 1) * horizon
        if covariates is None:
            covariates = np.zeros((rows, 0, about["covariates"]), np.float32)
        covariates = _numbers("covariates", covariates, [None, None, about["covariates"]])
        if covariates.shape[1] < needed or len(covariates) != rows:
            raise ValueError(
                f"covariates: expected those of the steps that are fed back, ({rows}, at least {needed}, "
                f"{about['covariates']}), for {most} steps of a horizon of {horizon}; received {covariates.shape}"
            )
        inputs["covariates"] = covariates
    elif covariates is not None:
        raise ValueError("covariates: expected None, as this model has none; received some. Leave them out")
    return inputs


def _numbers(name: str, value: Any, shape: list[int | None]) -> np.ndarray:
    array = np.asarray(value)
    if array.dtype.kind not in "iuf" or array.ndim != 3 or any(d not in (None, n) for d, n in zip(shape, array.shape)):
        raise ValueError(
            f"{name}: expected numbers of shape {tuple(shape)}, None for any size; received {array.dtype} of {array.shape}"
        )
    if not np.isfinite(array).all():
        raise ValueError(f"{name}: expected finite numbers; received NaN or infinity. Fill what is missing")
    return same_values(name, array, np.float32)


def _per_row(name: str, value: Any, rows: int, most: int) -> np.ndarray:
    given = np.asarray(value)
    if given.dtype.kind not in "iu" or given.shape not in ((), (rows,)) or not np.all((given >= 1) & (given <= most)):
        raise ValueError(f"{name}: expected an integer from 1 to {most:,}, or one for each of {rows} rows; received {value!r}")
    return np.broadcast_to(given.astype(np.int32), (rows,))
