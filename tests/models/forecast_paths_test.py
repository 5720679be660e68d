"""Paths: drawn as the equations say, calibrated where the one-step model is right, the same however they are computed."""

from statistics import NormalDist

import keras
import numpy as np
import pytest
from forecasters import forecaster, future_of, reference_paths, windows_of

from kerasrnn.models import Forecaster, coverage, last_value

Z = NormalDist().inv_cdf(0.9)
STEPS = 30
WALKS = np.random.default_rng(5).normal(size=(2000, STEPS + 1, 1)).cumsum(axis=1).astype(np.float32)


def random_walk_model(output, horizon, quantiles=(0.1, 0.5, 0.9), deviation=1.0):
    """The last value goes on, and step i errs by √i: right, for a walk of normal steps."""
    model = Forecaster(lags=1, output=output, horizon=horizon, quantiles=quantiles)
    spread = deviation * np.sqrt(np.arange(1, horizon + 1))[:, None]
    if output == "quantile":
        bias = spread * [NormalDist().inv_cdf(level) for level in quantiles]
    else:
        bias = np.concatenate([0 * spread, np.log(np.expm1(spread - 1e-4))], axis=1)  # through softplus
    model.output_layer.set_weights([np.zeros(model.output_layer.kernel.shape), bias.ravel()])
    return model


def interval(output, forecasts):
    if output == "quantile":
        return forecasts[..., 0], forecasts[..., -1]
    return forecasts[..., 0] - Z * forecasts[..., 1], forecasts[..., 0] + Z * forecasts[..., 1]


@pytest.mark.parametrize(
    "output, options",
    [
        ("quantile", {}), ("gaussian", {}), ("quantile", {"num_paths": 9}), ("quantile", {"quantiles": (0.1, 0.9)}),
        ("quantile", {"horizon": 4}), ("gaussian", {"horizon": 4}), ("quantile", {"horizon": 7, "num_paths": 40}),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(map(str, value.values())) or "default",
)  # fmt: skip
def test_an_interval_of_80_percent_holds_80_percent_of_a_random_walk_at_every_step(output, options):
    options = dict(options)
    num_paths = options.pop("num_paths", 200)
    model = random_walk_model(output, **{"horizon": 1, **options})
    forecasts = model.predict_multi_step(WALKS[:, :1], STEPS, num_paths=num_paths, batch_size=100_000)
    low, high = interval(output, forecasts)
    found = [coverage(WALKS[:, step + 1], low[:, step], high[:, step]) for step in range(STEPS)]
    assert 0.75 < min(found) and max(found) < 0.85, found


@pytest.mark.parametrize("output", ["quantile", "gaussian"])
def test_coverage_sees_a_model_that_is_too_sure(output):
    model = random_walk_model(output, 1, deviation=0.7)
    low, high = interval(output, model.predict_multi_step(WALKS[:, :1], 12, batch_size=100_000))
    assert coverage(WALKS[:, 12], low[:, -1], high[:, -1]) < 0.7


def test_the_spread_grows_as_the_root_of_time():
    for output in ("quantile", "gaussian"):
        paths = random_walk_model(output, 1).forecast_paths([5.0], 16, num_paths=20_000)
        np.testing.assert_allclose(paths.std(axis=0)[:, 0], np.sqrt(np.arange(1, 17)), rtol=0.03)
        np.testing.assert_allclose(paths.mean(axis=0), 5, atol=0.1)


@pytest.mark.parametrize("seed", [*range(3), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(3, 40))])
def test_paths_are_those_of_the_equations(seed):
    model = forecaster(seed)
    steps = 2 * model.horizon + 1
    windows, future = windows_of(model, 2), future_of(model, 2, 2 * model.horizon)
    paths = model.predict_paths(windows, steps, future if model.covariates else None, num_paths=5, seed=[3, -8])
    assert paths.shape == (2, 5, steps, model.channels) and paths.dtype == np.float32
    for row, one in enumerate([3, -8]):
        expected = reference_paths(model, windows[row], future[row], steps, 5, one)
        np.testing.assert_allclose(paths[row], expected, rtol=1e-3, atol=1e-3 * np.ptp(expected))


@pytest.mark.parametrize("seed", [0, 3, 5])
def test_forecasts_are_the_models_own_up_to_the_horizon_and_those_of_the_paths_beyond(seed):
    model = forecaster(seed)
    steps, windows = 2 * model.horizon + 1, windows_of(model, 3)
    known = future_of(model, 3, steps) if model.covariates else None
    own = np.asarray(model.predict_on_batch(windows))
    own = own[:, -1] if model.return_sequences else own
    forecasts, paths = (f(windows, steps, known, seed=4) for f in (model.predict_multi_step, model.predict_paths))
    np.testing.assert_allclose(forecasts[:, : model.horizon], own, rtol=1e-5)
    assert forecasts.shape == (3, steps, model.channels, own.shape[-1])
    beyond, end = forecasts[:, model.horizon :], paths[:, :, model.horizon :]
    if model.output_kind == "gaussian":
        np.testing.assert_allclose(beyond[..., 0], end.mean(axis=1), rtol=1e-4)
        np.testing.assert_allclose(beyond[..., 1], end.std(axis=1, ddof=1), rtol=1e-4)
    else:
        for i, level in enumerate(model.quantiles):
            below = (end <= beyond[:, None, ..., i]).mean(axis=1)
            np.testing.assert_allclose(below, level, atol=0.01)


@pytest.mark.parametrize("seed", [1, 4])
def test_what_else_is_computed_changes_no_path(seed):
    model = forecaster(seed)
    steps, windows = model.horizon + 1, windows_of(model, 5)
    known = future_of(model, 5, model.horizon) if model.covariates else None
    paths = model.predict_paths(windows, steps, known, num_paths=7, seed=2)
    for batch_size in (1, 10, 1024):
        again = model.predict_paths(windows, steps, known, num_paths=7, seed=2, batch_size=batch_size)
        np.testing.assert_allclose(again, paths, rtol=1e-4, atol=1e-5)
    fewer = model.predict_paths(windows[3:], steps, None if known is None else known[3:], num_paths=4, seed=5)
    np.testing.assert_allclose(fewer, paths[3:, :4], rtol=1e-4, atol=1e-5)
    longer = None if known is None else np.concatenate([known, 9 * known], axis=1)
    further = model.predict_paths(windows, 2 * model.horizon + 1, longer, num_paths=7, seed=2)
    np.testing.assert_allclose(further[:, :, :steps], paths, rtol=1e-4, atol=1e-5)


def test_seeds():
    model = random_walk_model("gaussian", 1)
    one, same, other = (model.forecast_paths([0.0], 3, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert np.all(one != other)
    assert np.any(model.forecast([0.0], 3, seed=None) != model.forecast([0.0], 3, seed=None))
    rows = model.predict_paths(np.zeros((3, 1, 1)), 3, seed=1)
    np.testing.assert_array_equal(rows[:2], [one, other])
    # Neither rows, paths nor steps share their numbers.
    assert len(np.unique(rows)) > 0.99 * rows.size


def test_within_a_block_a_path_errs_in_one_direction_and_channels_do_so_on_their_own():
    model = Forecaster(lags=1, channels=2, horizon=2, output="gaussian")
    paths = model.forecast_paths(np.zeros((1, 2)), 4, num_paths=4000).reshape(4000, 8)
    correlation = np.corrcoef(np.concatenate([paths[:, :4], paths[:, 4:] - np.tile(paths[:, 2:4], 2)], axis=1).T)
    expected = np.kron(np.kron(np.eye(2), np.ones((2, 2))), np.eye(2))
    np.testing.assert_allclose(correlation, expected, atol=0.06)


def test_k_step_predictions_beyond_the_horizon_widen():
    model, series = random_walk_model("quantile", 1), WALKS[0, :, 0]
    near, far = model.k_step_predictions(series, (1, 9), num_paths=999)
    widths = [np.mean(each[..., 2] - each[..., 0]) for each in (near, far)]
    assert widths[1] / widths[0] == pytest.approx(3, rel=0.1)
    np.testing.assert_allclose(far, model.k_step_predictions(series, 9, num_paths=999, batch_size=700), rtol=1e-4, atol=1e-5)


def test_a_model_that_has_drawn_paths_is_saved_and_drawn_from_again(tmp_path):
    model = forecaster(0)
    windows, steps = windows_of(model, 2), model.horizon + 1
    known = future_of(model, 2, model.horizon) if model.covariates else None
    paths = model.predict_paths(windows, steps, known)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again.predict_paths(windows, steps, known), paths)
    again.output_layer.bias.assign_add(np.ones(again.output_layer.bias.shape))
    assert np.all(again.predict_paths(windows, steps, known)[:, :, : model.horizon] > paths[:, :, : model.horizon])


def test_models_of_double_precision_draw_paths_in_single():
    model = Forecaster(lags=2, horizon=2, output="gaussian", dtype="float64")
    assert model(np.zeros((1, 2, 1))).dtype == "float64"
    assert model.forecast([1.0, 2.0], 5).shape == (5, 1, 2)


def test_no_windows():
    model = Forecaster(lags=2, horizon=3, output="gaussian")
    assert model.predict_multi_step(np.zeros((0, 2, 1)), 5).shape == (0, 5, 1, 2)
    assert model.predict_paths(np.zeros((0, 2, 1)), 5, num_paths=4).shape == (0, 4, 5, 1)


@pytest.mark.parametrize(
    "model",
    [Forecaster(lags=1), Forecaster(lags=1, output="quantile", quantiles=[0.5]), last_value()],
    ids=["mean", "one_quantile", "baseline"],
)
def test_points_go_on_as_points_and_have_no_paths(model):
    one = model.forecast([3.0], 1)
    assert model.forecast([3.0], 4).shape == (4, *one.shape[1:])
    for draw in (model.forecast_paths, lambda series, steps: model.predict_paths(np.reshape(series, (1, 1, 1)), steps)):
        with pytest.raises(ValueError, match="paths: expected a model that forecasts distributions.*'gaussian', or 'quantile'"):
            draw([3.0], 2)


@pytest.mark.parametrize(
    "arguments, words",
    [
        ({"num_paths": 0}, "num_paths: expected an integer of at least 1; received 0"),
        ({"num_paths": 8}, "num_paths: expected at least 9, .*received 8"),
        ({"seed": 0.5}, "seed: expected an integer of 64 bits, one for all rows or one a row .2.; received 0.5"),
        ({"seed": [1, 2, 3]}, "seed: expected an integer of 64 bits, one for all rows or one a row .2."),
        ({"batch_size": 0}, "batch_size: expected an integer of at least 1"),
    ],
)
def test_bad_arguments(arguments, words):
    with pytest.raises(ValueError, match=words):
        Forecaster(lags=1, output="quantile").predict_multi_step(np.zeros((2, 1, 1)), 3, **arguments)
