"""Samplers as objects: their settings, their draws, their configurations; and errors by name."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasrnn import samplers
from kerasrnn.samplers import BeamSearch, Greedy, MinP, Random, Sampler, TopK, TopP, length_norm, next_token

OFF = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0, "repetition_penalty": 1.0}
POSITIVE, SHARE = st.floats(0.1, 5), st.floats(0.01, 1)
ANY = st.one_of(
    st.builds(Sampler, POSITIVE, st.integers(0, 9), SHARE, SHARE, POSITIVE), st.builds(Greedy, POSITIVE),
    st.builds(Random, POSITIVE, POSITIVE), st.builds(TopK, st.integers(1, 99), POSITIVE, POSITIVE),
    st.builds(TopP, SHARE, POSITIVE, POSITIVE), st.builds(MinP, SHARE, POSITIVE, POSITIVE),
    st.builds(BeamSearch, st.integers(1, 99), POSITIVE),
)  # fmt: skip


@settings(deadline=None, max_examples=50)
@given(ANY)
def test_samplers_come_back_from_their_configuration(sampler):
    serialized = keras.saving.serialize_keras_object(sampler)
    back = samplers.get(serialized)
    assert serialized["registered_name"] == f"kerasrnn>{type(sampler).__name__}"
    assert type(back) is type(sampler) and back.get_config() == sampler.get_config()
    assert getattr(back, "settings", None) == getattr(sampler, "settings", None)


@pytest.mark.parametrize(
    ("sampler", "expected"),
    [(Greedy(2.0), {"temperature": 0.0, "repetition_penalty": 2.0}), (Random(0.5), {"temperature": 0.5}),
     (TopK(3, 0.5, 1.5), {"top_k": 3, "temperature": 0.5, "repetition_penalty": 1.5}),
     (TopP(0.8, 0.7), {"top_p": 0.8, "temperature": 0.7}), (MinP(0.2, 0.9), {"min_p": 0.2, "temperature": 0.9})],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_settings_are_those_of_the_name(sampler, expected):
    assert sampler.settings == {**OFF, **expected}


def test_a_call_draws_as_next_token_does():
    logits = np.random.default_rng(0).normal(0, 2, (50, 9)).astype("float32")
    seen, seed = logits > 1, np.arange(50)
    sampler = Sampler(0.7, 5, 0.9, 0.05, 1.3)
    dtypes = {**dict.fromkeys(OFF, tf.float32), "top_k": tf.int32}
    given = {name: tf.fill((50,), tf.cast(value, dtypes[name])) for name, value in sampler.settings.items()}
    given |= {"seen": tf.constant(seen), "seed": tf.constant(seed), "step": tf.constant(4, tf.int64)}
    expected = next_token(tf.constant(logits), **given)
    np.testing.assert_array_equal(sampler(logits, seed, 4, seen), expected)
    assert len(set(sampler(np.tile(logits[:1], (50, 1)), 7).numpy())) == 1  # one seed for all rows


def test_names():
    found = [samplers.get(name) for name in ("greedy", "random", "top_k", "top_p", "min_p", "beam_search")]
    assert [type(f) for f in found] == [Greedy, Random, TopK, TopP, MinP, BeamSearch]
    assert samplers.get(found[3]) is found[3]


@pytest.mark.parametrize("bad", ["topp", None, 3, TopP, keras.optimizers.SGD()])
def test_what_is_no_sampler_is_refused(bad):
    with pytest.raises(ValueError, match="^sampler: expected one of 'greedy', .*received"):
        samplers.get(bad)


@pytest.mark.parametrize(
    ("make", "arguments", "name"),
    [(TopK, (0,), "k"), (TopK, (2.0,), "k"), (TopK, (True,), "k"), (TopP, (0,), "p"), (TopP, (1.5,), "p"),
     (TopP, (float("nan"),), "p"), (MinP, (-0.1,), "p"), (Random, (-1,), "temperature"), (Random, ("hot",), "temperature"),
     (Random, ([1.0, 2.0],), "temperature"), (Random, (float("inf"),), "temperature"), (Greedy, (0,), "repetition_penalty"),
     (Sampler, (1.0, -1), "top_k"), (BeamSearch, (0,), "num_beams"), (BeamSearch, (2.5,), "num_beams"),
     (BeamSearch, (2, -0.5), "length_penalty"), (BeamSearch, (2, None), "length_penalty")],
    ids=str,
)  # fmt: skip
def test_bad_arguments_are_refused_by_name(make, arguments, name):
    with pytest.raises(ValueError, match=f"^{name}: expected .*; received"):
        make(*arguments)


def test_the_length_penalty_is_that_of_the_paper():
    assert length_norm(1, 0.7) == 1.0 and length_norm(19, 0.5) == 2.0 and length_norm(100, 0.0) == 1.0
