import itertools
import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasrnn.data import load_corpus
from kerasrnn.ngram import MarkovModel
from kerasrnn.tokenizers import CharTokenizer

TOKENIZER = CharTokenizer(["\ufffd", "\n", "a", "b"])


def test_bigrams_by_hand():
    # The start token ⏎ before it, "abab" is ⏎a ab ba ab.
    model = MarkovModel(order=2, smoothing=1.0, tokenizer=TOKENIZER).fit("abab")
    np.testing.assert_allclose(model.probabilities("a"), np.array([1, 1, 1, 3]) / 6)
    np.testing.assert_allclose(model.probabilities("b"), np.array([1, 1, 2, 1]) / 5)
    np.testing.assert_allclose(model.probabilities(""), np.array([1, 1, 2, 1]) / 5)
    np.testing.assert_allclose(model.probabilities("?"), np.array([1, 1, 1, 1]) / 4)
    probability = 2 / 5 * 3 / 6 * 1 / 5
    assert model.log_likelihood("abb") == pytest.approx(math.log(probability))
    assert model.bits_per_token("abb") == pytest.approx(-math.log2(probability) / 3)
    assert model.perplexity("abb") == pytest.approx(probability ** (-1 / 3))


def test_unigrams_by_hand():
    model = MarkovModel(order=1, smoothing=0.5, tokenizer=TOKENIZER).fit("aab")
    np.testing.assert_allclose(model.probabilities("anything"), np.array([0.5, 0.5, 2.5, 1.5]) / 5)
    assert model.log_likelihood("b?") == pytest.approx(math.log(1.5 / 5 * 0.5 / 5))


def test_trigrams_by_hand():
    # ⏎⏎a ⏎aa aab
    model = MarkovModel(order=3, smoothing=1.0, tokenizer=TOKENIZER).fit("aab")
    np.testing.assert_allclose(model.probabilities("a"), np.array([1, 1, 2, 1]) / 5)
    np.testing.assert_allclose(model.probabilities("baa"), np.array([1, 1, 1, 2]) / 5)


@given(st.integers(1, 4), st.floats(1e-3, 10), st.lists(st.integers(0, 2), min_size=1, max_size=40))
@settings(deadline=None, max_examples=50)
def test_probabilities_of_each_context_sum_to_1_and_make_up_the_likelihood(order, smoothing, token_ids):
    model = MarkovModel(order, smoothing, vocabulary_size=3, start_token_id=1).fit(token_ids)
    for context in itertools.product(range(3), repeat=order):
        distribution = model.probabilities(context)
        assert np.all(distribution > 0)
        assert np.sum(distribution) == pytest.approx(1)
    each = [model.probabilities(token_ids[:i])[token] for i, token in enumerate(token_ids)]
    assert model.log_likelihood(token_ids) == pytest.approx(np.sum(np.log(each)))


def test_likelihoods_of_all_texts_of_a_length_sum_to_1():
    model = MarkovModel(order=3, smoothing=0.1, vocabulary_size=3).fit([0, 1, 2, 2, 1, 0, 0, 1])
    total = sum(math.exp(model.log_likelihood(text)) for text in itertools.product(range(3), repeat=4))
    assert total == pytest.approx(1)


def test_fit_forgets_what_was_counted_before():
    model = MarkovModel(tokenizer=TOKENIZER)
    assert model.fit("bbbb").fit("ab") is model
    assert model.log_likelihood("ab") == MarkovModel(tokenizer=TOKENIZER).fit("ab").log_likelihood("ab")


def test_longer_contexts_predict_a_novel_better():
    corpus = load_corpus("moby_dick")
    tokenizer = CharTokenizer()
    tokenizer.adapt(corpus.train)
    began = time.process_time()
    bits = [
        MarkovModel(order, 0.01, tokenizer=tokenizer).fit(corpus.train).bits_per_token(corpus.validation)
        for order in (1, 2, 3)
    ]
    assert time.process_time() - began < 10
    assert bits[0] > bits[1] > bits[2] > 2
    assert bits[0] == pytest.approx(4.5, abs=0.1)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({}, "Exactly one of tokenizer and vocabulary_size"),
        ({"tokenizer": TOKENIZER, "vocabulary_size": 4}, "Exactly one"),
        ({"order": 0, "vocabulary_size": 4}, "order must be"),
        ({"order": 2.0, "vocabulary_size": 4}, "order must be"),
        ({"vocabulary_size": 0}, "vocabulary_size must be"),
        ({"smoothing": -1e-3, "vocabulary_size": 4}, "smoothing must be 0 or more"),
        ({"smoothing": math.nan, "vocabulary_size": 4}, "smoothing must be 0 or more"),
        ({"unknown_token_id": -1, "vocabulary_size": 4}, r"unknown_token_id must be in \[0, 4\)"),
        ({"start_token_id": 4, "vocabulary_size": 4}, r"start_token_id must be in \[0, 4\)"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        MarkovModel(**arguments)


def test_numpy_integers():
    token_ids = np.array([3, 1, 3, 0], "uint64")
    small = MarkovModel(np.int8(31), vocabulary_size=np.int8(4)).fit(token_ids)
    assert small.log_likelihood(token_ids) == MarkovModel(31, vocabulary_size=4).fit([3, 1, 3, 0]).log_likelihood(token_ids)


@pytest.mark.parametrize("order", [30, 40])  # 4 ** 40 is more than an int64 holds
def test_the_longest_sequences(order):
    model = MarkovModel(order, 1.0, vocabulary_size=4).fit([3] * 40)
    assert model.probabilities([3] * 40)[3] == pytest.approx((40 - order + 2) / (40 - order + 5))


def test_maximum_likelihood():
    model = MarkovModel(order=2, smoothing=0, tokenizer=TOKENIZER).fit("abaab")
    np.testing.assert_allclose(model.probabilities("a"), [0, 0, 1 / 3, 2 / 3])
    assert model.probabilities("?").tolist() == [0, 0, 0, 0]
    assert model.log_likelihood("bb") == -math.inf
    assert model.perplexity("bb") == math.inf
    assert model.bits_per_token("ab") == pytest.approx(-math.log2(1 * 2 / 3) / 2)


def test_documents_each_follow_the_start_token():
    model = MarkovModel(order=2, smoothing=0, tokenizer=TOKENIZER).fit(["ab", "ab", "", "b"])
    np.testing.assert_allclose(model.probabilities(""), [0, 0, 2 / 3, 1 / 3])
    assert model.probabilities("b").tolist() == [0, 0, 0, 0]  # no document goes on after it
    assert model.fit([[2, 3], [3]]).probabilities([2]).tolist() == [0, 0, 0, 1]


def test_bad_texts():
    model = MarkovModel(vocabulary_size=4)
    with pytest.raises(ValueError, match="call fit"):
        model.perplexity([1])
    with pytest.raises(TypeError, match="needs a tokenizer"):
        model.fit("abc")
    with pytest.raises(ValueError, match=r"\[0, 4\).*has 4 at position 1"):
        model.fit([1, 4])
    with pytest.raises(ValueError, match="at least one token"):
        model.fit([])
