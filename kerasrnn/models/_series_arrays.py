"""Series as callers of the forecasting models give them."""

from typing import Any

import numpy as np


def series_arrays(name: str, series: Any, columns: int | None = None) -> list[np.ndarray]:
    """One array, or a list of such, as a list of (time, columns) float64. (A list of numbers is one series.)"""
    several = isinstance(series, (list, tuple)) and any(np.ndim(one) > 0 for one in series)
    arrays = [np.asarray(one, np.float64) for one in (series if several else [series])]
    arrays = [array[:, None] if array.ndim == 1 else array for array in arrays]
    columns = arrays[0].shape[-1] if columns is None else columns
    for array in arrays:
        if array.ndim != 2 or array.shape[1] != columns:
            raise ValueError(
                f"{name}: expected shape (time, {columns}), or a list of such; received {array.shape}. "
                "Give all series, and the model, the same channels and covariates."
            )
    return arrays


def finite(name: str, values: Any) -> None:
    """Raises ValueError where numbers that a forecast reads are NaN or infinite; None is no number."""
    array = np.asarray(values, np.float32) if values is not None else np.zeros(0)
    if not np.isfinite(array).all():
        place = tuple(np.argwhere(~np.isfinite(array))[0].tolist())
        raise ValueError(
            f"{name}: expected finite numbers in all that is read; received {array[place]} at {place}. Fill what is missing, "
            "or forecast from a part without gaps."
        )
