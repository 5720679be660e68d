"""What a forecaster's bundle says of itself, what it refuses to read, and what Keras says of its dataset."""

import warnings

import keras
import numpy as np
import pytest

from kerasrnn.cells import GRUCell
from kerasrnn.data import forecast_dataset, language_model_dataset
from kerasrnn.export import read_manifest
from kerasrnn.export.runtime import load
from kerasrnn.models import FeedForwardLanguageModel, Forecaster, LanguageModel

SERIES = np.sin(np.arange(120) / 5).astype("float32")
NAMED = {
    "mean": ({}, ["mean"]),
    "quantile": ({"output": "quantile", "quantiles": (0.05, 0.5, 0.95)}, ["quantile 0.05", "quantile 0.5", "quantile 0.95"]),
    "gaussian": ({"output": "gaussian", "lags": 8}, ["mean", "deviation"]),
}


@pytest.fixture(scope="module", params=NAMED)
def exported(request, tmp_path_factory):
    options, names = NAMED[request.param]
    keras.utils.set_random_seed(0)
    model = Forecaster(GRUCell(4), horizon=3, normalization=None, **options)
    folder = tmp_path_factory.mktemp(request.param) / "onnx"
    model.export(folder, format="onnx", samples=SERIES[None, :8, None])
    return model, folder, names


def test_a_bundle_names_outputs_lags_and_horizon(exported):
    model, folder, names = exported
    about = read_manifest(folder)["forecaster"]
    assert about == {
        "horizon": 3, "channels": 1, "covariates": 0, "lags": model.lags, "output": model.output_kind, "outputs": names,
    }  # fmt: skip
    assert model(SERIES[None, :8, None]).shape[3:] == ((len(names),) if len(names) > 1 else ())


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_past_with_gaps_is_refused(exported, bad):
    model, folder, _ = exported
    past = SERIES[:8].copy()
    past[3] = bad
    calls = [lambda: model.forecast(past, 5), lambda: model.predict_multi_step(past[None, :, None], 5, num_paths=20)]
    if model.path_sampler is not None:
        calls += [lambda: model.forecast_paths(past, 5), lambda: model.predict_paths(past[None, :, None], 5)]
        calls += [lambda: load(folder).forecast(past[None, :, None], steps=5)]
    for call in calls:
        with pytest.raises(ValueError, match="(series|windows|past): expected finite numbers"):
            call()
    if model.lags:  # what is not read may have gaps
        model.forecast(np.concatenate([[bad], SERIES[:8]]), 2)


@pytest.mark.parametrize(
    ("model", "dataset"),
    [
        (lambda: Forecaster(lags=8, normalization=None), lambda: forecast_dataset(SERIES, lags=8, batch_size=16)),
        (lambda: LanguageModel(GRUCell(3), vocabulary_size=9), lambda: language_model_dataset(np.arange(99) % 9, None, 2, 8)),
        (
            lambda: FeedForwardLanguageModel(order=3, vocabulary_size=9),
            lambda: language_model_dataset(np.arange(99) % 9, None, 2, 8),
        ),
    ],
    ids=["Forecaster", "LanguageModel", "FeedForwardLanguageModel"],
)
def test_fit_on_its_own_dataset_gives_no_warning(model, dataset):
    model = model()
    model.compile("sgd")
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        model.fit(dataset(), validation_data=dataset(), verbose=0)
        model.fit(dataset(), None, None, 1, 0)
