"""Gradients in half precision over long sequences: as near those of float32 as Keras's own loop comes."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from families import PAIRS

SHAPE = (8, 300, 6)
SCALE = 1024.0  # as Keras's LossScaleOptimizer would, for float16
X = tf.random.stateless_normal(SHAPE, (1, 2))


def gradients(make, policy):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        layer = make(return_sequences=True)
    finally:
        keras.config.set_dtype_policy(before)
    layer.build(SHAPE)
    random = np.random.default_rng(0)
    layer.set_weights([0.3 * random.standard_normal(w.shape) if w.dtype.kind == "f" else w for w in layer.get_weights()])

    @tf.function
    def run(x):
        with tf.GradientTape() as tape:
            loss = SCALE * tf.reduce_mean(tf.cast(layer(x, training=True), tf.float32) ** 2)
        return tape.gradient(loss, [w.value for w in layer.trainable_weights])

    return [np.asarray(value, "float64") for value in run(X)], [w.name for w in layer.trainable_weights]


LIMITS = {"mixed_bfloat16": 0.05, "mixed_float16": 0.01}
FAST = ("LSTM", "GRU", "LayerNormLSTMCell", "SRUCell", "LSTMCell with projection", "LSTMCell with peepholes")


@pytest.mark.parametrize("policy", LIMITS)
@pytest.mark.parametrize("name", [pytest.param(n, marks=[] if n in FAST else pytest.mark.slow) for n in PAIRS])
def test_no_sum_over_steps_is_taken_in_half_precision(name, policy):
    expected, names = gradients(PAIRS[name].theirs, "float32")
    received, _ = gradients(PAIRS[name].ours, policy)
    for weight, a, b in zip(names, received, expected, strict=True):
        error = np.abs(a - b).max() / np.abs(b).max()
        assert error < LIMITS[policy], (weight, error)
