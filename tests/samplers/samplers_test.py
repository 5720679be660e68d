"""The shared random numbers and the draw, in TensorFlow and in NumPy, against the recipe in plain integers."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasrnn.export.runtime import sampling as runtime
from kerasrnn.samplers import next_token, uniform

MASK = 2**64 - 1
GAMMA = 0x9E3779B97F4A7C15


def splitmix(seed, step):
    """SplitMix64 as a counter hash, in Python's integers."""

    def mix(z):
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        return z ^ (z >> 31)

    key = mix((seed + GAMMA) & MASK)
    return (mix((key + (step + 1) * GAMMA) & MASK) >> 40) * 2.0**-24


@settings(deadline=None, max_examples=60)
@given(st.integers(-(2**63), 2**63 - 1), st.integers(0, 2**31))
def test_numbers_are_splitmix_bit_for_bit(seed, step):
    expected = splitmix(seed % 2**64, step)
    assert uniform(tf.constant([seed], tf.int64), tf.constant(step, tf.int64)).numpy()[0] == expected
    assert runtime.uniform(np.array([seed]), step)[0] == expected


def test_numbers_are_uniform():
    draws = runtime.uniform(np.arange(100_000), 3)
    assert 0 <= draws.min() and draws.max() < 1
    assert np.all(np.abs(np.histogram(draws, 10, (0, 1))[0] / 10_000 - 1) < 0.05)


# A toy vocabulary, so that a failure can be read: the probabilities are those shown.
PROBABILITIES = np.array([0.1, 0.4, 0.2, 0.3], np.float32)


OFF = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0, "repetition_penalty": 1.0}


def both(logits, seen, seed, step=0, **settings):
    """The tokens drawn by TensorFlow, which NumPy must draw too."""
    rows = len(logits)
    arguments = {k: np.full(rows, v, np.int32 if k == "top_k" else np.float32) for k, v in {**OFF, **settings}.items()}
    arguments |= {"logits": logits.astype(np.float32), "seen": seen, "seed": seed.astype(np.int64)}
    ours = next_token(**{k: tf.constant(v) for k, v in arguments.items()}, step=tf.constant(step, tf.int64)).numpy()
    np.testing.assert_array_equal(runtime.next_token(**arguments, step=step), ours)
    return ours


def draws(rows=4000, probabilities=PROBABILITIES, seen=(False,) * 4, shift=0.0, **settings):
    logits = np.tile(np.log(probabilities) + shift, (rows, 1))
    ours = both(logits, np.tile(seen, (rows, 1)), np.arange(rows), **settings)
    return np.bincount(ours, minlength=len(probabilities)) / rows


def test_draws_follow_the_probabilities():
    np.testing.assert_allclose(draws(), PROBABILITIES, atol=0.03)


def test_temperature():
    for cold in (0, 1e-45, 1e-40, 1e-30):  # the runtimes differ in whether they take denormal numbers for 0
        assert draws(temperature=cold)[1] == 1
    np.testing.assert_allclose(draws(temperature=0.5), PROBABILITIES**2 / np.sum(PROBABILITIES**2), atol=0.03)


@pytest.mark.parametrize(("top_k", "kept"), [(1, [1]), (2, [1, 3]), (3, [1, 2, 3]), (4, [0, 1, 2, 3]), (99, [0, 1, 2, 3])])
def test_top_k(top_k, kept):
    expected = np.where(np.isin(range(4), kept), PROBABILITIES, 0)
    np.testing.assert_allclose(draws(top_k=top_k), expected / expected.sum(), atol=0.03)


@pytest.mark.parametrize(("top_p", "kept"), [(0.01, [1]), (0.39, [1]), (0.41, [1, 3]), (0.71, [1, 2, 3]), (0.95, [0, 1, 2, 3])])
def test_top_p(top_p, kept):
    expected = np.where(np.isin(range(4), kept), PROBABILITIES, 0)
    np.testing.assert_allclose(draws(top_p=top_p), expected / expected.sum(), atol=0.03)


def test_top_p_acts_on_what_top_k_left():
    # Of 0.4 and 0.3 the first alone has 0.57 of the mass, so that 0.5 keeps it alone.
    assert draws(top_k=2, top_p=0.5)[1] == 1


@pytest.mark.parametrize(("min_p", "kept"), [(0.0, [0, 1, 2, 3]), (0.26, [1, 2, 3]), (0.51, [1, 3]), (0.8, [1]), (1.0, [1])])
def test_min_p(min_p, kept):
    expected = np.where(np.isin(range(4), kept), PROBABILITIES, 0)
    np.testing.assert_allclose(draws(min_p=min_p), expected / expected.sum(), atol=0.03)


def test_min_p_acts_after_temperature_and_top_k():
    # At temperature 0.5 the ratios are squared: 0.3 is 0.56 as likely as 0.4.
    assert draws(min_p=0.6, temperature=0.5)[1] == 1
    assert draws(min_p=0.2, top_k=2)[[0, 2]].sum() == 0


@pytest.mark.parametrize("shift", [-3.0, 0.0, 3.0], ids=["negative", "as they are", "positive"])
def test_repetition_penalty_makes_what_was_seen_less_likely_whatever_its_sign(shift):
    seen = (False, True, False, True)
    logits = np.log(PROBABILITIES) + shift
    logits = np.where(seen, np.where(logits > 0, logits / 1.5, logits * 1.5), logits)
    expected = np.exp(logits) / np.exp(logits).sum()
    assert expected[1] < PROBABILITIES[1] and expected[3] < PROBABILITIES[3]
    np.testing.assert_allclose(draws(seen=seen, shift=shift, repetition_penalty=1.5), expected, atol=0.03)


def test_repetition_penalty_acts_on_the_greedy_token_too():
    assert draws(temperature=0, seen=(False, True, False, False), repetition_penalty=5.0)[3] == 1


def test_a_token_at_minus_infinity_is_never_drawn():
    with np.errstate(divide="ignore"):
        assert draws(probabilities=np.array([0, 0.5, 0.5, 0], np.float32), temperature=3.0)[[0, 3]].sum() == 0


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32), st.integers(2, 40), st.sampled_from([0.0, 1e-40, 1e-30, 0.3, 1.0, 2.0]), st.integers(0, 50),
       st.floats(2.0**-7, 1.0, width=32), st.sampled_from([0.0, 0.1, 0.9]), st.sampled_from([0.5, 1.0, 1.3]),
       st.integers(0, 1000))  # fmt: skip
def test_tensorflow_and_numpy_draw_alike(seed, vocabulary, temperature, top_k, top_p, min_p, repetition_penalty, step):
    random = np.random.default_rng(seed)
    logits, seen = random.normal(0, 3, (2, vocabulary)), random.random((2, vocabulary)) < 0.3
    both(logits, seen, np.full(2, seed), step, temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p,
         repetition_penalty=repetition_penalty)  # fmt: skip
