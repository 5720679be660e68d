"""The training benchmark's peers are one model, and its figures fit together."""

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture(scope="module")
def benchmark():
    path = Path(__file__).parents[2] / "benchmarks/training.py"
    specification = importlib.util.spec_from_file_location("benchmarks_training", path)
    module = importlib.util.module_from_spec(specification)
    sys.modules[specification.name] = module
    specification.loader.exec_module(module)
    return module


def test_ours_and_keras_model_learn_alike_from_the_same_weights(benchmark):
    setting = benchmark.QUICK._replace(vocabulary_size=30, units=6, dropout=0.0)
    ours, theirs = (benchmark.keras_model(setting, is_ours, jit_compile=False) for is_ours in (True, False))
    layers = [ours.embedding_layer, *ours.recurrent_layers, ours.output_layer]
    pairs = list(zip([w for layer in layers for w in layer.trainable_weights], theirs.trainable_weights, strict=True))
    for mine, other in pairs:
        assert mine.shape == other.shape
        other.assign(mine)
    first = [mine.numpy() for mine, _ in pairs]
    windows = benchmark.token_ids(setting, 3)
    assert windows.shape == (3, setting.batch_size, setting.num_steps + 1)
    for window in windows:
        losses = [model.train_on_batch(window[:, :-1], window[:, 1:])[0] for model in (ours, theirs)]
        assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    for (mine, other), before in zip(pairs, first):
        np.testing.assert_allclose(mine, other, atol=1e-5)
        assert np.any(mine.numpy() != before)


def test_figures_and_ratios(benchmark, tmp_path, monkeypatch, capsys):
    file = tmp_path / "training.json"
    options = ["--quick", "--peers", "ours", "keras", "--batches", "2", "--repeats", "1", "--json", str(file)]
    monkeypatch.setattr(sys, "argv", ["training.py", *options])
    benchmark.main()
    result = json.loads(file.read_text())
    milliseconds = result["milliseconds"]
    assert list(milliseconds) == ["ours", "keras", "product"] and min(milliseconds.values()) > 0
    assert result["keras ÷ ours"] == pytest.approx(milliseconds["keras"] / milliseconds["ours"])
    assert result["torch ÷ ours"] is None
    assert f"{result['keras ÷ ours']:.2f}" in capsys.readouterr().out


def test_torch_loop_runs(benchmark):
    pytest.importorskip("torch")
    assert benchmark.torch_run(benchmark.QUICK, 2)() < 1000  # a perplexity, of 500 words
