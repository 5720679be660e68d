"""Gradients of gradients and whole Jacobians at a layer's very first call, as Keras's layers give them."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from families import PAIRS, product

X = tf.constant(np.random.default_rng(0).standard_normal((2, 4, 3)), tf.float32)
MASK = tf.constant([[True, True, False, True], [False, True, True, True]])
SOME = ("LSTM", "GRU", "MinGRUCell", "LayerNormLSTMCell")


def two_of(name, **options):
    found = []
    for make in PAIRS[name]:
        layer = make(**options)
        layer.build(X.shape)
        found.append(layer)
    found[0].set_weights(found[1].get_weights())
    return found


def gradient_penalty(layer, mask):
    with tf.GradientTape() as outer:
        with tf.GradientTape() as inner:
            inner.watch(X)
            loss = tf.reduce_sum(layer(X, mask=mask) ** 2)
        penalty = tf.reduce_sum(inner.gradient(loss, X) ** 2)
    return outer.gradient(penalty, layer.trainable_weights)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(("name", "graph"), [("LSTM", False), ("GRU", True), ("MinGRUCell", False)])
@pytest.mark.one_in(5)
def test_gradient_penalty(name, graph, masked):
    mask = MASK if masked else None
    ours, theirs = two_of(name, return_sequences=True)
    received = (tf.function(gradient_penalty) if graph else gradient_penalty)(ours, mask)
    for weight, a, b in zip(theirs.trainable_weights, received, gradient_penalty(theirs, mask), strict=True):
        if b is not None:  # Keras has None where a bias is not reached
            np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4, err_msg=weight.name)


def jacobian(layer, mask, **options):
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(X)
        outputs = layer(X, mask=mask)
    return tape.batch_jacobian(outputs, X, **options)


@pytest.mark.parametrize(
    ("name", "return_sequences", "masked"),
    [
        pytest.param(*case, marks=[] if case in [("LSTM", True, True), ("LSTM", False, False)] else pytest.mark.slow)
        for case in product(SOME, (False, True), (False, True))
    ],
)
def test_batch_jacobian_vectorised_equals_row_by_row(name, return_sequences, masked):
    mask = MASK if masked else None
    layer, _ = two_of(name, return_sequences=return_sequences)
    row_by_row = jacobian(layer, mask, experimental_use_pfor=False)
    np.testing.assert_allclose(jacobian(layer, mask), row_by_row, atol=1e-5)
    assert np.abs(row_by_row).max() > 1e-3
