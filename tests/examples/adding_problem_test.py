"""The adding problem: its sequences, and a run that is stopped, resumed and finished."""

import importlib.util
import json
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "adding_problem.py"


@pytest.fixture(scope="module")
def example():
    spec = importlib.util.spec_from_file_location("adding_problem", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_sequences_are_as_described_and_do_not_depend_on_where_one_begins(example):
    batches = list(example.sequences(example.TRAIN, 1, 9, 400, 0, 3).as_numpy_iterator())
    for x, y in batches:
        numbers, marks = x[..., 0], x[..., 1]
        assert np.all((numbers >= 0) & (numbers < 1)) and set(np.unique(marks)) == {0, 1}
        np.testing.assert_array_equal(marks[:, :4].sum(1), 1)
        np.testing.assert_array_equal(marks[:, 4:].sum(1), 1)
        assert np.all(marks.sum(0) > 0)
        np.testing.assert_allclose(y[:, 0], (numbers * marks).sum(1), rtol=1e-6)
        assert np.mean((y - 1) ** 2) == pytest.approx(1 / 6, rel=0.25)
    (resumed,) = example.sequences(example.TRAIN, 1, 9, 400, 2, 3).as_numpy_iterator()
    np.testing.assert_array_equal(resumed[0], batches[2][0])
    for part, seed in ((example.TEST, 1), (example.VALIDATION, 1), (example.TRAIN, 2)):
        (other,) = example.sequences(part, seed, 9, 400, 2, 3).as_numpy_iterator()
        assert np.mean(other[0] == resumed[0]) < 0.9


@pytest.mark.parametrize("network", ["LSTM", "GRU", "minGRU", "IndRNN", "Elman"])
def test_networks_begin_as_described(example, network):
    model = example.build_model(network, 16, 50, 100, seed=1)
    again = example.build_model(network, 16, 50, 100, seed=1)
    for weight, same in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, same)
    weights = {w.name: w.numpy() for w in model.layers[-2].weights}
    if network == "IndRNN":
        u = weights["recurrent_weights"]
        assert np.all((u**50 >= 0.49) & (u**50 <= 2.01))
    if network in ("LSTM", "GRU", "minGRU"):
        gates = weights["bias"].reshape(-1, 16)
        keeps = {"LSTM": gates[1 % len(gates)], "GRU": gates[0], "minGRU": -gates[0]}[network]
        assert np.all((keeps >= 0) & (keeps <= np.log(49)))
        assert len(np.unique(keeps)) == 16


@pytest.fixture
def table_of(example, tmp_path, monkeypatch, capsys):
    """Runs the example, and returns the networks' (steps, error)."""

    def run(*options):
        options = ["--length", "6", "--units", "16", "--out", str(tmp_path / "runs"), *options]
        monkeypatch.setattr(sys, "argv", ["adding_problem.py", *options])
        example.main()
        rows = re.findall(r"(\w+) +│ +[\d,]+ +│ +([\d,]+) +│ +([\d.e-]+)", capsys.readouterr().out)
        return {network: (int(steps.replace(",", "")), float(error)) for network, steps, error in rows}

    return run


def test_a_run_learns_and_one_that_was_stopped_goes_on_to_the_same_weights(example, table_of, tmp_path, monkeypatch, capsys):
    options = ["--networks", "minGRU", "--steps", "300"]
    whole = table_of(*options)
    steps, error = whole["minGRU"]
    assert steps == 300 and error < 0.05

    result = tmp_path / "runs/minGRU/result.json"
    result.write_text(json.dumps({**json.loads(result.read_text()), "mse": 0.125}))
    assert table_of(*options) == {"minGRU": (300, 0.12)}  # kept
    shutil.rmtree(result.parent)

    class StoppingWatch(example.Watch):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise KeyboardInterrupt
            super().on_epoch_begin(epoch, logs)

    with monkeypatch.context() as context:
        context.setattr(example, "Watch", StoppingWatch)
        with pytest.raises(KeyboardInterrupt):
            table_of(*options)
    assert not result.exists()
    assert table_of(*options) == whole

    with pytest.raises(SystemExit):
        table_of("--networks", "minGRU", "--steps", "400")
    message = " ".join(capsys.readouterr().err.split())
    assert "holds runs with --steps 300. Give the same, or another --out" in message
