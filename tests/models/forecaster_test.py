import keras
import numpy as np
import pytest

import kerasrnn
from kerasrnn.cells import GRUCell, LSTMCell
from kerasrnn.data import forecast_dataset
from kerasrnn.models import Forecaster, linear_autoregression

rng = np.random.default_rng(11)
SERIES = np.sin(0.3 * np.arange(120)) + 0.1 * rng.normal(size=120)


def windows_of(lags=6, channels=1, batch=3):
    return (5 + 2 * rng.normal(size=(batch, lags, channels))).astype(np.float32)


KINDS = {
    "linear": {"lags": 6},
    "mlp": {"lags": 6, "hidden": [5, 4]},
    "recurrent": {"cells": [GRUCell(5), LSTMCell(4)]},
    "patches": {"cells": [GRUCell(5)], "patch": 3},
}


@pytest.mark.parametrize("output", ["mean", "quantile", "gaussian"])
@pytest.mark.parametrize("kind", KINDS)
def test_outputs_have_their_shapes_and_order(kind, output):
    model = Forecaster(**KINDS[kind], horizon=4, channels=2, covariates=1, output=output)
    outputs = model.predict(windows_of(channels=3), verbose=0)
    assert (
        outputs.shape == (3, 4, 2, *{"mean": (), "quantile": (3,), "gaussian": (2,)}[output]) and outputs.dtype == np.float32
    )
    if output == "quantile":
        assert np.all(np.diff(outputs, axis=-1) >= 0)
    if output == "gaussian":
        assert np.all(outputs[..., 1] > 0)


def test_linear_forecaster_is_one_product():
    model = Forecaster(lags=6, horizon=2, channels=2, normalization="last")
    kernel, bias = rng.normal(size=(12, 4)), rng.normal(size=4)
    model.output_layer.set_weights([kernel, bias])
    windows = windows_of(channels=2)
    last = windows[:, -1:]
    expected = last + ((windows - last).reshape(3, 12) @ kernel + bias).reshape(3, 2, 2)
    np.testing.assert_allclose(model(windows), expected, rtol=1e-4, atol=1e-4)


def test_feed_forward_forecaster_is_its_layers():
    model = Forecaster(lags=6, hidden=[5], normalization=None, activation="tanh")
    windows = windows_of()
    (w, b), (v, c) = (layer.get_weights() for layer in (model.hidden_layers[0], model.output_layer))
    np.testing.assert_allclose(model(windows)[:, 0], np.tanh(windows[..., 0] @ w + b) @ v + c, rtol=1e-4, atol=1e-5)


def test_recurrent_forecaster_reads_patches_as_steps():
    model = Forecaster([GRUCell(5)], horizon=2, channels=2, normalization=None, patch=3)
    windows = windows_of(channels=2)
    expected = model.output_layer(model.recurrent_layers[0](windows.reshape(3, 2, 6)))
    np.testing.assert_allclose(keras.ops.reshape(model(windows), (3, 4)), expected, rtol=1e-5, atol=1e-6)


def scaled(normalization, windows, training):
    """Location and scale from the equations."""
    if normalization == "last":
        return windows[:, -1:], 1.0
    if normalization == "window":
        return windows.mean(axis=1, keepdims=True), np.sqrt(windows.var(axis=1, keepdims=True) + 1e-5)
    return training.mean(axis=0), training.std(axis=0)


@pytest.mark.parametrize("output", ["mean", "quantile", "gaussian"])
@pytest.mark.parametrize("normalization", ["last", "window", "standard"])
def test_scaling_inside_is_scaling_outside(normalization, output):
    options = {"cells": [GRUCell(4)], "channels": 2, "horizon": 3, "output": output}
    inside, outside = Forecaster(**options, normalization=normalization), Forecaster(**options, normalization=None)
    training, windows = rng.normal(size=(50, 2)) * [2, 30] + [1, -7], windows_of(channels=2)
    if normalization == "standard":
        inside.adapt(training)
    for one, other in zip(outside.trainable_variables, inside.trainable_variables, strict=True):
        one.assign(other)
    location, scale = scaled(normalization, windows, training)
    plain = outside.predict((windows - location) / scale, verbose=0)
    if output == "mean":
        expected = location + scale * plain
    else:
        location, scale = np.asarray(location)[..., None], np.asarray(scale)[..., None]
        expected = location + scale * plain
        if output == "gaussian":
            expected[..., 1:] = (scale * plain)[..., 1:]
    np.testing.assert_allclose(inside.predict(windows, verbose=0), expected, rtol=1e-4, atol=1e-3)


def test_last_takes_the_scale_of_what_it_adapts_to():
    model = Forecaster(lags=2, covariates=1)
    model.adapt([SERIES * 100, SERIES[:50] * 100], covariates=[np.arange(120.0), np.arange(50.0)])
    values, extra = np.concatenate([SERIES, SERIES[:50]]) * 100, np.concatenate([np.arange(120.0), np.arange(50.0)])
    np.testing.assert_allclose(model.scaling.deviation, [values.std(), extra.std()], rtol=1e-5)
    np.testing.assert_allclose(model.scaling.mean, [values.mean(), extra.mean()], rtol=1e-4)
    x, location, _ = model.scaling(np.array([[[1.0, 2.0], [3.0, 4.0]]]))
    np.testing.assert_allclose(x[0, 0], [(1 - 3) / values.std(), (2 - extra.mean()) / extra.std()], rtol=1e-5)
    assert location.numpy().item() == 3


def test_half_precision_keeps_a_series_of_large_numbers():
    model = Forecaster([GRUCell(4, dtype="mixed_float16")], dtype="mixed_float16")
    windows = np.full((2, 5, 1), 1e6) + np.arange(5)[:, None]
    outputs = model(windows)
    assert outputs.dtype == "float32"
    np.testing.assert_allclose(outputs, 1e6 + 4, atol=50)


@pytest.mark.parametrize(
    "output, options",
    [
        ("mean", {"cells": [GRUCell(4)], "dropout": 0.1}),
        ("quantile", {"lags": 8, "quantiles": (0.2, 0.6)}),
        ("gaussian", {"lags": 8}),
    ],
    ids=["mean", "quantile", "gaussian"],
)
def test_fit_learns_and_a_saved_model_goes_on(output, options, tmp_path):
    dataset = forecast_dataset(SERIES, lags=8, horizon=2, batch_size=32)
    model = Forecaster(**options, horizon=2, output=output, normalization="standard")
    model.adapt(SERIES)
    model.compile(keras.optimizers.Adam(0.03))
    losses = model.fit(dataset, epochs=4, verbose=0).history["loss"]
    assert losses[-1] < 0.9 * losses[0]
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again(SERIES[None, :8, None]), model(SERIES[None, :8, None]))
    metrics = again.evaluate(dataset, verbose=0, return_dict=True)
    assert metrics == pytest.approx(model.evaluate(dataset, verbose=0, return_dict=True))
    assert set(metrics) == {"loss", "mae" if output == "mean" else "crps"}


def test_config_holds_every_argument():
    options = {
        "horizon": 3, "output": "quantile", "quantiles": [0.25, 0.75], "channels": 2, "normalization": "window",
        "hidden": [3],
        "lags": 4, "covariates": 1, "patch": 1, "return_sequences": False, "activation": "tanh", "dropout": 0.25,
    }  # fmt: skip
    config = Forecaster(**options).get_config()
    assert {name: config[name] for name in options} == options
    assert Forecaster.from_config(config).get_config() == config


def test_a_trained_linear_forecaster_nears_least_squares():
    series = rng.normal(size=100)
    model = Forecaster(lags=4, normalization=None)
    model.compile(keras.optimizers.Adam(0.03))
    model.fit(forecast_dataset(series, lags=4, batch_size=100).cache().repeat(200), verbose=0)
    best = linear_autoregression(series, lags=4)
    np.testing.assert_allclose(model.output_layer.kernel[:, 0], best.kernel.ravel(), atol=1e-3)


def test_no_step_sees_a_later_one():
    model = Forecaster([GRUCell(4), GRUCell(3)], horizon=2, normalization=None, return_sequences=True, output="gaussian")
    windows = windows_of(lags=7)
    outputs = model(windows)
    assert outputs.shape == (3, 7, 2, 1, 2)
    changed = windows.copy()
    changed[:, 4:] += 1
    difference = np.abs(model(changed) - outputs).max(axis=(0, 2, 3, 4))
    assert np.all(difference[:4] == 0) and np.all(difference[4:] > 0)


def test_training_at_every_step():
    dataset = forecast_dataset(SERIES, lags=10, horizon=2, return_sequences=True, stride=10)
    model = Forecaster([GRUCell(4)], horizon=2, normalization=None, return_sequences=True)
    model.compile(keras.optimizers.Adam(0.03))
    losses = model.fit(dataset, epochs=5, verbose=0).history["loss"]
    assert losses[-1] < losses[0]


def test_an_exported_forecaster_streams(tmp_path):
    options = {"output": "quantile", "normalization": "standard", "return_sequences": True, "covariates": 1}
    model = Forecaster([GRUCell(4)], horizon=2, **options)
    model.adapt(SERIES)
    inputs = windows_of(lags=20, channels=2)
    whole = model.predict(inputs, verbose=0)
    session = kerasrnn.export.runtime.load(model.export(tmp_path / "onnx", format="onnx"))
    np.testing.assert_allclose(session.forward(inputs=inputs)["output_0"], whole, rtol=1e-4, atol=1e-5)
    states, pieces = None, []
    for piece in np.split(inputs, [1, 8, 9], axis=1):
        outputs, states = session.feed(states, inputs=piece)
        pieces.append(outputs["output_0"])
    np.testing.assert_allclose(np.concatenate(pieces, axis=1), whole, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("normalization", ["last", "window"])
def test_an_exported_forecaster_that_reads_whole_windows(normalization, tmp_path):
    model = Forecaster([GRUCell(4)], horizon=2, patch=3, lags=6, normalization=normalization, output="gaussian")
    inputs = windows_of(lags=6)
    session = kerasrnn.export.runtime.load(model.export(tmp_path / "onnx", format="onnx"))
    np.testing.assert_allclose(session.forward(inputs=inputs)["output_0"], model(inputs), rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="cannot run in pieces, for .*in pieces"):
        session.feed(inputs=inputs)


@pytest.mark.parametrize(
    "options, words",
    [
        ({}, "lags: expected how many past values a window has.*received None"),
        ({"lags": 0}, "lags: expected an integer of at least 1; received 0"),
        ({"lags": 2.5}, "lags: expected an integer of at least 1; received 2.5"),
        ({"lags": 4, "horizon": 0}, "horizon: expected an integer of at least 1; received 0"),
        ({"lags": 4, "channels": 0}, "channels: expected an integer"),
        ({"lags": 4, "covariates": -1}, "covariates: expected an integer"),
        ({"lags": 4, "hidden": [0]}, "hidden: expected an integer"),
        ({"lags": 4, "output": "median"}, "output: expected one of .*'median'"),
        ({"lags": 4, "quantiles": (0.5, 0.1)}, "quantiles: expected at least one"),
        ({"lags": 4, "normalization": "first"}, "normalization: expected one of .*'first'"),
        ({"lags": 4, "dropout": 1.0}, "dropout: expected a share in"),
        ({"cells": GRUCell(3), "hidden": [3]}, "hidden: expected none beside cells"),
        ({"cells": GRUCell(3), "lags": 10, "patch": 4}, "patch: expected a divisor of lags.*received 4 with lags=10"),
        ({"lags": 4, "patch": 2}, "patch: expected a divisor of lags, and cells"),
        ({"lags": 4, "return_sequences": True}, "return_sequences=True: expected cells"),
        ({"cells": GRUCell(3), "return_sequences": True}, "return_sequences=True: expected cells.*normalization='last'"),
    ],
    ids=[
        "nothing", "lags", "fraction", "horizon", "channels", "covariates", "hidden", "output", "quantiles", "normalization",
        "dropout", "both", "patch", "patch_without_cells", "sequences_without_cells", "not_causal",
    ],
)  # fmt: skip
def test_arguments_out_of_range(options, words):
    with pytest.raises(ValueError, match=words):
        Forecaster(**options)


@pytest.mark.parametrize("shape", [(3, 5, 1), (3, 4, 2), (3, 4)], ids=["lags", "channels", "rank"])
def test_windows_of_another_shape(shape):
    with pytest.raises(ValueError, match=r"inputs: expected windows of shape \(batch, 4, 1\).*received \(3, "):
        Forecaster(lags=4)(np.zeros(shape))


def test_windows_that_are_not_whole_patches():
    with pytest.raises(ValueError, match="inputs: expected a number of time steps that is a multiple of patch=3.* 4"):
        Forecaster(GRUCell(3), patch=3)(np.zeros((2, 4, 1)))


def test_standard_without_adapt_is_an_error_before_training():
    model = Forecaster(lags=4, normalization="standard")
    model.compile()
    words = r"normalization='standard': expected the mean.*Call model.adapt\(series\)"
    with pytest.raises(ValueError, match=words):
        model.fit(forecast_dataset(SERIES, lags=4), verbose=0)
    with pytest.raises(ValueError, match=words):
        model.predict(np.zeros((2, 4, 1)), verbose=0)
    with pytest.raises(ValueError, match=words):
        model(np.zeros((2, 4, 1)))
    model.adapt(SERIES)
    model.fit(forecast_dataset(SERIES, lags=4), verbose=0)


@pytest.mark.parametrize(
    "series, words",
    [
        (
            np.stack([SERIES, np.full(120, 7.0)], axis=1),
            "series: expected values that vary; .* constant channel 1, 7",
        ),
        (np.full((9, 2), 1e9) + [[0.0, 1]] * np.arange(9)[:, None], "constant channel 0, 1e[+]09"),
        (np.stack([SERIES, np.full(120, np.nan)], axis=1), "series: expected finite values .*received none in channel 1"),
        (SERIES, r"series: expected shape \(time, 2\), or a list of such; received \(120, 1\)"),
    ],
    ids=["constant", "large_constant", "nan", "channels"],
)
def test_series_without_a_scale(series, words):
    with pytest.raises(ValueError, match=words):
        Forecaster(lags=4, channels=2, normalization="standard").adapt(series)


def test_adapt_of_what_takes_nothing_over():
    with pytest.raises(ValueError, match="normalization: expected 'standard' or 'last' for adapt; received 'window'"):
        Forecaster(lags=4, normalization="window").adapt(SERIES)


@pytest.mark.parametrize("horizon", [1, 3])
def test_an_exported_forecaster_of_the_last_step_streams(horizon, tmp_path):
    model, inputs = Forecaster([GRUCell(4)], horizon=horizon, normalization=None), windows_of(lags=9)
    session = kerasrnn.export.runtime.load(model.export(tmp_path / "onnx", format="onnx"))
    _, states = session.feed(inputs=inputs[:, :4])
    outputs, _ = session.feed(states, inputs=inputs[:, 4:])
    np.testing.assert_allclose(outputs["output_0"], model(inputs), rtol=1e-4, atol=1e-5)
