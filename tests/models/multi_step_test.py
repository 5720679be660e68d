import numpy as np
import pytest

from kerasrnn.cells import GRUCell
from kerasrnn.models import Forecaster, LinearForecast, linear_autoregression

rng = np.random.default_rng(2)
SERIES = rng.normal(size=40).cumsum()


def one_step(model, window):
    return model.predict(np.asarray(window, np.float32)[None, :, None], verbose=0)[0, 0]


@pytest.mark.parametrize(
    "options", [{"lags": 5}, {"lags": 5, "hidden": [4]}, {"cells": [GRUCell(4)]}], ids=["linear", "mlp", "recurrent"]
)
def test_forecasts_are_fed_back_one_after_the_other(options):
    model = Forecaster(**options)
    past = list(SERIES[:5])
    for _ in range(6):
        past.append(one_step(model, past[-5:])[0])
    np.testing.assert_allclose(model.forecast(SERIES[:5], steps=6)[:, 0], past[5:], rtol=1e-4, atol=1e-5)


def test_of_one_quantile_the_points_are_fed_back():
    model = Forecaster([GRUCell(4)], output="quantile", quantiles=(0.5,))
    first = one_step(model, SERIES[:5])
    second = one_step(model, [*SERIES[1:5], first[0, 0]])
    np.testing.assert_allclose(model.forecast(SERIES[:5], steps=2), [first, second], rtol=1e-4, atol=1e-5)


def test_a_longer_horizon_is_fed_back_as_a_whole():
    model = Forecaster(lags=4, horizon=3)
    windows = rng.normal(size=(2, 4, 1)).astype(np.float32)
    first = model.predict(windows, verbose=0)
    second = model.predict(np.concatenate([windows, first], axis=1)[:, -4:], verbose=0)
    expected = np.concatenate([first, second], axis=1)[:, :5]
    np.testing.assert_allclose(model.predict_multi_step(windows, 5), expected, rtol=1e-5)
    np.testing.assert_allclose(model.predict_multi_step(windows, 2, feedback=False), first[:, :2], rtol=1e-5)
    np.testing.assert_allclose(model.predict_multi_step(windows, 5, batch_size=1), expected, rtol=1e-5)


def test_covariates_go_on_beside_what_is_fed_back():
    # x_(t+1) = x_t + z_t, whose z are given.
    model = LinearForecast(np.array([[[[1.0]], [[1.0]]]]), np.zeros((1, 1)))
    past = np.array([[0.0, 0.0], [10.0, 1.0]])
    assert model.forecast(past, 4, covariates=[[2.0], [3.0], [4.0]])[:, 0].tolist() == [11, 13, 16, 20]


@pytest.mark.parametrize("output", ["mean", "gaussian"])
def test_covariates_of_a_longer_horizon_are_needed_in_whole_horizons(output):
    model = Forecaster(lags=4, horizon=3, covariates=1, output=output)
    past, known = rng.normal(size=(4, 2)), rng.normal(size=(7, 1))
    forecasts = model.forecast(past, 5, covariates=known[:3])
    np.testing.assert_allclose(forecasts, model.forecast(past, 5, covariates=known), rtol=1e-5)
    with pytest.raises(ValueError, match=r"covariates: expected those of the steps forecast, \(1, at least 3, 1\)"):
        model.forecast(past, 5, covariates=known[:2])


def test_a_model_of_every_step_forecasts_from_the_last():
    model = Forecaster([GRUCell(4)], normalization=None, return_sequences=True)
    whole = model.predict(SERIES[None, :9, None], verbose=0)
    np.testing.assert_allclose(model.forecast(SERIES[:9], 1), whole[0, -1], rtol=1e-5)


def test_k_step_predictions_are_aligned_with_the_series():
    # Of a line this model forecasts every step right.
    line = np.arange(30.0)
    model = linear_autoregression(line, lags=2)
    for k, predicted in zip((1, 4, 16), model.k_step_predictions(line, (1, 4, 16), batch_size=7)):
        np.testing.assert_allclose(predicted[:, 0], line[2 + k - 1 :], atol=1e-3)
        np.testing.assert_allclose(predicted, model.k_step_predictions(line, k), atol=1e-4)


def test_k_step_predictions_are_the_books():
    model = Forecaster(lags=4, hidden=[3])
    predicted = model.k_step_predictions(SERIES, 3)
    assert predicted.shape == (40 - 4 - 3 + 1, 1)
    for i in (0, 17, len(predicted) - 1):
        np.testing.assert_allclose(predicted[i], model.forecast(SERIES[i : i + 4], 3)[-1], rtol=1e-4, atol=1e-5)


def test_k_step_predictions_see_nothing_later():
    model = Forecaster([GRUCell(4)], output="quantile")
    changed = SERIES.copy()
    changed[20:] += 5
    before, after = (model.k_step_predictions(one, 3, lags=6) for one in (SERIES, changed))
    # Row i reads up to series[i + 5].
    np.testing.assert_array_equal(before[:15], after[:15])
    assert np.all(np.abs(before[15:] - after[15:]).max(axis=(1, 2)) > 0)


def test_k_step_predictions_with_covariates_known_in_advance():
    model = LinearForecast(np.array([[[[1.0]], [[1.0]]]]), np.zeros((1, 1)))
    both = np.stack([np.cumsum(np.arange(10.0)), np.arange(1.0, 11)], axis=1)  # x_(t+1) = x_t + z_t
    np.testing.assert_allclose(model.k_step_predictions(both, 4)[:, 0], both[4:, 0])


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda m: m.predict_multi_step(np.zeros((2, 4, 2)), 0), "steps: expected an integer of at least 1; received 0"),
        (lambda m: m.predict_multi_step(np.zeros((2, 4, 1)), 1), r"windows: expected shape \(batch, time, 2\)"),
        (lambda m: m.predict_multi_step(np.zeros((2, 4, 2)), 3), r"covariates: expected.*\(2, at least 2, 1\).*none"),
        (lambda m: m.predict_multi_step(np.zeros((2, 4, 2)), 3, np.zeros((2, 1, 1))), r"received the shape \(2, 1, 1\)"),
        (lambda m: m.predict_multi_step(np.zeros((2, 4, 2)), 3, feedback=False), "steps: expected at most the horizon, 1"),
        (lambda m: m.forecast(np.zeros((3, 2)), 1), "series: expected at least lags = 4 time steps; received 3"),
        (lambda m: m.forecast(np.zeros(9), 1), r"series: expected shape \(time, 2\), .*received \(9,\)"),
        (lambda m: m.k_step_predictions(np.zeros((8, 2)), 5), r"series: expected at least lags \+ k = 9 .*received 8"),
        (lambda m: m.k_step_predictions(np.zeros((8, 2)), [1, 0]), "k: expected an integer of at least 1; received 0"),
        (lambda m: Forecaster(GRUCell(2)).k_step_predictions(SERIES, 1), "lags: expected how many values"),
    ],
    ids=["steps", "channels", "covariates", "few", "feedback", "short", "rank", "too_far", "k", "lags"],
)
def test_bad_input(call, words):
    with pytest.raises(ValueError, match=words):
        call(Forecaster(lags=4, covariates=1))
