"""The book's program with kerasrnn: it learns, and it is the very network of the program from scratch."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

EXAMPLES = Path(__file__).parents[2] / "examples"


def load(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


concise, scratch = load("rnn_concise"), load("rnn_from_scratch")


def test_a_short_run_learns(tmp_path):
    options = ["--corpus", "moby_dick", "--epochs", "15", "--plot", "curves.png"]
    command = [sys.executable, EXAMPLES / "rnn_concise.py", *options]
    process = subprocess.run([*map(str, command)], cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert process.returncode == 0, process.stderr
    assert process.stderr == ""
    *progress, closing, decoded = process.stdout.splitlines()
    assert [line[:9] for line in progress] == ["epoch  10", "epoch  15"]
    figures = re.fullmatch(r"\d+ s; training perplexity ([\d.]+), validation perplexity ([\d.]+)", closing)
    assert all(1 < float(figure) < 16 for figure in figures.groups())  # by the characters' frequencies alone: 16.8 and 17.1
    assert re.fullmatch("it has[a-z ]{20}", decoded)
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_it_reads_the_windows_of_the_program_from_scratch():
    tokenizer, *windows = concise.read_windows("moby_dick")
    assert tokenizer.get_vocabulary() == scratch.VOCABULARY
    for ours, theirs in zip(windows, scratch.read_windows("moby_dick")):
        np.testing.assert_array_equal(ours, theirs)


def test_the_weights_begin_as_from_scratch():
    model = concise.build_model(concise.read_windows("moby_dick")[0])
    for weight, variable in zip(model.trainable_weights, scratch.LanguageModel().weights, strict=True):
        assert weight.shape == variable.shape
        assert np.std(weight) == pytest.approx(float(tf.math.reduce_std(variable)), rel=0.2)


@pytest.mark.parametrize("clip_norm", [0.02, 0.0])
def test_it_computes_and_learns_as_the_program_from_scratch(clip_norm):
    tokenizer, train, _ = concise.read_windows("moby_dick")
    model, bare = concise.build_model(tokenizer, clip_norm), scratch.LanguageModel()
    random = np.random.default_rng(1)
    weights = [random.normal(scale=0.15, size=weight.shape) for weight in bare.weights]
    weights[-1][0] = -9  # the unknown character's score: `generate` never writes it
    for variable, weight, value in zip(bare.weights, model.trainable_weights, weights, strict=True):
        variable.assign(value)
        weight.assign(value)
    windows = tf.constant(train[:128])
    np.testing.assert_allclose(model(windows[:, :-1]), bare(windows[:, :-1])[0], atol=1e-5)
    for _ in range(3):
        loss = model.train_on_batch(windows[:, :-1], windows[:, 1:])[0]
        assert float(bare.train_step(windows, clip_norm or np.inf)) == pytest.approx(float(loss), abs=1e-5)
        model.reset_metrics()
    for variable, weight, value in zip(bare.weights, model.trainable_weights, weights):
        assert np.max(np.abs(variable - value)) > 1e-3
        np.testing.assert_allclose(weight, variable, atol=1e-5)
    for prompt in ("", "it has"):
        assert f" {prompt}" + model.generate(prompt, 20, temperature=0) == bare.decode(f" {prompt}", 20)
