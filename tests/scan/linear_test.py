"""The linear scan in both its forms, against a loop in NumPy and against finite differences."""

import numpy as np
import pytest
import tensorflow as tf

from kerasrnn.scan import linear_scan

RANDOM = np.random.default_rng(0)
A, B, INITIAL = RANDOM.uniform(-1, 1, (6, 2, 3)), RANDOM.standard_normal((6, 2, 3)), RANDOM.standard_normal((2, 3))


@pytest.mark.parametrize("associative", [False, True])
def test_values_and_gradients(associative):
    expected, h = [], INITIAL
    for a, b in zip(A, B):
        h = a * h + b
        expected.append(h)

    @tf.function
    def run(*arguments):
        with tf.GradientTape() as tape:
            tape.watch(arguments)
            states = linear_scan(*arguments, associative=associative)
            loss = tf.reduce_sum(tf.sin(states))
        return states, loss, tape.gradient(loss, arguments)

    arguments = [tf.constant(v) for v in (A, B, INITIAL)]
    states, _, gradients = run(*arguments)
    np.testing.assert_allclose(states, expected, atol=1e-12)
    for i, gradient in enumerate(gradients):
        direction = tf.constant(RANDOM.standard_normal(gradient.shape))
        moved = [[v + sign * 1e-6 * direction if i == j else v for j, v in enumerate(arguments)] for sign in (1, -1)]
        slope = (run(*moved[0])[1] - run(*moved[1])[1]) / 2e-6
        np.testing.assert_allclose(tf.reduce_sum(gradient * direction), slope, rtol=1e-7)


def test_no_steps():
    empty = tf.zeros((0, 2, 3))
    assert tf.function(linear_scan)(empty, empty, tf.ones((2, 3))).shape == (0, 2, 3)
