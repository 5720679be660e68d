import math
import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np

from kerasrnn.ngram._counts import Counts
from kerasrnn.ngram._interpolation import Interpolation
from kerasrnn.ngram._parts import divide, transparent
from kerasrnn.ngram.model import NgramModel
from kerasrnn.tokenizers import Tokenizer


class LaplaceModel(NgramModel):
    """The smoothing of Dive into Deep Learning: a token's own share of the text stands behind each context.

    P̂(x) = (n(x) + ε₁ / m) / (n + ε₁)
    P̂(x′ | x) = (n(x, x′) + ε₂ P̂(x′)) / (n(x) + ε₂)
    P̂(x″ | x, x′) = (n(x, x′, x″) + ε₃ P̂(x″)) / (n(x, x′) + ε₃)

    n is the number of tokens in the training text and m the number of different ones, `vocabulary_size`. So it goes on
    for longer contexts, which a model of that `order` uses alone: all fall back on P̂(x), none on shorter contexts.
    The number of times that x was followed by a token is n(x): but for the last token, how often it occurs.

    Args:
        order: Length of the counted sequences: 1 for unigrams, 2 for bigrams, 3 for trigrams.
        smoothing: ε, more than 0: one for all lengths, or a list of two, ε₁ and that of the order (ε₁ alone for
            unigrams). From 0, maximum likelihood, to infinity, which leaves the next-shorter distribution.
        tokenizer: What splits texts into tokens. Without it texts are token ids, and `vocabulary_size` is needed.
        vocabulary_size: Number of tokens, without a tokenizer.
        start_token_id: The token that every text follows, without a tokenizer.
        unknown_token_id: The token that is never written, without a tokenizer; `None` if there is no such token.

    Raises:
        ValueError: If a number is out of range, or not exactly one of `tokenizer` and `vocabulary_size` is given.

    Example:

    >>> model = LaplaceModel(order=2, smoothing=1.0, vocabulary_size=2).fit([1, 0, 1, 1])
    >>> model.probabilities([1]).tolist()  # P̂(0) = (1 + 1/2) / (4 + 1) = 0.3; (1 + 0.3) / (2 + 1) for 1, 0
    [0.43333333333333335, 0.5666666666666667]

    Reference:
        Zhang, Lipton, Li and Smola, 2023, "Dive into Deep Learning", section "Language Models".
    """

    def __init__(
        self,
        order: int = 2,
        smoothing: float | Sequence[float] = 1.0,
        tokenizer: Tokenizer | None = None,
        vocabulary_size: int | None = None,
        start_token_id: int = 0,
        unknown_token_id: int | None = None,
    ) -> None:
        super().__init__(order, tokenizer, vocabulary_size, start_token_id, unknown_token_id)
        expected = 2 if self.order > 1 else 1
        values = [smoothing] * expected if isinstance(smoothing, numbers.Real) else list(smoothing)
        if len(values) != expected or not all(0 < value < math.inf for value in values):
            raise ValueError(
                f"smoothing must be a number above 0, or {expected} of them for order={self.order}, "
                f"but is {smoothing!r}. A small one, 1e-3, changes little."
            )
        self.smoothing = [float(value) for value in values]

    def interpolate(self, counts: Counts) -> Interpolation:
        shares, rests = transparent(counts.trie)
        for length, smoothing in zip((1, self.order), self.smoothing):
            totals = counts.of_contexts(length) + smoothing
            shares[length] = counts.counts[length] / totals[counts.trie.prefixes(length)]
            rests[length] = divide(np.full(len(totals), smoothing), totals, 1.0)
        return Interpolation(counts.trie, shares, rests)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "smoothing": self.smoothing}
