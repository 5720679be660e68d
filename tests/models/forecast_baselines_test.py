import os
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from kerasrnn.data import forecast_dataset, temporal_split
from kerasrnn.models import Forecaster, arima, forecast_errors, last_value, linear_autoregression, seasonal_naive

rng = np.random.default_rng(5)


def autoregressive(coefficients, length=400, noise=1.0, constant=0.0):
    x = list(rng.normal(size=len(coefficients)))
    while len(x) < length:
        x.append(constant + sum(c * x[-1 - i] for i, c in enumerate(coefficients)) + noise * rng.normal())
    return np.array(x)


def test_last_value_and_season_repeat():
    windows = rng.normal(size=(3, 6, 2))
    assert np.all(last_value(4, channels=2).predict(windows) == windows[:, -1:].astype(np.float32))
    predicted = seasonal_naive(3, horizon=5, channels=2).predict(windows)
    np.testing.assert_array_equal(predicted, windows[:, [3, 4, 5, 3, 4]].astype(np.float32))


def test_a_season_goes_on_beyond_the_horizon():
    series = np.tile([1.0, 2.0, 5.0], 4)
    assert seasonal_naive(3, horizon=2).forecast(series, 7)[:, 0].tolist() == [1, 2, 5, 1, 2, 5, 1]


def test_least_squares_finds_the_coefficients_of_a_series_without_noise():
    series = autoregressive([1.5, -0.9], noise=0.0, constant=10.0, length=60)
    model = linear_autoregression(series, lags=2)
    np.testing.assert_allclose(model.kernel[:, 0, 0, 0], [-0.9, 1.5], atol=1e-8)
    np.testing.assert_allclose(model.bias, 10.0, atol=1e-6)


def test_least_squares_is_the_solution_of_the_normal_equations():
    series, covariates = rng.normal(size=(80, 2)), rng.normal(size=(80, 1))
    model = linear_autoregression(series, lags=3, horizon=2, covariates=covariates)
    both = np.concatenate([series, covariates], axis=1)
    x = np.stack([np.append(both[t : t + 3], 1.0) for t in range(76)])
    y = np.stack([series[t + 3 : t + 5].ravel() for t in range(76)])
    solution = np.linalg.solve(x.T @ x, x.T @ y)
    np.testing.assert_allclose(model.kernel, solution[:-1].reshape(3, 3, 2, 2), atol=1e-9)
    np.testing.assert_allclose(model.bias, solution[-1].reshape(2, 2), atol=1e-9)
    assert (model.lags, model.horizon, model.channels, model.covariates) == (3, 2, 2, 1)


def test_last_value_normalised_least_squares_does_not_mind_a_shift():
    series = np.cumsum(rng.normal(size=200))
    model = linear_autoregression(series, lags=5, horizon=3, normalization="last")
    window = series[None, 50:55, None]
    np.testing.assert_allclose(model.predict(window + 1000), model.predict(window) + 1000, atol=1e-3)
    centred = series - 0.0
    x = np.stack([np.append(centred[t : t + 5] - centred[t + 4], 1.0) for t in range(193)])
    y = np.stack([centred[t + 5 : t + 8] - centred[t + 4] for t in range(193)])
    solution = np.linalg.lstsq(x, y, rcond=None)[0]
    expected = series[54] + np.append(series[50:55] - series[54], 1.0) @ solution
    np.testing.assert_allclose(model.predict(window)[0, :, 0], expected, rtol=1e-5)


def test_channels_as_a_list_share_the_coefficients():
    series = np.stack([autoregressive([0.8]), autoregressive([0.8]) + 3], axis=1)
    shared = linear_autoregression([series[:, 0], series[:, 1]], lags=1)
    assert shared.channels == 1
    dataset = forecast_dataset(series, lags=1, channel_independent=True)
    x, y = (np.concatenate([np.asarray(part).ravel() for part in parts]) for parts in zip(*dataset))
    slope, intercept = np.polyfit(x, y, 1)
    np.testing.assert_allclose([shared.kernel.item(), shared.bias.item()], [slope, intercept], rtol=1e-4)


def test_one_table_for_baselines_forecasters_and_any_keras_model():
    series = autoregressive([0.9])
    dataset = forecast_dataset(series, lags=4, horizon=2, batch_size=64)
    layers = [keras.Input((4, 1)), keras.layers.Flatten(), keras.layers.Dense(2), keras.layers.Reshape((2, 1))]
    plain = keras.Sequential(layers)
    quantiles = Forecaster(lags=4, horizon=2, output="quantile")
    models = {"last": last_value(2), "linear": linear_autoregression(series, 4, 2), "keras": plain, "quantile": quantiles}
    table = forecast_errors(models, dataset)
    targets = np.concatenate([targets for _, targets in dataset])
    for name, model in models.items():
        outputs = model.predict(dataset, verbose=0) if isinstance(model, keras.Model) else model.predict(dataset)
        errors = (outputs[..., 1] if name == "quantile" else outputs) - targets
        assert table[name] == pytest.approx(
            {"mse": np.mean(errors**2), "rmse": np.sqrt(np.mean(errors**2)), "mae": np.mean(np.abs(errors))}, rel=1e-4
        )
    assert table["linear"]["mse"] < table["last"]["mse"]


def test_sunspots_are_forecast_best_by_autoregression():
    path = Path(os.environ.get("KERASRNN_DATA", ""), "sunspots/sunspots.csv")
    if not path.exists():
        pytest.skip("needs sunspots.csv as sunspots/sunspots.csv in the folder that KERASRNN_DATA names")
    years, counts = np.genfromtxt(path, delimiter=",", skip_header=1).T
    _, _, test = temporal_split(len(counts))
    dataset = forecast_dataset(counts, lags=11, span=test, times=years)
    models = {"linear": linear_autoregression(counts[: test[0]], 9), "last": last_value(), "season": seasonal_naive(11)}
    table = forecast_errors(models, dataset)
    assert table["linear"]["rmse"] < 0.8 * min(table["last"]["rmse"], table["season"]["rmse"])


def test_a_model_of_another_horizon_is_not_compared():
    with pytest.raises(ValueError, match=r"models\['naive'\]: expected.* targets' shape, \(6, 1, 1\); received \(6, 2, 1\)"):
        forecast_errors({"naive": last_value(2)}, forecast_dataset(range(10), lags=4))


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: last_value(0), "horizon: expected an integer of at least 1; received 0"),
        (lambda: seasonal_naive(0), "period: expected an integer of at least 1; received 0"),
        (lambda: linear_autoregression(range(9), 0), "lags: expected an integer"),
        (lambda: linear_autoregression(range(5), 4, 2), r"series: expected at least lags \+ horizon = 6"),
        (
            lambda: linear_autoregression([0.0, np.nan, 1.0, 2.0], 1),
            "series: expected finite.*nan at row 1, column 0",
        ),
        (lambda: linear_autoregression(range(9), 2, covariates=range(8)), "as many of covariates"),
        (lambda: linear_autoregression([np.zeros((9, 2)), np.zeros(9)], 2), r"series: expected shape \(time, 2\)"),
        (lambda: linear_autoregression(range(9), 2, normalization="window"), "normalization: expected 'last' or None"),
        (lambda: seasonal_naive(4).predict(np.zeros((2, 3, 1))), r"\(batch, at least 4, 1\); received \(2, 3, 1\)"),
    ],
    ids=["last", "season", "lags", "short", "nan", "covariates", "channels", "normalization", "window"],
)
def test_bad_input(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_arima_agrees_with_least_squares_on_what_is_autoregressive():
    pytest.importorskip("statsmodels", reason="the baseline of statsmodels needs that package")
    series = autoregressive([1.2, -0.5], length=300)
    model, linear = arima(series, order=(2, 0, 0)), linear_autoregression(series, lags=2)
    windows = series[:40, None][np.arange(5)[:, None] + np.arange(30)]
    np.testing.assert_allclose(model.predict(windows), linear.predict(windows), atol=0.1)
    assert model.forecast(series[-30:], 3).shape == (3, 1)


def test_arima_names_the_package_that_is_not_there(monkeypatch):
    monkeypatch.setitem(sys.modules, "statsmodels.tsa.arima.model", None)
    with pytest.raises(ImportError, match="arima: expected the package statsmodels; it is not installed. Install it"):
        arima(range(20))
