import math
from typing import Any

import numpy as np

from kerasrnn.ngram._counts import Counts
from kerasrnn.ngram._interpolation import Interpolation
from kerasrnn.ngram._parts import divide, transparent
from kerasrnn.ngram.model import NgramModel
from kerasrnn.tokenizers import Tokenizer


class MarkovModel(NgramModel):
    """Language model of counts: maximum likelihood, or the same number added to each count.

    p(token | context) = (n(context, token) + smoothing) / (n(context) + smoothing · vocabulary_size)

    n counts the training text. Every text, to train on or to judge, follows start tokens. With a smoothing of 0, which
    is maximum likelihood, what never occurred has the probability 0, and a context that never occurred predicts
    nothing: all its probabilities are 0.

    Args:
        order: Length of the counted sequences: 1 for unigrams, 2 for bigrams, 3 for trigrams.
        smoothing: What is added to each count: 1 is Laplace's rule, 0 is maximum likelihood.
        tokenizer: What splits texts into tokens. Without it texts are token ids, and `vocabulary_size` is needed.
        vocabulary_size: Number of tokens, without a tokenizer.
        start_token_id: The token that every text follows, without a tokenizer.
        unknown_token_id: The token that is never written, without a tokenizer; `None` if there is no such token.

    Raises:
        ValueError: If a number is out of range, or not exactly one of `tokenizer` and `vocabulary_size` is given.

    Example:

    >>> model = MarkovModel(order=2, vocabulary_size=3).fit([1, 2, 1, 2, 1])
    >>> model.probabilities([1]).round(4).tolist()  # two tokens followed a 1, both of them 2
    [0.2, 0.2, 0.6]
    >>> round(model.perplexity([1, 2]), 4)  # (2/4 · 3/5) ** (-1/2)
    1.8257

    Reference:
        Shannon, 1948, "A Mathematical Theory of Communication".
    """

    def __init__(
        self,
        order: int = 2,
        smoothing: float = 1.0,
        tokenizer: Tokenizer | None = None,
        vocabulary_size: int | None = None,
        start_token_id: int = 0,
        unknown_token_id: int | None = None,
    ) -> None:
        super().__init__(order, tokenizer, vocabulary_size, start_token_id, unknown_token_id)
        if not 0 <= smoothing < math.inf:
            raise ValueError(
                f"smoothing must be 0 or more, but is {smoothing!r}. A small one, 1e-3, changes little, and leaves no "
                "token impossible."
            )
        self.smoothing = float(smoothing)

    def interpolate(self, counts: Counts) -> Interpolation:
        shares, rests = transparent(counts.trie)
        added = self.smoothing * self.vocabulary_size
        totals = counts.of_contexts(self.order) + added
        unseen = 1.0 if self.smoothing else 0.0
        shares[-1] = divide(counts.counts[-1], totals[counts.trie.prefixes(self.order)], 0.0)
        rests[-1] = divide(np.full(len(totals), added), totals, unseen)
        return Interpolation(counts.trie, shares, rests, unseen)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "smoothing": self.smoothing}
