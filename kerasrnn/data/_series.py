"""Series as the caller gives them: checked, and laid out one below the other."""

import numbers
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Series:
    """One series: its values, (time, channels + covariates) float32, and how many of the columns are its own."""

    name: str  # in errors: "series", or "series[2]"
    values: np.ndarray
    channels: int
    times: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.values)

    def column(self, index: int) -> str:
        return f"channel {index}" if index < self.channels else f"covariate {index - self.channels}"


def read_series(series: Any, covariates: Any, times: Any, channel_independent: bool) -> list[Series]:
    """The series as a list, with their covariates as further columns; with `channel_independent` one series a channel."""
    several = is_several(series)
    given = list(series) if several else [series]
    if not given:
        raise ValueError("series: expected at least one series; received an empty list. Give an array or a list of arrays.")
    names = [f"[{i}]" if several else "" for i in range(len(given))]
    arrays = [_array(f"series{name}", values) for name, values in zip(names, given)]
    extras = _one_a_series("covariates", covariates, several, len(given))
    stamps = _one_a_series("times", times, several and is_several(times), len(given), shared=True)
    found: list[Series] = []
    for name, values, extra, time in zip(names, arrays, extras, stamps):
        if values.shape[1] != arrays[0].shape[1]:
            raise ValueError(
                f"series: expected all series to have the {arrays[0].shape[1]} channels of the first; received "
                f"{values.shape[1]} in series{name}. Give series of one kind, or channel_independent=True datasets of each."
            )
        extra = np.empty((len(values), 0), np.float32) if extra is None else _array(f"covariates{name}", extra)
        if len(extra) != len(values):
            raise ValueError(
                f"covariates{name}: expected one row for each of the {len(values)} time steps of series{name}; received "
                f"{len(extra)}. Give covariates of the same times as the series."
            )
        if found and extra.shape[1] != found[0].values.shape[1] - found[0].channels:
            raise ValueError(
                f"covariates{name}: expected as many columns as the first series' covariates, "
                f"{found[0].values.shape[1] - found[0].channels}; received {extra.shape[1]}. Give all the same covariates."
            )
        time = None if time is None else read_times(f"times{name}", time, len(values))
        parts = np.split(values, values.shape[1], axis=1) if channel_independent else [values]
        for i, part in enumerate(parts):
            label = f"series{name} (channel {i})" if len(parts) > 1 else f"series{name}"
            found.append(Series(label, np.concatenate([part, extra], axis=1), part.shape[1], time))
    return found


def is_several(series: Any) -> bool:
    """A list of arrays (or of lists) is several series; a list of numbers is one, as an array is."""
    return isinstance(series, (list, tuple)) and any(np.ndim(one) > 0 for one in series)


def _one_a_series(name: str, value: Any, several: bool, count: int, shared: bool = False) -> list[Any]:
    if value is None or (shared and not several):
        return [value] * count
    values: Sequence[Any] = list(value) if several and isinstance(value, (list, tuple)) else [value]
    if len(values) != count:
        raise ValueError(
            f"{name}: expected one for each of the {count} series, in a list; received {len(values)}. "
            "Give a list as long as that of the series."
        )
    return list(values)


def _array(name: str, values: Any) -> np.ndarray:
    array = np.asarray(values)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name}: expected numbers; received values of dtype {array.dtype}. Convert them to floats.")
    if array.ndim not in (1, 2) or 0 in array.shape[1:]:
        raise ValueError(
            f"{name}: expected shape (time,) or (time, channels); received {array.shape}. Give several series as a list."
        )
    # A value beyond float32 becomes an infinity, which the policy for missing values then meets.
    with np.errstate(over="ignore"):
        return array.astype(np.float32).reshape(len(array), -1) if array.size else np.empty((0, 1), np.float32)


def read_times(name: str, times: Any, length: int) -> np.ndarray:
    """Time stamps in order, without duplicates; gaps are for `gaps` to find."""
    stamps = np.asarray(times)
    if stamps.dtype.kind in "OSU":
        try:
            stamps = stamps.astype("datetime64")
        except ValueError as error:
            raise ValueError(
                f"{name}: expected numbers or dates; received {stamps.flat[0]!r} first. Give dates as datetime64, or as "
                "2026-01-31T12:00."
            ) from error
    if stamps.shape != (length,):
        raise ValueError(
            f"{name}: expected one for each of the {length} time steps, shape ({length},); received {stamps.shape}. "
            "Give the times of the series' own rows."
        )
    for wrong, what, remedy in (
        (stamps[1:] == stamps[:-1], "no duplicates", "Keep one row a time."),
        (~(stamps[1:] > stamps[:-1]), "ascending order", "Sort series, covariates and times by time."),
    ):
        if wrong.any():
            i = int(np.argmax(wrong))
            raise ValueError(
                f"{name}: expected {what}; received {stamps[i]} at row {i} and {stamps[i + 1]} after it. {remedy}"
            )
    return stamps


def gaps(times: np.ndarray) -> np.ndarray:
    """The rows after which a step of another length than the usual one (the median) follows."""
    steps = np.diff(times)
    if not len(steps):
        return np.empty(0, np.int64)
    usual = np.sort(steps)[len(steps) // 2]
    irregular = np.abs(steps - usual) > 1e-3 * usual if steps.dtype.kind == "f" else steps != usual
    return np.flatnonzero(irregular)


def span_of(span: Any, length: int, name: str) -> tuple[int, int]:
    """A span as row numbers: two integers are row numbers already, otherwise both are shares of the length."""
    if span is None:
        return 0, length
    try:
        begin, end = span
        if not all(isinstance(edge, numbers.Real) and not isinstance(edge, bool) for edge in (begin, end)):
            raise TypeError("not a number")
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"span: expected (begin, end), two integers or two shares of time; received {span!r}. "
            "Leave it out for the whole series, or take one of temporal_split's."
        ) from error
    rows = all(isinstance(edge, numbers.Integral) for edge in (begin, end))
    limit = length if rows else 1
    if not 0 <= begin < end <= limit:
        raise ValueError(
            f"span: expected 0 ≤ begin < end ≤ {limit}{f', the length of {name}' if rows else ', shares of time'}; "
            f"received {span!r}. (Two integers are row numbers; give (0.0, 1.0) for shares.)"
        )
    return (int(begin), int(end)) if rows else (round(begin * length), round(end * length))
