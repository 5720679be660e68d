"""`training` as True, False, None and a tensor, given or not, in graphs and eagerly: wherever Keras's layers take it."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from families import PAIRS, WRAPPERS

from kerasrnn import layers, scan

X = np.random.default_rng(0).standard_normal((2, 5, 3)).astype("float32")
VALUES = {
    "True": True, "False": False, "None": None, "eager tensor": tf.constant(True), "NumPy": np.bool_(False), "number": 1,
}  # fmt: skip


class Untold(keras.Model):
    """A model whose call has no `training`."""

    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def call(self, x):
        return self.layer(x)


FAST = ("LSTM", "MinGRUCell", "LayerNormLSTMCell", "keras.layers.GRUCell", "a stack")


@pytest.mark.parametrize(
    ("name", "wrapper"),
    [
        ("GRU", "Bidirectional"),
        *(pytest.param(name, "", marks=[] if name in FAST else pytest.mark.slow) for name in PAIRS),
        pytest.param("a stack", "Bidirectional", marks=pytest.mark.slow),
    ],
)
def test_every_value_is_taken(name, wrapper):
    ours, theirs = (WRAPPERS[wrapper](make(return_sequences=True)) for make in PAIRS[name])
    for layer in (ours, theirs):
        layer.build(X.shape)
    ours.set_weights(theirs.get_weights())
    expected = theirs(X, training=False)
    for value in VALUES.values():
        np.testing.assert_allclose(ours(X, training=value), expected, atol=1e-5)
    for value in (True, False, None):
        np.testing.assert_allclose(tf.function(lambda x, v=value: ours(x, training=v))(X), expected, atol=1e-5)
    np.testing.assert_allclose(tf.function(ours)(X), expected, atol=1e-5)


@pytest.mark.parametrize("wrapper", ["", "Bidirectional"])
@pytest.mark.parametrize("make", PAIRS["LSTM"], ids=["ours", "keras"])
def test_a_model_that_says_nothing_is_fitted(make, wrapper):
    model = Untold(WRAPPERS[wrapper](make(dropout=0.5)))
    model.compile("sgd", "mse")
    y = np.zeros((2, 8 if wrapper else 4))
    losses = model.fit(X, y, epochs=3, verbose=0).history["loss"]
    assert losses[2] < losses[0]
    np.testing.assert_allclose(model.predict(X, verbose=0), model(X), atol=1e-6)  # no dropout, as with False


@pytest.mark.parametrize("layer", [layers.LockedDropout(0.5), layers.EmbeddingDropout(0.5, 9)], ids=lambda layer: layer.name)
def test_layers_around_take_them_too(layer):
    ids = [tf.zeros((2, 5), tf.int32)] if isinstance(layer, layers.EmbeddingDropout) else []
    values = [layer(X, *ids, training=value) for value in (False, None, tf.constant(False))]
    values.append(tf.function(lambda x: layer(x, *ids, training=None))(X))
    for value in values:
        np.testing.assert_array_equal(value, X)


@pytest.mark.parametrize("training", [None, False, True])
def test_the_forward_pass_runs_once_and_keeps_only_what_a_gradient_needs(training, monkeypatch):
    """A gradient is told by its tape: what is exported keeps nothing, and `fit` without `training` runs nothing twice."""
    forwards = []
    original = scan.loops.Scan.forward

    def counted(self, keep):
        forwards.append(keep)
        return original(self, keep)

    monkeypatch.setattr(scan.loops.Scan, "forward", counted)
    layer = layers.GRU(4)
    layer.build(X.shape)

    def gradient(x):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(layer(x, training=training))
        return tape.gradient(loss, [w.value for w in layer.trainable_weights])

    for run in (gradient, tf.function(gradient)):
        forwards.clear()
        assert all(np.abs(g).max() > 0 for g in run(tf.constant(X)))
        assert forwards == [True]
    forwards.clear()
    tf.function(lambda x: layer(x, training=training))(X)
    assert forwards == [training is True]
