"""What becomes of values that are missing: NaN and infinities."""

import numpy as np

from kerasrnn.data._series import Series

POLICIES = ("error", "drop", "interpolate", "previous")


def without_missing(series: Series, first: int, missing: str) -> np.ndarray:
    """The values with their holes filled as `missing` says, or an error that names the first one at or after row `first`."""
    holes = ~np.isfinite(series.values)
    if missing == "drop" or not holes.any():
        return series.values
    if missing == "error":
        left = holes
        remedy = 'Give missing="drop", "interpolate" or "previous", or fill them beforehand.'
        values = series.values
    else:
        values = series.values.copy()
        for column, hole in zip(values.T, holes.T):
            _fill(column, hole, missing)
        left = ~np.isfinite(values)
        remedy = 'There is no earlier value to go on from: cut the series there, or give missing="drop".'
    if left[first:].any():
        row, column = np.argwhere(left[first:])[0]
        raise ValueError(
            f"{series.name}: expected finite values with missing={missing!r}; received "
            f"{series.values[first + row, column]} at row {first + row} of {series.column(column)}. {remedy}"
        )
    return np.where(left, np.float32(0), values) if missing != "error" else values


def _fill(column: np.ndarray, hole: np.ndarray, missing: str) -> None:
    """Fills a column in place, but for a hole at its beginning."""
    rows, known = np.arange(len(column)), np.flatnonzero(~hole)
    if not len(known):
        return
    fillable = hole & (rows > known[0])
    if missing == "interpolate":
        column[fillable] = np.interp(rows[fillable], known, column[known])
    else:
        column[fillable] = column[known[np.searchsorted(known, rows[fillable]) - 1]]
