from statistics import NormalDist

import numpy as np
import tensorflow as tf

from kerasrnn.export.runtime import sampling
from kerasrnn.samplers import normal, uniform


def cells():
    """Cells of the unit interval: all near its ends and its middle, where the formula changes, and some between."""
    changes = [int(edge * 2**24) for edge in (0.075, 0.5, 0.925)]
    near = [np.arange(edge - 300, edge + 300) for edge in changes]
    ends = [np.arange(300), np.arange(2**24 - 300, 2**24)]
    return np.concatenate([*ends, *near, np.random.default_rng(0).integers(0, 2**24, 3000)])


def test_normal_numbers_are_the_inverse_of_the_distribution_function():
    k = cells()
    expected = [NormalDist().inv_cdf((int(one) + 0.5) / 2**24) for one in k]
    z = normal(tf.constant((k * 2.0**-24).astype(np.float32))).numpy()
    np.testing.assert_allclose(z, expected, rtol=1e-6)
    assert np.all(np.diff(z[np.argsort(k)]) >= -2e-6)


def test_normal_numbers_are_symmetric_and_finite():
    u = tf.constant([0.0, 2.0**-24, 0.25, 1 - 2.0**-24], tf.float32)
    z = normal(u).numpy()
    np.testing.assert_array_equal(z, -normal(1 - 2.0**-24 - u).numpy())
    assert z[0] == -z[3] and np.isfinite(z).all()


def test_uniform_numbers_of_far_counters_are_the_runtimes():
    # A path's numbers begin at a multiple of 2³².
    seeds, counter = np.array([-1, 0, 2**62]), 999 * 2**32 + 12_345
    expected = sampling.uniform(seeds, counter)
    np.testing.assert_array_equal(uniform(tf.constant(seeds), tf.constant(counter, tf.int64)), expected)
