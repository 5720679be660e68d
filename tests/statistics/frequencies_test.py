import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasrnn.statistics import Frequencies

COUNTS = st.lists(st.integers(1, 2**40), min_size=1, max_size=30)


@given(counts=COUNTS, seed=st.integers(0, 99))
def test_the_order_of_the_counts_does_not_matter(counts, seed):
    frequencies = Frequencies(counts)
    shuffled = Frequencies(np.random.default_rng(seed).permutation(counts))
    assert shuffled.counts.tolist() == frequencies.counts.tolist() == sorted(counts, reverse=True)
    assert (frequencies.num_tokens, frequencies.num_hapaxes) == (sum(counts), counts.count(1))


@given(counts=COUNTS, number=st.integers(0, 40), share=st.floats(0, 1))
def test_coverage_and_its_inverse(counts, number, share):
    frequencies = Frequencies(counts)
    assert frequencies.coverage(number) == pytest.approx(sum(sorted(counts)[::-1][:number]) / sum(counts))
    enough = frequencies.types_to_cover(share)
    assert enough <= len(counts)
    assert frequencies.coverage(enough) >= share - 1e-12
    assert enough == 0 or frequencies.coverage(enough - 1) < share


@pytest.mark.parametrize("exponent", [0.8, 1.0, 1.2])
def test_zipfs_exponent_of_a_known_law(exponent):
    """The docstring's claim: 0.01 to 0.02 too low for a sample of 33,000 tokens."""
    random = np.random.default_rng(0)
    probabilities = np.arange(1, 50_001.0) ** -exponent
    samples = random.multinomial(33_000, probabilities / probabilities.sum(), size=5)
    estimates = [Frequencies(sample[sample > 0]).zipf_exponent() for sample in samples]
    assert 0.002 < exponent - np.mean(estimates) < 0.025


def test_zipfs_exponent_leaves_out_what_it_is_told_to():
    ranks = np.arange(1, 201)
    counts = np.where(ranks < 5, 10**9, np.round(1e8 / ranks**0.5)).astype(int)
    frequencies = Frequencies([*counts, *[3] * 1000])
    assert frequencies.zipf_exponent(first_rank=5) == pytest.approx(0.5, abs=1e-3)
    assert frequencies.zipf_exponent(first_rank=1) > 0.6
    assert frequencies.zipf_exponent(first_rank=5, min_count=1) > 0.6


def test_without_enough_types():
    assert np.isnan(Frequencies([]).zipf_exponent()) and np.isnan(Frequencies([7]).zipf_exponent())
    assert np.isnan(Frequencies([]).coverage(3)) and Frequencies([]).types_to_cover(0.5) == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Frequencies([1, 0]), r"counts must be integers of 1 or more, of shape \(types,\), but are \[1, 0\]"),
        (lambda: Frequencies([1.5]), r"counts must be integers of 1 or more.*\[1.5\]"),
        (lambda: Frequencies([[1]]), r"counts must be integers of 1 or more.*\[\[1\]\]"),
        (lambda: Frequencies([1]).coverage(-1), "num_types must be 0 or more, but is -1"),
        (lambda: Frequencies([1]).types_to_cover(2), r"share must be in \[0, 1\], but is 2"),
        (lambda: Frequencies([1]).zipf_exponent(first_rank=0), "first_rank must be 1 or more, but is 0"),
        (lambda: Frequencies([1]).zipf_exponent(min_count=0), "min_count must be 1 or more, but is 0"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
