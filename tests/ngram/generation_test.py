"""Drawing, and the most likely of all texts of a length: against each of them."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasrnn.ngram import KneserNeyModel, LaplaceModel, MarkovModel
from kerasrnn.ngram._interpolation import Interpolation
from kerasrnn.ngram._most_likely import search
from kerasrnn.ngram._trie import Trie
from kerasrnn.tokenizers import ByteTokenizer, CharTokenizer

TOKENIZER = CharTokenizer(["\ufffd", "\n", "a", "b"])
MODELS = {
    "kneser_ney": lambda order: KneserNeyModel(order, vocabulary_size=3),
    "laplace": lambda order: LaplaceModel(order, 0.5, vocabulary_size=3),
    "additive": lambda order: MarkovModel(order, 0.5, vocabulary_size=3),
    "maximum_likelihood": lambda order: MarkovModel(order, 0.0, vocabulary_size=3),
}


@pytest.mark.parametrize("name", MODELS)
@given(
    st.lists(st.integers(0, 2), min_size=1, max_size=25), st.lists(st.integers(0, 2), max_size=3), st.integers(1, 4),
    st.integers(1, 5),
)  # fmt: skip
@settings(deadline=None, max_examples=30)
def test_the_most_likely_of_all(name, text, prompt, order, length):
    model = MODELS[name](order).fit(text)
    best = max(
        sum(
            np.log(max(model.probabilities([*prompt, *continuation[:i]])[token], 1e-300))
            for i, token in enumerate(continuation)
        )
        for continuation in itertools.product(range(3), repeat=length)
    )
    if best < -500:
        with pytest.raises(ValueError, match="no continuation of"):
            model.most_likely(length, prompt)
        return
    found, log_likelihood = model.most_likely(length, prompt)
    assert log_likelihood == pytest.approx(best)
    assert sum(
        np.log(model.probabilities([*prompt, *found[:i]])[token]) for i, token in enumerate(found)
    ) == pytest.approx(best)  # fmt: skip


@pytest.mark.parametrize("order", [1, 2, 3, 4])
@pytest.mark.parametrize("power", [1, 4, 16])
def test_the_most_likely_of_all_whatever_the_figures(order, power):
    """In no model of a text does less context pay; where it does, a search that takes a short cut shows."""
    for seed in range(25):
        rng = np.random.default_rng(seed)
        trie = Trie.of_texts([rng.integers(0, 4, 12)], order, 4, 0)
        lengths = range(1, order + 1)
        model = Interpolation(
            trie,
            [None, *(rng.uniform(size=trie.size(k)) ** power for k in lengths)],
            [None, *(2 * rng.uniform(size=trie.size(k - 1)) ** 3 for k in lengths)],
        )
        context = rng.integers(0, 4, order - 1)
        every = itertools.product(range(4), repeat=3)
        best = max(np.log(model.probabilities(np.array([*context, *tokens]))).sum() for tokens in every)
        found, score = search(model, context, 3, None)
        assert score == pytest.approx(best)
        assert np.log(model.probabilities(np.array([*context, *found]))).sum() == pytest.approx(best)


def test_the_most_likely_beats_the_greedy_one():
    # a comes first more often, but what follows b is certain.
    texts = ["aa"] * 2 + ["ab"] * 2 + ["bb"] * 3
    model = MarkovModel(2, 0, tokenizer=TOKENIZER).fit(texts)
    assert model.generate("", 1, temperature=0) == "a"
    assert model.most_likely(2) == ("bb", pytest.approx(np.log(3 / 7)))


def test_draws_follow_the_probabilities():
    model = KneserNeyModel(2, vocabulary_size=3).fit([1, 2, 1, 2, 1, 0, 1, 1])
    drawn = model.generate([1], 20_000, seed=0)
    after = np.bincount(drawn[1:][drawn[:-1] == 1], minlength=3)
    np.testing.assert_allclose(after / after.sum(), model.probabilities([1]), atol=0.02)


def test_a_seed_repeats_its_text_and_temperature_0_takes_the_most_likely():
    model = KneserNeyModel(3, tokenizer=TOKENIZER).fit("abbaabab\nab")
    assert model.generate("a", 30, seed=7) == model.generate("a", 30, seed=7)
    assert len({model.generate("a", 30, seed=seed) for seed in range(5)}) == 5
    assert model.generate("a", 3, temperature=0) == model.generate("a", 3, temperature=1e-3, seed=1)


def test_the_unknown_token_is_neither_drawn_nor_most_likely():
    model = MarkovModel(2, 0.1, tokenizer=TOKENIZER).fit("????????a?")
    assert np.argmax(model.probabilities("?")) == 0
    assert "\ufffd" not in model.generate("?", 200, seed=0) + model.generate("?", 5, temperature=0)
    assert "\ufffd" not in model.most_likely(5, "?")[0]
    model = KneserNeyModel(3, vocabulary_size=3, unknown_token_id=2).fit([2, 2, 2, 0, 2, 2, 1])
    assert 2 not in model.generate([2], 100, seed=0)
    assert 2 not in model.most_likely(6, [2])[0]


def test_drawn_bytes_need_not_be_text():
    tokenizer = ByteTokenizer()
    model = MarkovModel(1, 0.1, tokenizer=tokenizer).fit("é—ü")
    assert "\ufffd" in model.generate("", 50, seed=0)
    assert isinstance(model.most_likely(3)[0], str)


def test_bad_arguments():
    model = MarkovModel(2, 0.0, vocabulary_size=3)
    with pytest.raises(ValueError, match="call fit"):
        model.generate([1])
    model.fit([1, 2])
    with pytest.raises(ValueError, match=r"prompt must end in .* after 0 tokens nothing is possible"):
        model.generate([2], 5)
    with pytest.raises(ValueError, match="temperature must be at least 0, but is -1"):
        model.generate([1], temperature=-1)
    with pytest.raises(ValueError, match="max_new_tokens must be"):
        model.generate([1], 0)
    with pytest.raises(ValueError, match="length must be"):
        model.most_likely(0)
    with pytest.raises(TypeError, match="needs a tokenizer"):
        model.generate("a")
