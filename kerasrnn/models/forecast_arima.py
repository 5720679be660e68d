"""ARIMA by statsmodels, where that is installed, as one more forecast in the table."""

from typing import Any

import numpy as np

from kerasrnn._backend import tf
from kerasrnn._portable.arguments import positive_integer
from kerasrnn.models._series_arrays import series_arrays
from kerasrnn.models.multi_step import MultiStep


class ArimaForecast(MultiStep):
    """What `arima` returns: a fitted model of statsmodels that forecasts from windows, with a `Forecaster`'s methods."""

    channels, covariates, lags = 1, 0, None

    def __init__(self, results: Any, horizon: int) -> None:
        self.results, self.horizon = results, horizon

    def predict(self, inputs: Any) -> np.ndarray:
        """(batch, horizon, 1) float32 from windows (batch, time, 1) of any length, or a dataset of `forecast_dataset`."""
        if isinstance(inputs, tf.data.Dataset):
            return np.concatenate([self.predict(batch[0]) for batch in inputs])
        rows = [self.results.apply(window[:, 0]).forecast(self.horizon) for window in np.asarray(inputs, np.float64)]
        return np.asarray(rows, np.float32).reshape(-1, self.horizon, 1)

    predict_on_batch = _horizon_ahead = predict


def arima(series: Any, order: tuple[int, int, int] = (2, 0, 1), horizon: int = 1) -> ArimaForecast:
    """ARIMA, fitted by statsmodels on a training part; its coefficients then forecast from any window.

        φ(B) (1 − B)^d x_t = c + θ(B) ε_t                (p, d, q) = order; p = degree of φ, q = degree of θ

    Args:
        series: (time,) or (time, 1) numbers, the training part; NaN counts as missing.
        order: p, d and q.
        horizon: how many steps are forecast.

    Returns:
        An object with `predict` and a `Forecaster`'s multi-step methods. It filters every window anew: some ms each.

    Raises:
        ImportError: statsmodels is not installed.
        ValueError: the series has several channels, or horizon is below 1.

    Reference:
        Box, G. and Jenkins, G. (1970). Time series analysis: forecasting and control. Holden-Day.
    """
    try:
        from statsmodels.tsa.arima.model import ARIMA
    except ImportError as error:
        raise ImportError(
            "arima: expected the package statsmodels; it is not installed. Install it (pip install statsmodels), or take "
            "linear_autoregression, which needs none."
        ) from error
    horizon = positive_integer("horizon", horizon)
    (values,) = series_arrays("series", series, 1)
    return ArimaForecast(ARIMA(values[:, 0], order=order).fit(), horizon)
