"""The figures are those of a plain count of the whole text, whatever pieces it came in."""

import math
import os
import re
from collections import Counter
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasrnn.statistics import TextStatistics, text_statistics

ORDERS = (1, 2, 3)
TEXTS = st.text(st.sampled_from("aabBéß —.\n\t\u2028\x1c\u0301👍\ud800"), max_size=60)


def count(text, tokens, normalization):
    """The most frequent n-grams of each order, counted the plain way."""
    if normalization == "letters":
        text = re.sub("[^A-Za-z]+", " ", text).lower()
    text, glue = (text.split(), " ") if tokens == "word" else (text, "")
    counters = (Counter(glue.join(ngram) for ngram in zip(*(text[start:] for start in range(order)))) for order in ORDERS)
    return [sorted(counter.items(), key=lambda pair: (-pair[1], pair[0])) for counter in counters]


def counted(statistics):
    return [statistics.most_frequent(order=order) for order in ORDERS]


both_kinds = pytest.mark.parametrize("tokens", ["word", "char"])
both_normalizations = pytest.mark.parametrize("normalization", ["letters", None])


@both_kinds
@both_normalizations
@given(pieces=st.lists(TEXTS, max_size=6), chunk=st.integers(1, 80), look=st.booleans())
def test_pieces_count_as_the_whole_text(tokens, normalization, pieces, chunk, look):
    with mock.patch.object(text_statistics, "_CHUNK", chunk):
        statistics = TextStatistics(tokens, normalization)
        for place, piece in enumerate(pieces):
            statistics.update(piece)
            if look:  # figures on the way change nothing
                assert counted(statistics) == count("".join(pieces[: place + 1]), tokens, normalization)
    assert counted(statistics) == count("".join(pieces), tokens, normalization)


@both_kinds
@both_normalizations
@given(documents=st.lists(TEXTS, max_size=4), chunk=st.integers(1, 80))
def test_nothing_reaches_over_the_end_of_a_document(tokens, normalization, documents, chunk):
    expected = [Counter(), Counter(), Counter()]
    with mock.patch.object(text_statistics, "_CHUNK", chunk):
        statistics = TextStatistics(tokens, normalization)
        for document in documents:
            statistics.update(document).end_document()
            for counter, pairs in zip(expected, count(document, tokens, normalization)):
                counter.update(dict(pairs))
    assert [dict(pairs) for pairs in counted(statistics)] == expected


@given(text=TEXTS, k=st.integers(0, 20))
def test_the_most_frequent_are_the_first_of_all(text, k):
    statistics = TextStatistics("char", None).update(text)
    for order in ORDERS:
        assert statistics.most_frequent(k, order) == statistics.most_frequent(None, order)[:k]


@given(text=TEXTS)
def test_entropies_are_those_of_their_definitions(text):
    statistics = TextStatistics("char", None, max_order=2).update(text)
    if len(text) < 2:
        assert math.isnan(statistics.entropy(2).lower)
        return
    pairs, contexts, num_types = Counter(zip(text, text[1:])), Counter(text[:-1]), len({*text})
    conditional = -sum(n * math.log2(n / contexts[pair[0]]) for pair, n in pairs.items()) / (len(text) - 1)
    seen_pairs, seen_contexts, length = Counter(), Counter(), 0.0
    for pair in zip(text, text[1:]):
        length -= math.log2((seen_pairs[pair] + 0.5) / (seen_contexts[pair[0]] + num_types / 2))
        seen_pairs[pair] += 1
        seen_contexts[pair[0]] += 1
    lower, corrected, upper = statistics.entropy(2)
    assert lower == pytest.approx(conditional, abs=1e-9)
    assert corrected == pytest.approx(conditional + (len(pairs) - len(contexts)) / (2 * math.log(2) * (len(text) - 1)))
    assert upper == pytest.approx(length / (len(text) - 1), abs=1e-9)
    assert lower <= upper + 1e-9


def test_the_bounds_close_on_a_known_source():
    """A Markov chain whose entropies are known: each token is the last one with probability 0.9."""
    random = np.random.default_rng(0)
    text = "".join("ab"[bit] for bit in np.cumsum(random.random(100_000) < 0.1) % 2)
    statistics = TextStatistics("char").update(text)
    rate = -(0.9 * math.log2(0.9) + 0.1 * math.log2(0.1))
    assert statistics.entropy(1) == pytest.approx((1, 1, 1), abs=2e-3)
    assert statistics.entropy(2) == pytest.approx((rate,) * 3, abs=1e-2)
    assert statistics.entropy(3) == pytest.approx((rate,) * 3, abs=1e-2)


@given(text=TEXTS, other=TEXTS)
def test_out_of_vocabulary_rate(text, other):
    vocabulary = TextStatistics(normalization=None).update(other).get_vocabulary()
    rate = TextStatistics(normalization=None).update(text).out_of_vocabulary_rate(vocabulary)
    unknown = [word not in other.split() for word in text.split()]
    assert rate == pytest.approx(np.mean(unknown)) if unknown else math.isnan(rate)


def test_many_types_are_counted_in_several_walks():
    random = np.random.default_rng(0)
    numbers = random.integers(0, 10_000, 60_000).astype(str).tolist()
    with mock.patch.object(text_statistics, "_CHUNK", 10_000):
        statistics = TextStatistics(normalization=None)
        for start in range(0, len(numbers), 777):
            statistics.update(" ".join(numbers[start : start + 777]) + "\n")
    assert dict(statistics.most_frequent(order=3)) == Counter(map(" ".join, zip(numbers, numbers[1:], numbers[2:])))


def test_a_long_word_in_many_pieces_takes_no_square_of_time():
    statistics = TextStatistics(normalization=None)
    with mock.patch.object(text_statistics, "_CHUNK", 10):
        for _ in range(100_000):
            statistics.update("0123456789")
    assert [len(word) for word in statistics.get_vocabulary()] == [1_000_000]


def test_higher_orders():
    statistics = TextStatistics("char", max_order=5).update("abracadabra")
    assert statistics.most_frequent(2, order=4) == [("abra", 2), ("acad", 1)]
    assert [statistics.ngrams(order).num_tokens for order in range(1, 6)] == [11, 10, 9, 8, 7]


def read_time_machine():
    path = Path(os.environ.get("KERASRNN_DATA", "")) / "time_machine/timemachine.txt"
    if not path.exists():
        pytest.skip(f"{path} is not there: set KERASRNN_DATA to the folder of data sets")
    return path.read_text("utf-8")


def test_the_books_figures_of_the_time_machine():
    text = read_time_machine()
    characters, words = TextStatistics("char"), TextStatistics()
    for start in range(0, len(text), 1000):
        characters.update(text[start : start + 1000])
        words.update(text[start : start + 1000])
    assert (characters.ngrams().num_tokens, characters.ngrams().num_types) == (173_428, 27)
    assert (words.ngrams().num_tokens, words.ngrams().num_types) == (32_775, 4_579)
    names = "the i and of a to was in that my".split()
    assert words.most_frequent(10) == [*zip(names, (2261, 1267, 1245, 1155, 816, 695, 552, 541, 443, 440))]
    assert words.most_frequent(3, order=2) == [("of the", 309), ("in the", 169), ("i had", 130)]
    assert words.most_frequent(2, order=3) == [("the time traveller", 59), ("the time machine", 30)]


def test_figures_of_moby_dick():
    text = (Path(text_statistics.__file__).parents[1] / "data/moby_dick/moby_dick.txt").read_text("utf-8")
    words = TextStatistics().update(text)
    unigrams = words.ngrams()
    assert (unigrams.num_tokens, unigrams.num_types, unigrams.num_hapaxes) == (214_403, 16_683, 7_243)
    assert words.most_frequent(3) == [("the", 14_151), ("of", 6_462), ("and", 6_315)]
    exponents = [words.ngrams(order).zipf_exponent() for order in ORDERS]
    assert exponents == pytest.approx([0.959, 0.670, 0.452], abs=1e-3)
    assert TextStatistics("char", None).update(text).ngrams().num_types == 83


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: TextStatistics("line"), "tokens must be 'word' or 'char', but is 'line'"),
        (lambda: TextStatistics(normalization="NFC"), "normalization must be 'letters', or None .* but is 'NFC'"),
        (lambda: TextStatistics(max_order=0), "max_order must be an integer of at least 1, but is 0"),
        (lambda: TextStatistics().update(b"ab"), "text must be a string, but is b'ab', of type bytes. Decode"),
        (lambda: TextStatistics().ngrams(4), r"order must be in \[1, 3\], but is 4.*max_order="),
        (lambda: TextStatistics().most_frequent(-1), "k must be 0 or more, or None for all, but is -1"),
        (lambda: TextStatistics().out_of_vocabulary_rate("the"), "vocabulary must be several strings, but is one: 'the'"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises((ValueError, TypeError), match=message):
        call()
