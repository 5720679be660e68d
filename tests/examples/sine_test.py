"""The noisy sine on a tiny budget: its table against what is known in closed form, and its pictures."""

import importlib.util
import re
import sys
from pathlib import Path

import numpy as np
import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "sine.py"


@pytest.fixture(scope="module")
def example():
    spec = importlib.util.spec_from_file_location("sine", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def table_of(example, monkeypatch, capsys, tmp_path):
    """Runs the example on some of its models, and returns each one's figures."""

    def run(models):
        monkeypatch.setattr(example, "MODELS", models)
        monkeypatch.setattr(example, "DRAWN", [model for model in models if model in example.DRAWN])
        monkeypatch.setattr(sys, "argv", ["sine.py", "--quick", "--out", str(tmp_path)])
        example.main()
        pattern = r"^ ([\w ]+?) +(\d+)" + r" +([\d.]+)" * 5 + r" +[\d.]+ *$"
        rows = re.findall(pattern, capsys.readouterr().out, re.MULTILINE)
        return {(name, int(lags)): [*map(float, figures)] for name, lags, *figures in rows}

    return run


def test_the_table_and_the_pictures(example, table_of, tmp_path):
    models = [model for model in example.MODELS if model.name != "MLP" and not model.name.startswith("GRU")]
    table = table_of(models)
    assert list(table) == [(model.name, model.lags) for model in models]
    over_noise = {model: figures[4] for model, figures in table.items()}
    assert 1 < over_noise["ideal", 32] < over_noise["least squares", 32] < over_noise["least squares", 4] < 1.2
    for name in ("sine", "sine_k_steps"):
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_all_models(example, table_of):
    table = table_of(example.MODELS)
    assert len(table) == len(example.MODELS)
    assert table["GRU", 32][0] < table["last value", 1][0]


def test_errors_are_of_the_targets_held_out_alone(example):
    series = example.noisy_sine(1)
    last = example.MODELS[0]
    predictions = example.k_step(last.fit(series, 1, 1), 1, series)
    for (k, (times, forecasts)), error in zip(predictions.items(), example.errors(predictions, series), strict=True):
        np.testing.assert_allclose(forecasts, series[times - k], rtol=1e-6)
        targets = np.arange(example.SPLIT, example.NUM_STEPS)
        assert error == pytest.approx(np.sqrt(np.mean((series[targets] - series[targets - k]) ** 2)), rel=1e-6)


@pytest.mark.parametrize("index", [2, 3, *(pytest.param(i, marks=pytest.mark.slow) for i in (4, 5, 6, 7))])
def test_no_model_sees_what_is_held_out(example, index):
    model, series = example.MODELS[index], example.noisy_sine(1)
    other = np.concatenate([series[: example.SPLIT], np.full(example.NUM_STEPS - example.SPLIT, 9.0)])
    first, second = (model.fit(each, 1, 1).forecast(series[:40], 3, lags=model.lags) for each in (series, other))
    np.testing.assert_array_equal(first, second)


def test_the_ideal_forecast_of_a_sine_without_noise_is_the_sine(example, monkeypatch):
    monkeypatch.setattr(example, "NOISE", 0.01)
    clean = example.sine()
    for k, (times, forecasts) in example.k_step(example.Ideal(), 32, clean).items():
        np.testing.assert_allclose(forecasts, clean[times], atol=0.005, err_msg=f"k = {k}")
