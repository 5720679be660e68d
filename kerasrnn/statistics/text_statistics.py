import numbers
from collections.abc import Iterable
from typing import Self

import numpy as np

from kerasrnn.statistics._ngram_counts import DOCUMENT_END, NgramCounts
from kerasrnn.statistics._tokens import Characters, Words
from kerasrnn.statistics.entropy import EntropyBounds, entropy_bounds
from kerasrnn.statistics.frequencies import Frequencies

_CHUNK = 2**18
_TOKENS = {"word": Words, "char": Characters}


class TextStatistics:
    """Counts the tokens, bigrams, trigrams … of a text that comes in pieces, in memory that grows with the types alone.

    A piece may end anywhere, within a word too: the figures are those of the whole text at once. Every figure takes the
    text so far as complete, and more may follow.

    Args:
        tokens: `"word"` or `"char"`.
        normalization: `"letters"`, as in Dive into Deep Learning: A to Z in lower case, and a space for each run of
            anything else. None: the text as it is, where words are what white space separates: for texts in other
            scripts, or with tokens separated by spaces already (Penn Treebank, WikiText).
        max_order: The longest n-grams to count.

    Raises:
        ValueError: If an argument is none of the above.

    Example:

    >>> statistics = TextStatistics().update("The Time Traveller (for so it will be conven")
    >>> statistics = statistics.update("ient to speak of him) was expounding a recondite matter to us.")
    >>> statistics.ngrams(1).num_tokens, statistics.ngrams(1).num_types
    (20, 19)
    >>> statistics.most_frequent(2)
    [('to', 2), ('a', 1)]
    >>> statistics.most_frequent(1, order=3)
    [('a recondite matter', 1)]

    Reference:
        Zhang et al., "Dive into Deep Learning", section "Converting Raw Text into Sequence Data".
    """

    def __init__(self, tokens: str = "word", normalization: str | None = "letters", max_order: int = 3) -> None:
        if tokens not in _TOKENS:
            raise ValueError(f"tokens must be 'word' or 'char', but is {tokens!r}.")
        if normalization not in ("letters", None):
            raise ValueError(f"normalization must be 'letters', or None for the text as it is, but is {normalization!r}.")
        if isinstance(max_order, bool) or not isinstance(max_order, numbers.Integral) or max_order < 1:
            raise ValueError(f"max_order must be an integer of at least 1, but is {max_order!r}. Trigrams: 3.")
        self.tokens = tokens
        self.normalization = normalization
        self.max_order = int(max_order)
        self._split = _TOKENS[tokens](normalization == "letters")
        self._counts = NgramCounts.empty(self.max_order)
        self._pieces: list[str] = []  # short pieces wait, for a long text takes less time for each of its tokens
        self._num_characters = 0
        self._token_ids: list[np.ndarray] = []
        self._num_tokens = 0
        self._complete: NgramCounts | None = None

    def update(self, text: str) -> Self:
        """Counts the next piece of the text.

        Args:
            text: Any part of it, of any length.

        Returns:
            The statistics themselves.

        Raises:
            TypeError: If the text is not a string.
        """
        if not isinstance(text, str):
            raise TypeError(
                f"text must be a string, but is {text!r:.80}, of type {type(text).__name__}. "
                "Decode bytes first, and pass one piece at a time."
            )
        self._complete = None
        for start in range(0, len(text), _CHUNK):
            piece = text[start : start + _CHUNK]
            self._pieces.append(piece)
            self._num_characters += len(piece)
            if self._num_characters >= _CHUNK:
                self._tokenize()
        return self

    def end_document(self) -> Self:
        """Ends a document: neither a word nor an n-gram reaches from it into what follows.

        Returns:
            The statistics themselves.
        """
        self._complete = None
        self._tokenize()
        self._add(np.append(self._split.end(), DOCUMENT_END))
        return self

    def ngrams(self, order: int = 1) -> Frequencies:
        """The counts of all n-grams of an order: 1 for tokens, 2 for bigrams, 3 for trigrams.

        Raises:
            ValueError: If the order is not in [1, max_order].
        """
        return Frequencies(self._counts_so_far(order).tables[order - 1].counts)

    def most_frequent(self, k: int | None = None, order: int = 1) -> list[tuple[str, int]]:
        """The most frequent n-grams, each with its count; those of equal count in the order of their text.

        Args:
            k: How many, 0 or more; None for all.
            order: The length of the n-grams.

        Returns:
            Pairs of text and count. The words of an n-gram are joined by spaces, characters by nothing.

        Raises:
            ValueError: If `k` is negative, or the order is not in [1, max_order].
        """
        if k is not None and k < 0:
            raise ValueError(f"k must be 0 or more, or None for all, but is {k!r}.")
        table = self._counts_so_far(order).tables[order - 1]
        counts, codes = table.counts, table.codes
        if k is not None and k < len(counts):
            least = np.partition(counts, -k)[-k] if k else np.inf
            counts, codes = counts[counts >= least], codes[counts >= least]
        ngrams = self._counts_so_far(order).token_ids(order, codes)
        texts = self._split.texts(ngrams)
        return sorted(zip(texts, counts.tolist()), key=lambda pair: (-pair[1], pair[0]))[:k]

    def get_vocabulary(self) -> list[str]:
        """All types, the most frequent first, those of equal count in alphabetical order."""
        return [text for text, _ in self.most_frequent()]

    def entropy(self, order: int = 1) -> EntropyBounds:
        """How many bits a token costs, given the order − 1 tokens before it.

        With n(c, x) the count of token x after context c, N the number of n-grams, and V of types:

            lower = − Σ n(c, x) log₂ (n(c, x) / n(c)) / N
            corrected = lower + (number of n-grams' types − number of contexts) / (2 N ln 2)
            upper = the length of an adaptive code that takes p(x | c) = (n(c, x) + 1/2) / (n(c) + V/2), n counting
                only what came before (Krichevsky and Trofimov)

        `lower` is a bound for Markov models of this order on this very text, and as an estimate of the language's
        conditional entropy it is too small, the more the fewer n-grams come often: where nearly every trigram is a
        hapax, it tends to 0. `corrected` mends that only where most n-grams that can occur did. `upper` is a code that
        could be sent to whoever knows the types, so the smallest `upper` over the orders bounds the text's own cost.

        Args:
            order: 1 for the entropy of tokens, 2 and 3 for conditional entropies.

        Returns:
            `EntropyBounds`: lower, corrected, upper, in bits per token; nan where there are no n-grams.

        Raises:
            ValueError: If the order is not in [1, max_order].

        Example:

        >>> statistics = TextStatistics("char", normalization=None).update("abab" * 100)
        >>> [round(bits, 3) for bits in statistics.entropy(1)]
        [1.0, 1.002, 1.012]
        >>> [round(bits, 3) for bits in statistics.entropy(2)]
        [0.0, 0.0, 0.023]

        Reference:
            Shannon, 1951, "Prediction and Entropy of Printed English"; Miller, 1955, "Note on the Bias of Information
            Estimates"; Krichevsky and Trofimov, 1981, "The Performance of Universal Encoding".
        """
        counts = self._counts_so_far(order)
        return entropy_bounds(counts.tables[order - 1].counts, counts.contexts(order), len(counts.tables[0]))

    def out_of_vocabulary_rate(self, vocabulary: Iterable[str]) -> float:
        """Which share of this text's tokens another vocabulary does not know.

        Args:
            vocabulary: Types, such as another text's or a tokenizer's `get_vocabulary()`.

        Returns:
            A share in [0, 1]; nan where there are no tokens.

        Raises:
            TypeError: If the vocabulary is one string.

        Example:

        >>> novel = TextStatistics().update("the white whale and the sea")
        >>> TextStatistics().update("the grey whale").out_of_vocabulary_rate(novel.get_vocabulary())
        0.3333333333333333
        """
        if isinstance(vocabulary, str):
            raise TypeError(f"vocabulary must be several strings, but is one: {vocabulary!r:.80}. Pass a list of types.")
        known = set(vocabulary)
        pairs = self.most_frequent()
        total = sum(count for _, count in pairs)
        return sum(count for text, count in pairs if text not in known) / total if total else float("nan")

    def _counts_so_far(self, order: int) -> NgramCounts:
        if not 1 <= order <= self.max_order:
            raise ValueError(
                f"order must be in [1, {self.max_order}], but is {order!r}. For longer n-grams: TextStatistics(max_order=…)."
            )
        if self._complete is None:
            self._tokenize()
            self._count()
            self._complete = self._counts.extended(self._split.unfinished())
        return self._complete

    def _tokenize(self) -> None:
        text = "".join(self._pieces)
        self._pieces, self._num_characters = [], 0
        self._add(self._split(text))

    def _add(self, token_ids: np.ndarray) -> None:
        self._token_ids.append(token_ids)
        self._num_tokens += len(token_ids)
        # Each time costs a walk over all types, so there should be tokens in proportion to them.
        if self._num_tokens >= max(_CHUNK, len(self._counts.tables[-1]) // 2):
            self._count()

    def _count(self) -> None:
        if self._token_ids:
            self._counts = self._counts.extended(np.concatenate(self._token_ids))
            self._token_ids, self._num_tokens = [], 0
