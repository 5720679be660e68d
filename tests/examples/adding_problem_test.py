"""The adding problem: its sequences, and a run that is stopped, resumed and finished."""

import importlib.util
import json
import re
import subprocess
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


def run(folder, *options):
    command = [sys.executable, str(EXAMPLE), "--length", "6", "--units", "16", "--out", str(folder), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def test_a_short_run_learns_and_is_kept(tmp_path):
    options = ["--networks", "minGRU", "--steps", "300"]
    process = run(tmp_path / "runs", *options)
    assert process.returncode == 0, process.stderr
    assert process.stderr == ""
    steps, error = re.search(r"minGRU +│ +[\d,]+ +│ +(\d+) +│ +([\d.e-]+)", process.stdout).groups()
    assert int(steps) <= 300 and float(error) < 0.05
    result = tmp_path / "runs/minGRU/result.json"
    result.write_text(json.dumps({**json.loads(result.read_text()), "mse": 0.125}))
    assert "1.2e-01" in run(tmp_path / "runs", *options).stdout
    other = run(tmp_path / "runs", "--networks", "minGRU", "--steps", "400")
    assert other.returncode == 2
    assert "holds runs with --steps 300. Give the same, or another --out" in " ".join(other.stderr.split())
