
import numpy as np

from kerasrnn.ngram._counts import Counts
from kerasrnn.ngram._interpolation import Interpolation
from kerasrnn.ngram._parts import divide
from kerasrnn.ngram.model import NgramModel, check_count
from kerasrnn.tokenizers import Tokenizer

_FALLBACK = (0.5, 1.0, 1.5)


class KneserNeyModel(NgramModel):
    """Interpolated modified Kneser–Ney smoothing, the strongest of the classical count-based models.

    P_k(w | c) = max(a(c, w) − D(a(c, w)), 0) / Σ_v a(c, v) + γ(c) P_(k−1)(w | c without its first token)
    γ(c) = (D₁ N₁(c •) + D₂ N₂(c •) + D₃ N₃₊(c •)) / Σ_v a(c, v)
    P_0(w) = 1 / vocabulary_size
    D_i = i − (i + 1) Y t_(i+1) / t_i for i = 1, 2, 3;  Y = t₁ / (t₁ + 2 t₂)

    a is the count of a sequence of the whole length; of a shorter one, the number of different tokens before it. t_i is
    the number of sequences with a = i, N_i(c •) how many of them continue c. Each length has its own three discounts.
    Where they cannot be computed, since some t_i is 0 or a discount is not in [0, i], they are ½, 1 and 1½, as kenlm's
    `--discount_fallback`; the text is then too small or its vocabulary too poor for the theory.

    Args:
        order: Length of the counted sequences: 1 for unigrams, 2 for bigrams, 3 for trigrams.
        tokenizer: What splits texts into tokens. Without it texts are token ids, and `vocabulary_size` is needed.
        vocabulary_size: Number of tokens, without a tokenizer.
        start_token_id: The token that every text follows, without a tokenizer.
        unknown_token_id: The token that is never written, without a tokenizer; `None` if there is no such token.

    Attributes:
        discounts: Once fitted, the three discounts of each length, a list from length 1 on.

    Raises:
        ValueError: If a number is out of range, or not exactly one of `tokenizer` and `vocabulary_size` is given.

    Example:

    >>> model = KneserNeyModel(order=2, vocabulary_size=3).fit([1, 2, 1, 2, 1])
    >>> model.discounts  # so short a text has no discounts of its own
    [(0.5, 1.0, 1.5), (0.5, 1.0, 1.5)]
    >>> model.probabilities([1]).round(4).tolist()  # 2 after 1: (2 − 1) / 2 + 1/2 · P_1(2), P_1(2) = 0.5 / 3 + 1/2 · 1/3
    [0.0833, 0.25, 0.6667]

    References:
        Chen and Goodman, 1999, "An empirical study of smoothing techniques for language modeling".
        Heafield, Pouzyrevsky, Clark and Koehn, 2013, "Scalable modified Kneser-Ney language model estimation".
    """

    def __init__(
        self,
        order: int = 3,
        tokenizer: Tokenizer | None = None,
        vocabulary_size: int | None = None,
        start_token_id: int = 0,
        unknown_token_id: int | None = None,
    ) -> None:
        super().__init__(check_count("order", order), tokenizer, vocabulary_size, start_token_id, unknown_token_id)
        self.discounts: list[tuple[float, float, float]] = []

    def interpolate(self, counts: Counts) -> Interpolation:
        shares: list[np.ndarray | None] = [None]
        rests: list[np.ndarray | None] = [None]
        self.discounts = []
        for length in range(1, self.order + 1):
            adjusted = counts.of_predecessors(length) if length < self.order else counts.counts[length]
            self.discounts.append(_discounts(adjusted))
            discounted = np.array([0.0, *self.discounts[-1]])[np.minimum(adjusted, 3)]
            prefixes, size = counts.trie.prefixes(length), counts.trie.size(length - 1)
            totals = counts.of_contexts(length, adjusted)
            shares.append(divide(adjusted - discounted, totals[prefixes], 0.0))
            rests.append(divide(np.bincount(prefixes, discounted, minlength=size), totals, 1.0))
        return Interpolation(counts.trie, shares, rests)


def _discounts(adjusted: np.ndarray) -> tuple[float, float, float]:
    t = np.bincount(np.minimum(adjusted, 5), minlength=6)
    if not t[1:5].all():
        return _FALLBACK
    y = t[1] / (t[1] + 2 * t[2])
    first, second, third = (float(i - (i + 1) * y * t[i + 1] / t[i]) for i in (1, 2, 3))
    in_range = 0 <= first <= 1 and 0 <= second <= 2 and 0 <= third <= 3
    return (first, second, third) if in_range else _FALLBACK
