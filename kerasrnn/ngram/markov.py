import math
import numbers
from typing import Self

import numpy as np

from kerasrnn.tokenizers import CharTokenizer
from kerasrnn.tokenizers.token_ids import TextOrTokenIds, as_token_ids


class MarkovModel:
    """Language model of counts: each token depends on the order − 1 tokens before it.

    p(token | context) = (n(context, token) + smoothing) / (n(context) + smoothing · vocabulary_size)

    n counts the training text. Every text, to train on or to judge, follows start tokens.

    Args:
        order: Length of the counted sequences: 1 for unigrams, 2 for bigrams, 3 for trigrams.
        smoothing: What is added to each count, more than 0, so that no token is impossible: 1 is Laplace's rule.
        tokenizer: What splits texts into tokens. Without it texts are token ids, and `vocabulary_size` is needed.
        vocabulary_size: Number of tokens, without a tokenizer.
        start_token_id: The token that every text follows, without a tokenizer.

    Raises:
        ValueError: If a number is out of range, or not exactly one of `tokenizer` and `vocabulary_size` is given.

    Example:

    >>> model = MarkovModel(order=2, vocabulary_size=3).fit([1, 2, 1, 2, 1])
    >>> model.probabilities([1]).tolist()  # two tokens followed a 1, both of them 2
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
        tokenizer: CharTokenizer | None = None,
        vocabulary_size: int | None = None,
        start_token_id: int = 0,
    ) -> None:
        if tokenizer is not None and vocabulary_size is None:
            vocabulary_size, start_token_id = tokenizer.vocabulary_size(), tokenizer.start_token_id
        elif tokenizer is not None or vocabulary_size is None:
            raise ValueError(
                "Exactly one of tokenizer and vocabulary_size must be given, but received "
                f"tokenizer={tokenizer!r} and vocabulary_size={vocabulary_size!r}."
            )
        for name, value in (("order", order), ("vocabulary_size", vocabulary_size)):
            if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < 1:
                raise ValueError(f"{name} must be an integer of at least 1, but is {value!r}.")
        order, vocabulary_size = int(order), int(vocabulary_size)
        if vocabulary_size**order >= 2**63:
            raise ValueError(
                f"order={order} is too long for a vocabulary of {vocabulary_size}: there must be fewer than 2⁶³ "
                f"sequences to count. Use an order of at most {math.ceil(63 / math.log2(vocabulary_size)) - 1}."
            )
        if not 0 < smoothing < math.inf:
            raise ValueError(f"smoothing must be more than 0, but is {smoothing!r}. A small one, 1e-3, changes little.")
        if not 0 <= start_token_id < vocabulary_size:
            raise ValueError(f"start_token_id must be in [0, {vocabulary_size}), but is {start_token_id!r}.")
        self.order = order
        self.smoothing = smoothing
        self.tokenizer = tokenizer
        self.vocabulary_size = vocabulary_size
        self.start_token_id = start_token_id
        self._counts: tuple[_Counts, _Counts] | None = None

    def fit(self, text: TextOrTokenIds) -> Self:
        """Counts a text, in the place of what was counted before.

        Args:
            text: The text, or its token ids: integers of shape (length,).

        Returns:
            The model itself.
        """
        contexts, sequences = self._encode(as_token_ids(text, self.tokenizer, self.vocabulary_size))
        self._counts = _Counts(contexts), _Counts(sequences)
        return self

    def probabilities(self, context: TextOrTokenIds) -> np.ndarray:
        """Returns the distribution of the token that follows a text, of shape (vocabulary_size,)."""
        token_ids = as_token_ids(context, self.tokenizer, self.vocabulary_size)
        contexts, _ = self._encode(np.append(token_ids, self.start_token_id))
        return self._probabilities(contexts[-1], contexts[-1] * self.vocabulary_size + np.arange(self.vocabulary_size))

    def log_likelihood(self, text: TextOrTokenIds) -> float:
        """Returns the natural logarithm of a text's probability: the sum over its tokens."""
        return float(np.sum(self._log_probabilities(text)))

    def bits_per_token(self, text: TextOrTokenIds) -> float:
        """Returns how many bits the model needs for a token of the text on average."""
        return float(-np.mean(self._log_probabilities(text))) / math.log(2)

    def perplexity(self, text: TextOrTokenIds) -> float:
        """Returns how many equally likely tokens would be as hard to guess as those of the text."""
        return math.exp(-np.mean(self._log_probabilities(text)))

    def _log_probabilities(self, text: TextOrTokenIds) -> np.ndarray:
        return np.log(self._probabilities(*self._encode(as_token_ids(text, self.tokenizer, self.vocabulary_size))))

    def _probabilities(self, contexts: np.ndarray, sequences: np.ndarray) -> np.ndarray:
        if self._counts is None:
            raise ValueError("This MarkovModel has counted nothing yet: call fit(text) first.")
        of_contexts, of_sequences = self._counts
        return (of_sequences[sequences] + self.smoothing) / (
            of_contexts[contexts] + self.smoothing * self.vocabulary_size
        )

    def _encode(self, token_ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Writes each token's context, and the context with the token, as one number in base vocabulary_size."""
        length = len(token_ids)
        if not length:
            raise ValueError("text must have at least one token, but is empty.")
        padded = np.concatenate([np.full(self.order - 1, self.start_token_id), token_ids])
        contexts = np.zeros(length, "int64")
        for place in range(self.order - 1):
            contexts = contexts * self.vocabulary_size + padded[place : place + length]
        return contexts, contexts * self.vocabulary_size + token_ids


class _Counts:
    """How often each code occurs, also those that never do."""

    def __init__(self, codes: np.ndarray) -> None:
        self.codes, self.counts = np.unique(codes, return_counts=True)

    def __getitem__(self, codes: np.ndarray) -> np.ndarray:
        place = np.minimum(np.searchsorted(self.codes, codes), len(self.codes) - 1)
        return np.where(self.codes[place] == codes, self.counts[place], 0)
