"""Windows of time series, with what follows each as its target."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from kerasrnn._backend import tf
from kerasrnn.data._missing import POLICIES, without_missing
from kerasrnn.data._series import Series, gaps, read_series, span_of
from kerasrnn.data.passes import integer
from kerasrnn.data.prefetched import prefetched


def forecast_dataset(
    series: Any,
    lags: int,
    horizon: int = 1,
    stride: int = 1,
    covariates: Any = None,
    batch_size: int = 32,
    shuffle: bool = False,
    seed: int | None = None,
    span: tuple[float, float] | None = None,
    times: Any = None,
    missing: str = "error",
    channel_independent: bool = False,
    return_sequences: bool = False,
) -> tf.data.Dataset:
    """Cuts time series into windows of past values, with the values that follow as targets.

        inputs_t = (x_(t−lags+1), …, x_t)        targets_t = (x_(t+1), …, x_(t+horizon))

    A split is a span of time: the targets of its windows lie inside it, and no window reads a value at or after its
    end. Inputs may reach back before it begins, to values that are the past by then. So neither training nor the choice of
    a model sees the future; give each split the whole series and its own `span`, as of `temporal_split`.

    Args:
        series: (time,) or (time, channels) numbers, or a list of such arrays: several series, of any lengths, whose windows
            come one series after the other. (A list of numbers is one series.)
        lags: τ, how many past values a window has.
        horizon: How many steps after the window are its target.
        stride: How many steps lie between the beginnings of two windows.
        covariates: (time, k) numbers, or a list of such, one a series: further input channels that are no targets. Row t is
            read with x_t; what is known in advance (a calendar) may be shifted to describe t + 1.
        batch_size: Windows in a batch; the last may have fewer.
        shuffle: Whether each pass draws a new order of the windows.
        seed: From 0 on; makes the orders repeatable.
        span: (begin, end) in which all targets lie: two integers are row numbers, two floats are shares of each series'
            length. The whole series by default.
        times: (time,) time stamps in ascending order, numbers or dates, or a list of such, one a series: only checked for
            order, duplicates and even spacing. Give months as datetime64[M], as their days are not even.
        missing: What becomes of NaN and infinite values: "error"; "drop" leaves out windows that hold any, or that reach
            over a gap in `times`; "previous" repeats the last value; "interpolate" draws a line from the last to the
            next one, and so looks ahead inside such a hole (though never beyond the span's end).
        channel_independent: Whether each channel is a series of its own: windows of (lags, 1 + k).
        return_sequences: Whether each step of a window has its target, for models with `return_sequences`.

    Returns:
        A `tf.data.Dataset` of pairs (inputs, targets), float32: (batch, lags, channels + k) and (batch, horizon, channels);
        with `return_sequences` the targets are (batch, lags, horizon, channels).

    Raises:
        ValueError: If a number is outside its range, a series is too short for a window in the span, values are missing or
            times uneven against the policy, times are not in order, or lengths and channels do not fit together.
        TypeError: If a series holds no numbers.

    Example:

    >>> for inputs, targets in forecast_dataset([0, 1, 2, 3, 4, 5, 6], lags=3, horizon=2, stride=2):
    ...     print(inputs.numpy()[..., 0].tolist(), targets.numpy()[..., 0].tolist())
    [[0.0, 1.0, 2.0], [2.0, 3.0, 4.0]] [[3.0, 4.0], [5.0, 6.0]]
    >>> train, validation, test = temporal_split(1000)
    >>> forecast_dataset(range(1000), lags=4, span=test, batch_size=200).element_spec[0].shape
    TensorShape([None, 4, 1])
    """
    lags, horizon, stride = integer("lags", lags, 1), integer("horizon", horizon, 1), integer("stride", stride, 1)
    batch_size = integer("batch_size", batch_size, 1)
    seed = None if seed is None else integer("seed", seed, 0)
    if missing not in POLICIES:
        raise ValueError(f"missing: expected one of {POLICIES}; received {missing!r}.")
    read = read_series(series, covariates, times, channel_independent)
    first_target = 1 if return_sequences else lags
    parts, starts, row = [], [], 0
    for one in read:
        values, begins = _windows(one, lags, horizon, stride, first_target, span, missing)
        parts.append(values)
        starts.append(begins + row)
        row += len(values)
    # tf.data keeps a tensor by reference, where it would copy a NumPy array into the graph.
    values, begins = tf.constant(np.concatenate(parts)), np.concatenate(starts)
    if not len(begins):
        raise ValueError(
            "missing='drop': expected a window without missing values; received none. Give fewer lags, or another policy."
        )
    channels = read[0].channels

    def gather(begin: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        windows = tf.gather(values, begin[:, tf.newaxis] + tf.range(lags + horizon, dtype=tf.int64))
        windows = tf.ensure_shape(windows, (None, lags + horizon, values.shape[1]))
        if not return_sequences:
            return windows[:, :lags], windows[:, lags:, :channels]
        steps = [windows[:, 1 + k : 1 + k + lags, :channels] for k in range(horizon)]
        return windows[:, :lags], tf.stack(steps, axis=2)

    dataset = tf.data.Dataset.from_tensor_slices(begins.astype(np.int64))
    if shuffle:
        dataset = dataset.shuffle(len(begins), seed=seed)
    return prefetched(dataset.batch(batch_size).map(gather, num_parallel_calls=tf.data.AUTOTUNE))


def _windows(
    one: Series, lags: int, horizon: int, stride: int, first_target: int, span: Any, missing: str
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """A series up to the span's end, without missing values, and the rows where its windows begin."""
    begin, end = span_of(span, len(one), one.name)
    first = max(0, begin - first_target)
    begins = np.arange(first, end - lags - horizon + 1, stride)
    if not len(begins):
        raise ValueError(
            f"{one.name}: expected at least lags + horizon = {lags + horizon} time steps in reach of the span, for a "
            f"window; received {end - first}. Give a longer series or span, or fewer lags or a shorter horizon."
        )
    # Cut first, so that no filled value comes from beyond the span's end.
    reach = Series(one.name, one.values[:end], one.channels, None if one.times is None else one.times[:end])
    breaks = np.empty(0, np.int64) if reach.times is None else gaps(reach.times[first:]) + first
    if len(breaks) and missing != "drop":
        i = int(breaks[0])
        raise ValueError(
            f"times: expected even spacing; received a gap in {one.name} from {reach.times[i]} at row {i} to "
            f"{reach.times[i + 1]}. Fill in the missing rows (NaN and a policy for missing do), cut the series there, or "
            "give missing='drop' to leave out windows that reach over it."
        )
    values = without_missing(reach, first, missing)
    if missing == "drop":
        holes = ~np.isfinite(values)
        # A covariate of the target's time is read by no window.
        inputs, targets = _count(holes.any(axis=1)), _count(holes[:, : one.channels].any(axis=1))
        bad = inputs[begins + lags] - inputs[begins] + targets[begins + lags + horizon] - targets[begins + lags]
        jumps = np.zeros(end, bool)
        jumps[breaks] = True
        jumped = _count(jumps)
        bad = bad + jumped[begins + lags + horizon - 1] - jumped[begins]
        begins = begins[bad == 0]
    return values, begins


def _count(marks: np.ndarray) -> np.ndarray:
    """How many marks lie before each row."""
    return np.concatenate([[0], np.cumsum(marks)])


def temporal_split(
    num_steps: int, splits: Sequence[float] = (0.7, 0.1, 0.2)
) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:  # fmt: skip
    """Cuts time into three spans, one after the other: train, validation and test.

    Args:
        num_steps: The length of the series.
        splits: The shares of train, validation and test; together 1. Validation may be 0.

    Returns:
        Three (begin, end), in order of time, which do not overlap: for `forecast_dataset`'s span.

    Raises:
        ValueError: If the shares do not sum up to 1, or a span holds no step.

    Example:

    >>> temporal_split(1000)
    ((0, 700), (700, 800), (800, 1000))
    """
    num_steps = integer("num_steps", num_steps, 1)
    shares = np.asarray(splits, dtype=np.float64)
    if shares.shape != (3,) or not np.all(shares >= 0) or abs(shares.sum() - 1) > 1e-6:
        raise ValueError(f"splits: expected three shares from 0 on that sum up to 1; received {splits!r}.")
    first, second = (round(float(edge)) for edge in np.cumsum(shares)[:2] * num_steps)
    spans = ((0, first), (first, second), (second, num_steps))
    for share, (begin, end) in zip(shares, spans):
        if share and begin >= end:
            raise ValueError(
                f"num_steps: expected enough for each of the shares {splits!r}; received {num_steps}, which leaves one "
                "empty. Give a longer series, or other shares."
            )
    return spans
