"""What generation takes: its settings, their ranges, and one value for all rows or one a row."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

# TensorFlow takes numbers below 1e-38 for 0, NumPy and onnxruntime do not: a temperature below this one is greedy, and a
# repetition penalty below it is refused.
SMALLEST = 1e-30

# The settings of a draw, each with its dtype, its range, and the range in words.
SETTINGS: dict[str, tuple[Any, Callable[[np.ndarray], Any], str]] = {
    "temperature": (np.float32, lambda v: (v >= 0) & (v < np.inf), "a finite number ≥ 0 (0 is greedy)"),
    "top_k": (np.int32, lambda v: v >= 0, "an integer ≥ 0 (0 keeps all)"),
    "top_p": (np.float32, lambda v: (v > 0) & (v <= 1), "a number in (0, 1]"),
    "min_p": (np.float32, lambda v: (v >= 0) & (v <= 1), "a number in [0, 1] (0 keeps all)"),
    "repetition_penalty": (np.float32, lambda v: (v >= SMALLEST) & (v < np.inf), f"a finite number ≥ {SMALLEST} (1 is off)"),
    "seed": (np.int64, lambda v: v == v, "an integer"),
}

# The inputs of an exported generate, in their order.
GENERATE_INPUTS: dict[str, Any] = {
    "prompt": object, "max_new_tokens": np.int32, "temperature": np.float32, "top_k": np.int32, "top_p": np.float32,
    "min_p": np.float32, "repetition_penalty": np.float32, "stop": object, "seed": np.int64,
}  # fmt: skip


def strings(value: Any, name: str) -> list[str]:
    values = list(value) if isinstance(value, Sequence) and not isinstance(value, (str, bytes)) else [value]
    for v in values:
        if not isinstance(v, str):
            raise TypeError(f"{name}: expected a string or a list of strings; received {type(v).__name__} {v!r}")
    return values


def row_values(
    name: str, value: Any, rows: int, dtype: Any, is_valid: Callable[[np.ndarray], Any], expected: str
) -> np.ndarray:
    try:
        given = np.asarray(value)
        if np.dtype(dtype).kind == "i" and given.size and given.dtype.kind not in "iu":
            raise ValueError("not an integer")
        values = np.broadcast_to(given.astype(dtype), (rows,))
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{name}: expected {expected}, one for all prompts or one a prompt ({rows}); received {value!r}") from error
    if not np.all(is_valid(values)):
        raise ValueError(f"{name}: expected {expected}; received {value!r}")
    return values


def row_strings(name: str, value: Any, rows: int) -> list[str]:
    values = strings(value, name)
    if isinstance(value, str):
        return values * rows
    if len(values) != rows:
        raise ValueError(f"{name}: expected a string, or one a prompt ({rows}); received {len(values)}")
    return values
