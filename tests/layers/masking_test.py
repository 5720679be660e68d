"""Masks go on behind our layers, whatever a version of Keras leaves its own layers to say."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from families import PAIRS

X = np.random.default_rng(0).standard_normal((3, 6, 4)).astype("float32")
X[0, 4:], X[1, :2], X[2, 2] = 0, 0, 0
MASK = (X != 0).any(axis=-1)


@pytest.mark.parametrize("name", PAIRS)
def test_the_mask_goes_on_if_the_base_class_does_not_say_so(name, monkeypatch):
    original = keras.layers.RNN.__init__

    def silent(self, *args, **kwargs):  # as Keras 3.16 has it
        original(self, *args, **kwargs)
        self.supports_masking = False

    monkeypatch.setattr(keras.layers.RNN, "__init__", silent)
    layer = PAIRS[name].ours(return_sequences=True)
    masked = keras.layers.Masking()(X)
    assert layer.supports_masking
    mask = keras.KerasTensor((None, 6, 4))
    mask._keras_mask = keras.KerasTensor((None, 6), dtype="bool")
    assert layer(mask)._keras_mask is mask._keras_mask
    pooled = keras.layers.GlobalAveragePooling1D()(layer(masked))
    outputs = tf.where(MASK[:, :, None], layer(masked), 0.0)
    expected = tf.reduce_sum(outputs, axis=1) / MASK.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(pooled, expected, atol=1e-6)


@pytest.mark.network
def test_the_layers_pass_on_the_newest_development_build_of_keras(tmp_path):
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--pre", "--no-deps", "--target", tmp_path, "keras-nightly"]
    done = subprocess.run(install, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"keras-nightly could not be installed: {done.stderr[-300:]}")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    files = [f"tests/layers/{name}_test.py" for name in ("rnn", "masking", "training_argument", "static_shapes", "drop_in")]
    program = [sys.executable, "-m", "pytest", "-q", "-m", "not slow and not network", *files, "tests/cells"]
    version = [sys.executable, "-c", "import keras; print(keras.__version__)"]
    used = subprocess.run(version, capture_output=True, text=True, env=environment, check=True).stdout
    assert used.strip() != keras.__version__
    done = subprocess.run(program, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, f"Keras {used}: {done.stdout[-3000:]}"
