"""What the settings of a draw may be: each with its dtype, its range, and the range in words."""

from collections.abc import Callable
from typing import Any

import numpy as np

# TensorFlow takes numbers below 1e-38 for 0, NumPy and onnxruntime do not: a temperature below this one is greedy, and a
# repetition penalty below it is refused.
SMALLEST = 1e-30

SETTINGS: dict[str, tuple[Any, Callable[[Any], Any], str]] = {
    "temperature": (np.float32, lambda v: (v >= 0) & (v < np.inf), "a finite number ≥ 0 (0 is greedy)"),
    "top_k": (np.int32, lambda v: v >= 0, "an integer ≥ 0 (0 keeps all)"),
    "top_p": (np.float32, lambda v: (v > 0) & (v <= 1), "a number in (0, 1]"),
    "min_p": (np.float32, lambda v: (v >= 0) & (v <= 1), "a number in [0, 1] (0 keeps all)"),
    "repetition_penalty": (np.float32, lambda v: (v >= SMALLEST) & (v < np.inf), f"a finite number ≥ {SMALLEST} (1 is off)"),
    "seed": (np.int64, lambda v: v == v, "an integer"),
}
COUNT = (np.int32, lambda v: v >= 1, "an integer of at least 1")


def one_value(name: str, value: Any, dtype: Any, is_valid: Callable[[Any], Any], expected: str) -> Any:
    """A single number within its range, as Python's own int or float.

    Raises:
        ValueError: it is none, or outside.
    """
    kinds = "iu" if np.dtype(dtype).kind == "i" else "iuf"
    given = np.asarray(value)
    if given.ndim or given.dtype.kind not in kinds or not is_valid(given):
        raise ValueError(f"{name}: expected {expected}; received {value!r}")
    return given.item()
