import numpy as np
import pytest

from kerasrnn.statistics import TextStatistics, draw_frequencies


def test_the_curves_pass_through_every_type():
    random = np.random.default_rng(0)
    statistics = TextStatistics(normalization=None).update(" ".join(random.zipf(1.5, 3000).astype(str)))
    (axes,) = draw_frequencies(statistics).axes
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert len(axes.lines) == 3
    for order, line in enumerate(axes.lines, 1):
        counts = statistics.ngrams(order).counts
        drawn = np.interp(np.arange(1, len(counts) + 1), *line.get_data())
        np.testing.assert_allclose(drawn, counts)
        assert len(line.get_xdata()) < len(counts)
        assert line.get_label().endswith(f"exponent {statistics.ngrams(order).zipf_exponent():.2f}")


def test_a_word_alone_has_one_curve():
    (axes,) = draw_frequencies(TextStatistics(max_order=4).update("word")).axes
    assert [len(line.get_xdata()) for line in axes.lines] == [1, 0, 0, 0]
    assert [line.get_label() for line in axes.lines] == ["unigram", "bigram", "trigram", "4-gram"]


def test_nothing_is_not_drawn():
    with pytest.raises(ValueError, match="at least one token to be drawn, but has none"):
        draw_frequencies(TextStatistics())
