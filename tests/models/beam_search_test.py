"""Beam search in the graph, against all texts there are and against a search by hand."""

import functools
import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasrnn.cells import GRUCell
from kerasrnn.models import LanguageModel
from kerasrnn.samplers import BeamSearch
from kerasrnn.tokenizers import CharTokenizer

STEPS = 4


@functools.cache
def model():
    keras.utils.set_random_seed(3)
    tokenizer = CharTokenizer(["?", "\n", "a", "b"], unknown_token="?", start_token="\n")
    made = LanguageModel(GRUCell(6), tokenizer)
    made.set_weights([3.0 * np.random.default_rng(i).normal(size=w.shape) for i, w in enumerate(made.get_weights())])
    return made


@functools.cache
def log_probabilities(prompt, text):
    """Of the token after prompt and text, by the model's own call."""
    token_ids = [model().tokenizer.start_token_id, *model().tokenizer.tokenize(prompt + text).numpy()]
    return tf.nn.log_softmax(model()(np.array([token_ids]))[0, -1]).numpy().astype(float)


def likelihood(prompt, text):
    ids = model().tokenizer.tokenize(text).numpy()
    return sum(log_probabilities(prompt, text[:t])[token] for t, token in enumerate(ids))


def penalised(score, length, alpha):
    return score / ((5 + length) / 6) ** alpha


def ends(text, stop, steps):
    return len(text) == steps or bool(stop) and stop in text


def all_texts(stop, steps):
    texts = ("".join(letters) for length in range(1, steps + 1) for letters in itertools.product("\nab", repeat=length))
    return [t for t in texts if ends(t, stop, steps) and not any(ends(t[:n], stop, steps) for n in range(len(t)))]


def search_by_hand(prompt, stop, steps, num_beams, alpha):
    alive, finished = [(0.0, "")], []
    for length in range(1, steps + 1):
        ways = [
            (score + log_probabilities(prompt, text)[token], text + letter)
            for score, text in alive
            for token, letter in ((1, "\n"), (2, "a"), (3, "b"))
        ]
        ways = sorted(ways, reverse=True)[: 2 * num_beams]
        finished += [(penalised(score, length, alpha), text) for score, text in ways if ends(text, stop, steps)]
        alive = [(score, text) for score, text in ways if not ends(text, stop, steps)][:num_beams]
    return sorted(finished, reverse=True)[:num_beams]


def check(found, expected, stop):
    assert [g.text for g in found] == [text.partition(stop)[0] if stop else text for _, text in expected]
    np.testing.assert_allclose([g.score for g in found], [score for score, _ in expected], rtol=1e-4)
    for generation in found:
        # What belongs to the text alone, even where the stop string counted in the search.
        assert generation.token_ids.tolist() == model().tokenizer.tokenize(generation.text).numpy().tolist()
        assert len(generation.log_probabilities) == len(generation.token_ids)


@pytest.mark.parametrize("alpha", [0.0, 0.7, 2.0])
@pytest.mark.parametrize("stop", ["", "a", "ba"])
def test_a_beam_as_wide_as_all_texts_finds_the_best_of_them(stop, alpha):
    everything = all_texts(stop, STEPS)
    for prompt in ("", "abba"):
        scored = [(penalised(likelihood(prompt, text), len(text), alpha), text) for text in everything]
        search = BeamSearch(len(everything), alpha)
        found = model().generate(
            prompt, STEPS, stop=stop, sampler=search, num_samples=len(everything), return_log_probabilities=True
        )  # fmt: skip
        check(found, sorted(scored, reverse=True), stop)


@pytest.mark.parametrize("alpha", [0.0, 0.7, 2.0])
@pytest.mark.parametrize("stop", ["", "a", "ba"])
@pytest.mark.parametrize("num_beams", [1, 2, 3])
def test_a_narrow_beam_is_the_search_by_hand(num_beams, stop, alpha):
    steps = 6
    found = model().generate(
        "ab", steps, stop=stop, sampler=BeamSearch(num_beams, alpha), num_samples=num_beams, return_log_probabilities=True
    )  # fmt: skip
    check(found, search_by_hand("ab", stop, steps, num_beams, alpha), stop)


def test_the_length_penalty_favours_longer_texts():
    made = LanguageModel(GRUCell(2), model().tokenizer)
    made.output_layer.kernel.assign(np.zeros((2, 4)))
    made.output_layer.bias.assign(np.log([0.1, 0.1, 0.3, 0.5]))
    # Each b costs log 0.5, and a ends the text: log 0.3 is more than log 0.5 · 0.3, but not so when divided by lengths.
    assert [made.generate("", 4, stop="a", sampler=BeamSearch(4, alpha)) for alpha in (0.0, 3.0)] == ["", "bbbb"]


def test_one_beam_is_the_greedy_text():
    for prompt in ("", "a", "bb"):
        assert model().generate(prompt, 9, sampler=BeamSearch(1)) == model().generate(prompt, 9, sampler="greedy")


def test_prompts_beside_each_other_find_what_each_finds_alone():
    prompts, lengths, stops = ["", "abababab", "b\nb"], [3, 7, 5], ["", "ba", "a"]
    search = BeamSearch(3, 0.7)
    together = model().generate(prompts, lengths, stop=stops, sampler=search, num_samples=3)
    alone = [model().generate(p, n, stop=s, sampler=search, num_samples=3) for p, n, s in zip(prompts, lengths, stops)]
    assert together == alone


def test_fewer_texts_where_there_are_no_more():
    assert len(model().generate("", 1, sampler=BeamSearch(9), num_samples=9)) == 3
    assert "?" not in "".join(model().generate("", 3, sampler=BeamSearch(30), num_samples=30))


def test_compiled_once_for_all_lengths_beams_penalties_and_prompts():
    for prompt, steps, num_beams, alpha in (("", 2, 2, 0.0), (["a", "bb"], [3, 9], 5, 0.5), (["abab"] * 3, 4, 1, 1.0)):
        model().generate(prompt, steps, sampler=BeamSearch(num_beams, alpha))
    assert model()._generator._beam_search.search.experimental_get_tracing_count() == 1


def test_no_more_samples_than_beams():
    with pytest.raises(ValueError, match="num_samples: expected at most the search's num_beams, 2; received 3"):
        model().generate("", 3, sampler=BeamSearch(2), num_samples=3)


def test_a_diverged_model_says_so():
    diverged = LanguageModel(GRUCell(2), model().tokenizer)
    diverged.set_weights([np.full(w.shape, np.nan) for w in diverged.get_weights()])
    with pytest.raises(ValueError, match="diverged"):
        diverged.generate("a", 3, sampler="beam_search")
