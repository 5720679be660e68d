"""What callers of `generate` and its kind may give: strings, and one value for all prompts or one a prompt."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np


def strings(value: Any, name: str) -> list[str]:
    values = list(value) if isinstance(value, Sequence) and not isinstance(value, (str, bytes)) else [value]
    for v in values:
        if not isinstance(v, str):
            raise TypeError(f"{name}: expected a string or a list of strings; received {type(v).__name__} {v!r}")
    return values


def row_values(
    name: str, value: Any, rows: int, dtype: Any, is_valid: Callable[[np.ndarray], Any], expected: str
) -> np.ndarray:  # fmt: skip
    try:
        given = np.asarray(value)
        if np.dtype(dtype).kind == "i" and given.size and given.dtype.kind not in "iu":
            raise ValueError("not an integer")
        given = given.astype(dtype)
        values = np.broadcast_to(given, (rows,))
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(
            f"{name}: expected {expected}, one for all prompts or one a prompt ({rows}); received {value!r}"
        ) from error
    if not np.all(is_valid(given)):
        raise ValueError(f"{name}: expected {expected}; received {value!r}")
    return values


def row_strings(name: str, value: Any, rows: int) -> list[str]:
    values = strings(value, name)
    if isinstance(value, str):
        return values * rows
    if len(values) != rows:
        raise ValueError(f"{name}: expected a string, or one a prompt ({rows}); received {len(values)}")
    return values


def positive_integer(name: str, value: Any) -> int:
    if isinstance(value, bool) or not hasattr(value, "__index__") or value < 1:
        raise ValueError(f"{name}: expected an integer of at least 1; received {value!r}")
    return int(value)
