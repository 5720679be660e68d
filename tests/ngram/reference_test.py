"""Every probability of every context, against dictionaries, nltk and figures worked out by hand."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import ngram as reference

from kerasrnn.ngram import KneserNeyModel, LaplaceModel, MarkovModel

SIZE = 4
TEXTS = st.lists(st.lists(st.integers(0, SIZE - 1), max_size=60), min_size=1, max_size=3).filter(any)


def check(model, expected):
    """All V^order probabilities, those of a context's tokens summing to 1; and those of a text, in one go."""
    for context in itertools.product(range(SIZE), repeat=model.order - 1):
        found = model.probabilities([*context])
        assert found.sum() == pytest.approx(1)
        np.testing.assert_allclose(found, [expected(word, context) for word in range(SIZE)], rtol=1e-9)
    text = [*range(SIZE), *reversed(range(SIZE))]
    padded = [model.start_token_id] * (model.order - 1) + text
    each = [expected(word, padded[i : i + model.order - 1]) for i, word in enumerate(text)]
    np.testing.assert_allclose(model.token_log_probabilities(text), np.log(each), rtol=1e-9)


@given(TEXTS, st.integers(1, 4))
@settings(deadline=None, max_examples=25)
def test_kneser_ney(texts, order):
    model = KneserNeyModel(order, vocabulary_size=SIZE, start_token_id=1).fit(texts)
    check(model, reference.ModifiedKneserNey(texts, order, SIZE, start=1))


@given(TEXTS, st.integers(1, 4), st.floats(1e-3, 10), st.floats(1e-3, 10))
@settings(deadline=None, max_examples=25)
def test_laplace(texts, order, first, last):
    smoothing = [first, last] if order > 1 else [first]
    model = LaplaceModel(order, smoothing, vocabulary_size=SIZE, start_token_id=1).fit(texts)
    check(model, reference.Laplace(texts, order, smoothing, SIZE, start=1))


def test_kneser_ney_with_discounts_of_its_own():
    # Zipf's law, so that sequences occur once, twice, three and four times at each length but the first.
    rng = np.random.default_rng(0)
    weights = 1 / np.arange(1, 41) ** 1.2
    text = rng.choice(40, size=1500, p=weights / weights.sum())
    model = KneserNeyModel(3, vocabulary_size=40).fit(text)
    expected = reference.ModifiedKneserNey([text.tolist()], 3, 40, start=0)
    np.testing.assert_allclose(model.discounts, [discounts for _, discounts in expected.levels])
    assert model.discounts[1] != (0.5, 1.0, 1.5) and model.discounts[2] != (0.5, 1.0, 1.5)
    for context in ([0, 1], [3, 0], [39, 39], [0, 39], text[:2]):
        np.testing.assert_allclose(model.probabilities(context), [expected(w, [*context]) for w in range(40)], rtol=1e-9)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_nltk(order):
    lm = pytest.importorskip("nltk.lm", reason="nltk is not installed: pip install -e '.[dev]'")
    from nltk.lm.preprocessing import pad_both_ends
    from nltk.util import everygrams

    text = ["the", "cat", "sat", "on", "the", "mat", "the", "cat", "ran"]
    vocabulary = ["<UNK>", "<s>", *sorted({*text})]
    ids = [vocabulary.index(word) for word in text]
    padded = [word for word in pad_both_ends(text, n=order) if word != "</s>"]
    for smoothing in (0, 1, 0.25):
        theirs = lm.MLE(order) if smoothing == 0 else lm.Lidstone(smoothing, order)
        theirs.fit([everygrams(padded, max_len=order)], vocabulary_text=["<s>", *text])
        ours = MarkovModel(order, smoothing, vocabulary_size=len(vocabulary), start_token_id=1).fit(ids)
        for end in range(order - 1, len(padded)):
            context = padded[end - order + 1 : end]
            expected = [theirs.score(word, context or None) for word in vocabulary]
            if order == 1:  # nltk counts its one <s> among the words; there is none to be padded with
                assert padded == text
            np.testing.assert_allclose(ours.probabilities([vocabulary.index(word) for word in context]), expected)


def test_kneser_ney_by_hand():
    # ⏎a ab ba ab: what comes before a is ⏎ or b, before b only a; the counts of counts have holes, so D = ½, 1, 1½.
    model = KneserNeyModel(2, vocabulary_size=3).fit([1, 2, 1, 2])
    p_a, p_b = (2 - 1) / 3 + (1 + 0.5) / 3 / 3, (1 - 0.5) / 3 + (1 + 0.5) / 3 / 3
    p_start = (1 + 0.5) / 3 / 3
    np.testing.assert_allclose(model.probabilities([1]), [p_start / 2, p_a / 2, 1 / 2 + p_b / 2])  # ab twice
    np.testing.assert_allclose(model.probabilities([2]), [p_start / 2, 1 / 2 + p_a / 2, p_b / 2])  # ba once
    assert model.log_likelihood([1, 2]) == pytest.approx(math.log((0.5 + 0.5 * p_a) * (0.5 + 0.5 * p_b)))


def test_laplace_goes_from_maximum_likelihood_to_its_base():
    text = [1, 2, 1, 2, 0, 1]
    counted = MarkovModel(2, 0, vocabulary_size=3).fit(text).probabilities([1])
    np.testing.assert_allclose(LaplaceModel(2, 1e-9, vocabulary_size=3).fit(text).probabilities([1]), counted, atol=1e-8)
    unigrams = LaplaceModel(2, [1e-9, 1e9], vocabulary_size=3).fit(text).probabilities([1])
    np.testing.assert_allclose(unigrams, np.array([1, 3, 2]) / 6, atol=1e-8)
    uniform = LaplaceModel(2, 1e12, vocabulary_size=3).fit(text).probabilities([1])
    np.testing.assert_allclose(uniform, 1 / 3, atol=1e-8)


@pytest.mark.parametrize("smoothing", [0, -1, math.inf, [1.0], [1.0, 2.0, 3.0], [1.0, 0.0], math.nan])
def test_bad_smoothing(smoothing):
    with pytest.raises(ValueError, match=r"smoothing must be a number above 0, or 2 of them for order=3, but is"):
        LaplaceModel(3, smoothing, vocabulary_size=3)
