"""How often each token sequence occurs."""

from collections.abc import Sequence
from typing import Self

import numpy as np

from kerasrnn.ngram._trie import Trie, pad


class Counts:
    """How often the sequences of a trie end at a token of the text; the start tokens before it are none of these.

    Args:
        trie: The sequences.
        counts: For each length k = 1 … order, int64 of shape (trie.size(k),); `counts[0]` is that of the empty one.
    """

    def __init__(self, trie: Trie, counts: Sequence[np.ndarray]) -> None:
        self.trie = trie
        self.counts = list(counts)

    @classmethod
    def of_texts(cls, texts: Sequence[np.ndarray], order: int, vocabulary_size: int, start_token_id: int) -> Self:
        trie = Trie.of_texts(texts, order, vocabulary_size, start_token_id)
        counts = [np.zeros(trie.size(length), "int64") for length in range(order + 1)]
        longest = [trie.find_all(pad(text, order, start_token_id))[order][order - 1 :] for text in texts]
        counts[order] += np.bincount(np.concatenate(longest), minlength=trie.size(order))
        for length in range(order, 0, -1):  # Each token ends one sequence of each length, which makes shorter ones sums.
            np.add.at(counts[length - 1], trie.suffixes[length], counts[length])
        return cls(trie, counts)

    def of_contexts(self, length: int, counts: np.ndarray | None = None) -> np.ndarray:
        """n(context): how many sequences of a length continue each context, (trie.size(length − 1),)."""
        totals = np.zeros(self.trie.size(length - 1), "int64")
        np.add.at(totals, self.trie.prefixes(length), self.counts[length] if counts is None else counts)
        return totals

    def of_predecessors(self, length: int) -> np.ndarray:
        """N₁₊(• sequence): how many different tokens come before each sequence of a length."""
        return np.bincount(self.trie.suffixes[length + 1][self.counts[length + 1] > 0], minlength=self.trie.size(length))
