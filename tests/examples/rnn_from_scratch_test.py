"""The book's program in bare TensorFlow: it learns more than how often each character occurs, clips, and decodes."""

import collections
import importlib.util
import math
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

PATH = Path(__file__).parents[2] / "examples" / "rnn_from_scratch.py"


@pytest.fixture(scope="module")
def example():
    spec = importlib.util.spec_from_file_location("rnn_from_scratch", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def model(example):
    tf.random.set_seed(1)
    model = example.LanguageModel()
    for weight in model.weights:
        weight.assign(tf.random.normal(weight.shape, stddev=0.15))
    return model


def test_a_short_run_beats_the_frequencies_of_characters(example, tmp_path):
    command = [sys.executable, PATH, "--corpus", "moby_dick", "--epochs", "15", "--plot", "curves.png"]
    process = subprocess.run([*map(str, command)], cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert process.returncode == 0, process.stderr
    assert process.stderr == ""
    *progress, closing, decoded = process.stdout.splitlines()
    assert [line[:9] for line in progress] == ["epoch  10", "epoch  15"]
    figures = re.fullmatch(r"\d+ s; training perplexity ([\d.]+), validation perplexity ([\d.]+)", closing)
    for figure, windows in zip(figures.groups(), example.read_windows("moby_dick")):
        assert 1 < float(figure) < unigram_perplexity(windows[:, 1:])
    assert re.fullmatch("it has[a-z ]{20}", decoded)
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def unigram_perplexity(token_ids):
    counts = collections.Counter(token_ids.numpy().ravel())
    total = sum(counts.values())
    return math.exp(-sum(count / total * math.log(count / total) for count in counts.values()))


def test_a_window_begins_at_every_character(example):
    train, validation = example.read_windows("moby_dick")
    assert train.shape == (10_000, 33) and validation.shape == (5_000, 33)
    text = "".join(example.VOCABULARY[i] for i in [*train[:, 0], *validation[:, 0], *validation[-1, 1:]])
    assert text.startswith("chapter loomings call me ishmael ") and re.fullmatch("[a-z ]+", text) and "  " not in text
    for windows, first in ((train, 0), (validation, 10_000)):
        for i in (0, 1, 4_999):
            assert "".join(example.VOCABULARY[j] for j in windows[i]) == text[first + i : first + i + 33]


@pytest.mark.parametrize("clip_norm", [1e-3, math.inf])
def test_a_step_is_the_gradient_no_longer_than_the_clip_norm(example, model, clip_norm):
    windows = example.read_windows("moby_dick")[0][:64]
    with tf.GradientTape() as tape:
        loss = model.loss(windows)
    gradients = tape.gradient(loss, model.weights)
    norm = tf.linalg.global_norm(gradients)
    before = [weight.numpy() for weight in model.weights]
    assert float(model.train_step(windows, clip_norm)) == pytest.approx(float(loss), rel=1e-6)
    assert norm > 1e-2
    for old, weight, gradient in zip(before, model.weights, gradients):
        np.testing.assert_allclose(old - weight.numpy(), gradient * min(1, clip_norm / norm), atol=1e-6, rtol=1e-3)


def test_perplexity_weighs_a_short_last_batch_by_its_windows(example):
    assert example.perplexity(lambda batch: tf.reduce_mean(batch), tf.constant([0.0] * 1024 + [4.0])) == pytest.approx(
        math.exp(4 / 1025)
    )


def test_decoding_carries_the_state_over_the_prefix(example, model):
    decoded = model.decode("it has", 20)
    assert decoded[:6] == "it has" and len(decoded) == 26
    token_ids = tf.constant([[example.VOCABULARY.index(character) for character in decoded]])
    logits, _ = model(token_ids)
    np.testing.assert_array_equal(tf.argmax(logits[0, 5:-1], axis=-1), token_ids[0, 6:])
