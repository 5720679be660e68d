"""What a forecaster has to beat: the last value, the last season, and linear autoregression in closed form."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from kerasrnn._backend import tf
from kerasrnn._portable.arguments import positive_integer
from kerasrnn.models._series_arrays import series_arrays
from kerasrnn.models.multi_step import MultiStep


@dataclass(frozen=True, eq=False)
class LinearForecast(MultiStep):
    """A forecast that is linear in the window, as all of these baselines are.

        x̂_(t+i) = Σ_j kernel_(j,i) · x_(t−lags+j) + bias_i

    It has the methods of a `Forecaster`: `predict`, `forecast`, `predict_multi_step` and `k_step_predictions`.

    Args:
        kernel: (lags, channels + covariates, horizon, channels).
        bias: (horizon, channels).

    Example:

    >>> import numpy as np
    >>> mean_of_two = LinearForecast(np.full((2, 1, 1, 1), 0.5), np.zeros((1, 1)))
    >>> mean_of_two.predict(np.array([[[1.0], [2.0]]])).tolist()
    [[[1.5]]]
    """

    kernel: np.ndarray
    bias: np.ndarray

    @property
    def lags(self) -> int:  # type: ignore[override]
        return self.kernel.shape[0]

    @property
    def horizon(self) -> int:  # type: ignore[override]
        return self.kernel.shape[2]

    @property
    def channels(self) -> int:  # type: ignore[override]
        return self.kernel.shape[3]

    @property
    def covariates(self) -> int:  # type: ignore[override]
        return self.kernel.shape[1] - self.channels

    def predict(self, inputs: Any) -> np.ndarray:
        """Forecasts from windows, as `keras.Model.predict`.

        Args:
            inputs: (batch, at least lags, channels + covariates), or a `tf.data.Dataset` of `forecast_dataset`.

        Returns:
            (batch, horizon, channels) float32.

        Raises:
            ValueError: windows shorter than the lags, or of other channels.
        """
        if isinstance(inputs, tf.data.Dataset):
            return np.concatenate([self.predict(batch[0] if isinstance(batch, tuple) else batch) for batch in inputs])
        windows = np.asarray(inputs, np.float64)
        features = self.channels + self.covariates
        if windows.ndim != 3 or windows.shape[1] < self.lags or windows.shape[2] != features:
            raise ValueError(
                f"inputs: expected windows of shape (batch, at least {self.lags}, {features}); received {windows.shape}. "
                "Cut longer ones with kerasrnn.data.forecast_dataset."
            )
        outputs = np.tensordot(windows[:, -self.lags :], self.kernel, axes=2) + self.bias
        return outputs.astype(np.float32)

    def predict_on_batch(self, x: Any) -> np.ndarray:
        """As `keras.Model.predict_on_batch`."""
        return self.predict(x)

    def _horizon_ahead(self, windows: np.ndarray) -> np.ndarray:
        return self.predict(windows)


def last_value(horizon: int = 1, channels: int = 1) -> LinearForecast:
    """The last value goes on: the best forecast of a random walk.

    Args:
        horizon: how many steps are forecast.
        channels: how many channels the windows have.

    Returns:
        A `LinearForecast` with one lag.

    Example:

    >>> last_value(horizon=2).forecast([3.0, 5.0], steps=3)[:, 0].tolist()
    [5.0, 5.0, 5.0]
    """
    return seasonal_naive(1, horizon, channels)


def seasonal_naive(period: int, horizon: int = 1, channels: int = 1) -> LinearForecast:
    """The last season goes on: each step repeats the value of whole periods before it.

    Args:
        period: how many steps a season has: 24 for hours that repeat daily. Windows have at least as many.
        horizon: how many steps are forecast.
        channels: how many channels the windows have.

    Returns:
        A `LinearForecast` with `period` lags.

    Raises:
        ValueError: a number below 1.

    Example:

    >>> seasonal_naive(period=3, horizon=4).forecast([1.0, 2.0, 3.0], steps=4)[:, 0].tolist()
    [1.0, 2.0, 3.0, 1.0]
    """
    period, horizon = positive_integer("period", period), positive_integer("horizon", horizon)
    channels, steps = positive_integer("channels", channels), np.arange(horizon)
    kernel = np.zeros((period, channels, horizon, channels))
    for channel in range(channels):
        kernel[steps % period, channel, steps, channel] = 1
    return LinearForecast(kernel, np.zeros((horizon, channels)))


def linear_autoregression(
    series: Any, lags: int, horizon: int = 1, covariates: Any = None, normalization: str | None = None
) -> LinearForecast:  # fmt: skip
    """Linear autoregression by least squares in closed form, with an intercept: what training a linear `Forecaster` nears.

        kernel, bias = argmin Σ_t ‖x_(t+1…t+h) − kernel · x_(t−τ+1…t) − bias‖²

    Args:
        series: (time,) or (time, channels) numbers, the training part; or a list of such, which share the coefficients:
            [x[:, i] for each channel i] makes the model of channel-independent windows.
        lags: τ, how many past values are read.
        horizon: how many steps are forecast, each with coefficients of its own.
        covariates: (time, k) numbers, or a list of such: read beside the values, as in `forecast_dataset`.
        normalization: "last" subtracts each window's last value and adds it to the forecast (Zeng et al., 2023), or None.

    Returns:
        A `LinearForecast`.

    Raises:
        ValueError: a series shorter than lags + horizon, values that are missing, or a number below 1.

    Example:

    >>> model = linear_autoregression([1, 2, 4, 8, 16, 32, 64], lags=2)
    >>> model.forecast([100.0, 200.0], steps=2).round()[:, 0].tolist()
    [400.0, 800.0]

    Reference:
        Zeng, A. et al. (2023). Are transformers effective for time series forecasting? AAAI.
    """
    lags, horizon = positive_integer("lags", lags), positive_integer("horizon", horizon)
    if normalization not in (None, "last"):
        raise ValueError(f"normalization: expected 'last' or None; received {normalization!r}.")
    given = _known("series", series)
    extras = [np.empty((len(one), 0)) for one in given] if covariates is None else _known("covariates", covariates)
    lengths = [len(one) for one in given]
    if [len(one) for one in extras] != lengths or min(lengths, default=0) < lags + horizon:
        raise ValueError(
            f"series: expected at least lags + horizon = {lags + horizon} time steps, and as many of covariates; received "
            f"{lengths} and {[len(one) for one in extras]}. Give longer series, or fewer lags or a shorter horizon."
        )
    channels, covariate_count = given[0].shape[1], extras[0].shape[1]
    x, y = [], []
    for values, extra in zip(given, extras):
        every = np.lib.stride_tricks.sliding_window_view(np.concatenate([values, extra], axis=1), lags + horizon, axis=0)
        x.append(every[:, :, :lags].swapaxes(1, 2))
        y.append(every[:, :channels, lags:].swapaxes(1, 2))
    inputs, targets = np.concatenate(x), np.concatenate(y)
    if normalization == "last":
        last = inputs[:, -1:, :channels].copy()
        inputs[:, :, :channels] -= last
        targets = targets - last
    rows = len(inputs)
    inputs, targets = inputs.reshape(rows, -1), targets.reshape(rows, -1)
    # Centred, so that the intercept costs no column, and values far from zero no digits.
    center, level = inputs.mean(axis=0), targets.mean(axis=0)
    kernel = np.linalg.lstsq(inputs - center, targets - level, rcond=None)[0]
    bias = (level - center @ kernel).reshape(horizon, channels)
    kernel = kernel.reshape(lags, channels + covariate_count, horizon, channels)
    if normalization == "last":
        # x_t + K (x − x_t) = K x + (1 − Σ K) x_t: still one linear map of the window.
        kernel[-1, :channels] += np.eye(channels)[:, None] - kernel[:, :channels].sum(axis=0)
    return LinearForecast(kernel, bias)


def _known(name: str, values: Any) -> list[np.ndarray]:
    arrays = series_arrays(name, values)
    for array in arrays:
        if not np.isfinite(array).all():
            row, column = np.argwhere(~np.isfinite(array))[0]
            raise ValueError(
                f"{name}: expected finite numbers; received {array[row, column]} at row {row}, column {column}. "
                "Fill what is missing, or leave it out."
            )
    return arrays


def forecast_errors(models: Mapping[str, Any], dataset: Any) -> dict[str, dict[str, float]]:
    """The errors of several forecasts on the same windows: baselines and trained models in one table.

    Args:
        models: forecasters, baselines and any Keras models by name. Of quantile and Gaussian outputs the median or mean is
            compared.
        dataset: a `tf.data.Dataset` of `forecast_dataset`.

    Returns:
        For each name {"mse": mean squared error, "rmse": its root, "mae": mean absolute error} over all windows, horizon
        and channels, in the series' unit (squared for mse).

    Raises:
        ValueError: forecasts of another shape than the targets', or no windows.

    Example:

    >>> import kerasrnn
    >>> dataset = kerasrnn.data.forecast_dataset([0.0, 1.0, 0.0, 1.0, 0.0, 1.0], lags=2)
    >>> forecast_errors({"last value": last_value(), "seasonal naive": seasonal_naive(2)}, dataset)
    {'last value': {'mse': 1.0, 'rmse': 1.0, 'mae': 1.0}, 'seasonal naive': {'mse': 0.0, 'rmse': 0.0, 'mae': 0.0}}
    """
    squared, absolute, count = dict.fromkeys(models, 0.0), dict.fromkeys(models, 0.0), 0
    for inputs, targets in dataset:
        targets = np.asarray(targets, np.float64)
        count += targets.size
        for name, model in models.items():
            outputs = np.asarray(model.predict_on_batch(inputs), np.float64)
            points = model.point_forecast(outputs) if hasattr(model, "point_forecast") else outputs
            if points.ndim == targets.ndim + 1:  # forecasts at every step, of which the dataset has the last one's target
                points = points[:, -1]
            if points.shape != targets.shape:
                raise ValueError(
                    f"models[{name!r}]: expected forecasts of the targets' shape, {targets.shape}; received {points.shape}. "
                    "Give the model, or the dataset, the other's horizon and channels."
                )
            squared[name] += float(np.square(points - targets).sum())
            absolute[name] += float(np.abs(points - targets).sum())
    if not count:
        raise ValueError("dataset: expected at least one window; received none. Give a longer series or span.")
    return {
        name: {"mse": squared[name] / count, "rmse": (squared[name] / count) ** 0.5, "mae": absolute[name] / count}
        for name in models
    }
