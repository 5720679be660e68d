"""Drawing and searching with any step function or Keras model."""

import functools
import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasrnn import samplers
from kerasrnn.cells import LSTMCell
from kerasrnn.models import LanguageModel, decode
from kerasrnn.tokenizers import CharTokenizer

END = 3


@functools.cache
def model():
    keras.utils.set_random_seed(3)
    tokenizer = CharTokenizer(["?", "\n", "a", "b", "c"], unknown_token="?", start_token="\n")
    made = LanguageModel(LSTMCell(6), tokenizer)
    made.set_weights([2.0 * np.random.default_rng(i).normal(size=w.shape) for i, w in enumerate(made.get_weights())])
    return made


def step(tokens, states):
    """The language model's, with its states nested."""
    logits, (h, c) = model()(tokens[:, None], initial_state=[states["h"], states["more"][0]], return_state=True)
    return logits[:, 0], {"h": h, "more": [c]}


def begin(rows=2):
    h, c = model().get_initial_state(rows)
    return [1] * rows, {"h": h, "more": [c]}


def plain_model():
    inputs = keras.Input((None,), dtype="int32")
    return keras.Model(inputs, model()(inputs))


@functools.cache
def log_probabilities(token_ids):
    return tf.nn.log_softmax(model()(np.array([[1, *token_ids]]))[0, -1]).numpy().astype(float)


def likelihood(token_ids):
    return sum(log_probabilities(tuple(token_ids[:t]))[token] for t, token in enumerate(token_ids))


DRAWN = [
    samplers.Greedy(), samplers.Random(0.7), samplers.TopK(2), samplers.Sampler(1.5, 0, 0.9, 0.05, repetition_penalty=1.3),
]  # fmt: skip


@pytest.mark.parametrize("mode", ["eager", "graph", "model", "model in a graph"])
@pytest.mark.parametrize("sampler", [*DRAWN, samplers.BeamSearch(3)], ids=str)
def test_it_writes_what_the_language_model_generates(sampler, mode):
    search = isinstance(sampler, samplers.BeamSearch)
    expected = model().generate(["", ""], 6, sampler=sampler, seed=None if search else [7, 8], return_log_probabilities=True)
    arguments = (plain_model(), [1, 1], None) if "model" in mode else (step, *begin())
    call = functools.partial(decode, *arguments, 6, sampler, seed=[7, 8], never=[0])
    written = tf.function(call, autograph=False)() if "graph" in mode else call()
    np.testing.assert_array_equal(written.token_ids, [found.token_ids for found in expected])
    np.testing.assert_allclose(written.log_probabilities, [found.log_probabilities for found in expected], atol=1e-5)
    np.testing.assert_allclose(written.score, [found.score for found in expected], atol=1e-5)
    assert written.num_tokens.numpy().tolist() == [6, 6]


@pytest.mark.parametrize("sampler", [samplers.Random(), samplers.BeamSearch(2)], ids=str)
@pytest.mark.parametrize("graph", [False, True])
def test_the_end_token_ends_a_row_and_counts(sampler, graph):
    call = functools.partial(decode, step, *begin(5), [1, 9, 9, 9, 4], sampler, seed=[0, 1, 2, 3, 4], end_token_id=END)
    written = tf.function(call, autograph=False)() if graph else call()
    for row, most in enumerate([1, 9, 9, 9, 4]):
        count = int(written.num_tokens[row])
        token_ids = written.token_ids[row].numpy().tolist()
        assert END not in token_ids[:count] and (count == most or token_ids[count] == END)
        whole = token_ids[: count + (count < most)]
        assert float(written.score[row]) == pytest.approx(likelihood(whole), abs=1e-4)
    assert any(int(count) < 9 for count in written.num_tokens[1:4])


def test_a_wide_search_finds_the_best_of_all_there_are():
    penalty, steps = 0.7, 3
    rows = [ids for n in range(1, steps + 1) for ids in itertools.product(range(5), repeat=n)]
    rows = [ids for ids in rows if END not in ids[:-1] and (len(ids) == steps or ids[-1] == END)]
    ranked = sorted(rows, key=lambda ids: -likelihood(ids) / ((5 + len(ids)) / 6) ** penalty)
    found = decode(step, *begin(1), steps, samplers.BeamSearch(125, penalty), end_token_id=END, num_samples=5)
    assert found.token_ids.shape[:2] == found.score.shape == (1, 5)
    for ids, count, written, score in zip(ranked, found.num_tokens[0], found.token_ids[0], found.score[0]):
        count = int(count) + (ids[-1] == END)
        assert tuple(written.numpy()[:count]) == ids
        assert float(score) == pytest.approx(likelihood(ids) / ((5 + len(ids)) / 6) ** penalty, abs=1e-4)


def test_states_may_grow_and_what_is_constant_follows_its_row():
    """An encoder's memory of unequal rows, and a cache of all tokens: a beam must never take another row's."""
    memory = tf.one_hot([[1, 2], [2, 4]], 5) * 9.0

    def copy(tokens, states):
        place = tf.shape(states["cache"])[1]
        logits = tf.gather(states["memory"], tf.minimum(place, 1), axis=1)
        return logits, {**states, "cache": tf.concat([states["cache"], tokens[:, None]], axis=1)}

    def call(sampler):
        states = {"memory": memory, "cache": tf.zeros((2, 0), tf.int32)}
        return decode(copy, [0, 0], states, 2, sampler).token_ids

    for sampler in ("greedy", samplers.BeamSearch(3)):
        for run in (call, tf.function(call, autograph=False)):
            assert run(sampler).numpy().tolist() == [[1, 2], [2, 4]]


def test_a_samplers_own_call_draws():
    class Last(samplers.Sampler):
        def __call__(self, logits, seed, step=0, seen=None):
            return tf.fill((tf.shape(logits)[0],), 4)

    assert decode(step, *begin(), 3, Last()).token_ids.numpy().tolist() == [[4, 4, 4]] * 2


def test_a_prompt_of_a_model_and_no_rows():
    written = decode(plain_model(), [[1, 2, 3], [1, 4, 4]], max_new_tokens=4, sampler="greedy", never=[0])
    expected = model().generate(["ab", "cc"], 4, sampler="greedy", return_log_probabilities=True)
    np.testing.assert_array_equal(written.token_ids, [found.token_ids for found in expected])
    assert decode(step, *begin(0), 3, "greedy").token_ids.shape[0] == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"max_new_tokens": 0}, "max_new_tokens: expected an integer of at least 1"),
        ({"tokens": [[1], [1]]}, r"tokens: expected integers \(batch,\), the last token of each row"),
        ({"step": lambda tokens, states: (tf.zeros((2, 1, 5)), states)}, r"step: expected logits \(batch, vocabulary\)"),
        ({"num_samples": 2}, "num_samples: expected None with Random"),
        ({"num_samples": 5, "sampler": samplers.BeamSearch(4)}, "num_samples: expected 1 to 4, num_beams; received 5"),
        ({"sampler": "best"}, "sampler: expected one of"),
        ({"step": keras.Sequential([keras.layers.Dense(2)])}, "states: expected None with a Keras model"),
    ],
)
def test_bad_arguments(changes, message):
    tokens, states = begin()
    with pytest.raises(ValueError, match=message):
        decode(**{"step": step, "tokens": tokens, "states": states, **changes})


def test_impossible_tokens_are_never_written():
    def even(tokens, states):
        return tf.zeros((tf.shape(tokens)[0], 5)), states

    for sampler in ("random", samplers.BeamSearch(2)):
        written = decode(even, [0, 0], (), 20, sampler, never=[0, 1, 2, 4])
        assert set(written.token_ids.numpy().ravel()) == {3}
