"""What callers may give: strings, and numbers in their ranges, the same for TensorFlow, the runtime and exported graphs."""

import secrets
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

# TensorFlow takes numbers below 1e-38 for 0, NumPy and onnxruntime do not. So logits divided by all of these must stay well
# within float32, and a temperature below the first is greedy.
GREEDY_BELOW = 1e-20
SMALLEST, LARGEST = 1e-10, 1e10


class Range(NamedTuple):
    """Numbers of a type between two bounds, which belong to it.

    Attributes:
        dtype: NumPy's, in which they are compared.
        least, most: the bounds.
        words: what an error says was expected.
    """

    dtype: Any
    least: Any
    most: Any
    words: str

    def holds(self, values: Any) -> Any:
        """Which of the values (a number, an array or a tensor) are in it; NaN is not."""
        return (values >= self.least) & (values <= self.most)


_INT32, _INT64 = 2**31 - 1, 2**63 - 1

SETTINGS = {
    "temperature": Range(np.float32, 0.0, LARGEST, f"a number from 0 to {LARGEST:g} (0 is greedy)"),
    "top_k": Range(np.int32, 0, _INT32, "an integer ≥ 0 (0 keeps all)"),
    "top_p": Range(np.float32, SMALLEST, 1.0, f"a number in (0, 1], at least {SMALLEST:g} (1 keeps all)"),
    "min_p": Range(np.float32, 0.0, 1.0, "a number in [0, 1] (0 keeps all)"),
    "repetition_penalty": Range(np.float32, SMALLEST, LARGEST, f"a number from {SMALLEST:g} to {LARGEST:g} (1 is off)"),
    "seed": Range(np.int64, -_INT64 - 1, _INT64, "an integer of 64 bits"),
}
COUNT = Range(np.int32, 1, _INT32, "an integer of at least 1")

# The inputs of an exported generate, in their order.
GENERATE_INPUTS: dict[str, Any] = {
    "prompt": object, "max_new_tokens": np.int32, "temperature": np.float32, "top_k": np.int32, "top_p": np.float32,
    "min_p": np.float32, "repetition_penalty": np.float32, "stop": object, "seed": np.int64,
}  # fmt: skip

FINITE_LOGITS = "logits: expected finite numbers"
NO_TEXT = (
    f"{FINITE_LOGITS}; received NaN or infinity, as of a model whose training diverged. Look for NaN in its weights, and take an "
    "earlier checkpoint"
)


def strings(value: Any, name: str) -> list[str]:
    values = list(value) if isinstance(value, Sequence) and not isinstance(value, (str, bytes)) else [value]
    for v in values:
        if not isinstance(v, str):
            raise TypeError(f"{name}: expected a string or a list of strings; received {type(v).__name__} {v!r}")
    return values


def row_strings(name: str, value: Any, rows: int) -> list[str]:
    values = strings(value, name)
    if isinstance(value, str):
        return values * rows
    if len(values) != rows:
        raise ValueError(f"{name}: expected a string, or one a prompt ({rows}); received {len(values)}")
    return values


def one_value(name: str, value: Any, allowed: Range) -> Any:
    """A single number within a range, as Python's own int or float.

    Raises:
        ValueError: it is none, or outside.
    """
    return _checked(name, value, ((),), allowed).item()


def positive_integer(name: str, value: Any) -> int:
    return int(one_value(name, value, COUNT))


def row_values(name: str, value: Any, rows: int, allowed: Range) -> np.ndarray:
    """One number for all rows, or one a row, (rows,) in the range's dtype.

    Raises:
        ValueError: they are none, outside the range, or of another number of rows.
    """
    given = _checked(name, value, ((), (1,), (rows,)), allowed, f", one for all rows or one a row ({rows})")
    return np.broadcast_to(given.astype(allowed.dtype), (rows,))


def row_seeds(seed: Any, rows: int) -> np.ndarray:
    """One seed a row, int64: of a single one, s, those from s on, so that rows do not err alike; None draws one.

    After 2⁶³ − 1 comes −2⁶³.

    Raises:
        ValueError: it is none.
    """
    seed = secrets.randbits(62) if seed is None else seed
    given = _checked("seed", seed, ((), (rows,)), SETTINGS["seed"], f", one for all rows or one a row ({rows})")
    given = given.astype(np.int64)
    return given if given.ndim else given[None] + np.arange(rows)


def as_array(value: Any) -> np.ndarray:
    """As NumPy takes it; what has no shape of its own, as lists of unequal lengths, as one object."""
    try:
        return np.asarray(value)
    except (TypeError, ValueError, OverflowError):
        return np.asarray(None)


def same_values(name: str, array: np.ndarray, dtype: Any) -> np.ndarray:
    """Numbers in another type, in which they are the same but for rounding.

    Raises:
        ValueError: an integer would go round, or a number become infinite.
    """
    kind = np.dtype(dtype).kind
    if kind in "iu" and array.size and array.dtype.kind in "iu":
        bounds = np.iinfo(dtype)
        for worst in (int(array.min()), int(array.max())):
            if not bounds.min <= worst <= bounds.max:
                raise ValueError(f"{name}: expected integers of {np.dtype(dtype)}; received {worst}")
    with np.errstate(over="ignore"):
        found = array.astype(dtype, copy=False)
    if kind == "f" and array.dtype.kind == "f" and np.any(np.isinf(found) & np.isfinite(array)):
        worst = array[np.isinf(found) & np.isfinite(array)][0]
        raise ValueError(f"{name}: expected numbers that {np.dtype(dtype)} holds; received {worst:g}, which would become infinite")
    return found


def _checked(name: str, value: Any, shapes: Sequence[tuple[int, ...]], allowed: Range, rows: str = "") -> np.ndarray:
    given = as_array(value)
    kinds = "iu" if np.dtype(allowed.dtype).kind == "i" else "iuf"
    if given.shape not in shapes or given.dtype.kind not in kinds and given.size:
        large = f", at most {allowed.most:,}" if isinstance(value, int) and value > allowed.most else ""
        raise ValueError(f"{name}: expected {allowed.words}{large}{rows}; received {value!r}")
    with np.errstate(over="ignore"):
        # Integers as Python's, for NumPy compares uint64 with int64 as floating-point numbers.
        compared = given.astype(object if kinds == "iu" else allowed.dtype)
    if not np.all(allowed.holds(compared)):
        large = f", at most {allowed.most:,}" if kinds == "iu" and np.any(compared > allowed.most) else ""
        raise ValueError(f"{name}: expected {allowed.words}{large}; received {value!r}")
    return given
