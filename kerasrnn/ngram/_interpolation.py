"""Distributions that mix those of ever longer contexts."""

from dataclasses import dataclass

import numpy as np

from kerasrnn.ngram._trie import Trie


@dataclass(frozen=True)
class Interpolation:
    """A token's probability after a context, in terms of that after a shorter one.

    P_0(token) = 1 / vocabulary_size
    P_k(token | context) = share_k(context, token) + rest_k(context) · P_(k−1)(token | context without its first token)

    Both are known for the sequences of the trie. Elsewhere a share is 0 and a rest is 1, or `rest_of_unseen` for the
    longest contexts.

    Attributes:
        trie: The sequences.
        shares: For k = 1 … order, float64 of shape (trie.size(k),), after a `None` for k = 0.
        rests: For k = 1 … order, float64 of shape (trie.size(k − 1),), after a `None` for k = 0.
        rest_of_unseen: What remains after the longest contexts that the trie does not hold.
    """

    trie: Trie
    shares: list[np.ndarray | None]
    rests: list[np.ndarray | None]
    rest_of_unseen: float = 1.0

    def probabilities(self, padded: np.ndarray) -> np.ndarray:
        """The probability of each token but the first order − 1, which are the first one's context."""
        order, size = self.trie.order, self.trie.vocabulary_size
        ids = self.trie.find_all(padded)
        result = np.full(len(padded) - order + 1, 1 / size)
        for length in range(1, order + 1):
            contexts = np.append(0, ids[length - 1])[order - 1 : -1]
            sequences = ids[length][order - 1 :]
            unseen = self.rest_of_unseen if length == order else 1.0
            share = np.where(sequences >= 0, self.shares[length][sequences], 0.0)
            result = share + np.where(contexts >= 0, self.rests[length][contexts], unseen) * result
        return result

    def distribution(self, context: np.ndarray) -> np.ndarray:
        """The probability of each token, (vocabulary_size,), after the order − 1 tokens of a context."""
        trie = self.trie
        result = np.full(trie.vocabulary_size, 1 / trie.vocabulary_size)
        ids = [0, *(int(found[-1]) for found in trie.find_all(context)[1:-1])] if len(context) else [0]
        for length, prefix in enumerate(ids, 1):
            if prefix < 0:
                result *= self.rest_of_unseen if length == trie.order else 1.0
                continue
            children = trie.children(length, prefix)
            result *= self.rests[length][prefix]
            result[trie.last_tokens(length, children)] += self.shares[length][children]
        return result

    def of_sequences(self) -> list[np.ndarray]:
        """For k = 0 … order, P_k of the last token of each of the trie's sequences, (trie.size(k),)."""
        result = [np.full(1, 1 / self.trie.vocabulary_size)]
        for length in range(1, self.trie.order + 1):
            rest = self.rests[length][self.trie.prefixes(length)]
            result.append(self.shares[length] + rest * result[-1][self.trie.suffixes[length]])
        return result
