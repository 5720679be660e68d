"""All token sequences of a text up to a length, as sorted integer arrays."""

from collections.abc import Sequence
from typing import Self

import numpy as np


class Trie:
    """The distinct token sequences of each length, each with an id, found by binary search.

    A sequence of k tokens has the key id(its first k − 1 tokens) · vocabulary_size + its last token, which fits into
    an int64 however long the sequence is. Its id is its key's place among the sorted keys. The empty sequence has id
    0, and a single token its own id.

    Every part of a sequence that is in the trie must be in it too.

    Args:
        vocabulary_size: Number of tokens.
        keys: For each length, from 2 on, the sorted keys (sequences,), int64.
    """

    def __init__(self, vocabulary_size: int, keys: Sequence[np.ndarray]) -> None:
        self.vocabulary_size = vocabulary_size
        self.keys = [np.zeros(1, "int64"), np.arange(vocabulary_size), *keys]
        self.suffixes = [np.zeros(1, "int64"), np.zeros(vocabulary_size, "int64")]
        """For each length, the id of each sequence without its first token."""
        for length in range(2, self.order + 1):
            self.suffixes.append(self.find(length - 1, self.suffixes[-1][self.prefixes(length)], self.last_tokens(length)))

    @classmethod
    def of_texts(cls, texts: Sequence[np.ndarray], order: int, vocabulary_size: int, start_token_id: int) -> Self:
        """All sequences of up to `order` tokens in the texts, each of which follows order − 1 start tokens."""
        padded = [pad(text, order, start_token_id) for text in texts]
        tokens = np.concatenate(padded).astype("int64")
        offsets = np.concatenate([np.arange(len(text)) for text in padded])
        ids, keys = tokens, []
        for length in range(2, order + 1):
            ends = np.flatnonzero(offsets >= length - 1)
            unique, places = np.unique(ids[ends - 1] * vocabulary_size + tokens[ends], return_inverse=True)
            ids = np.full(len(tokens), -1, "int64")
            ids[ends] = places
            keys.append(unique)
        return cls(vocabulary_size, keys)

    @property
    def order(self) -> int:
        """The length of the longest sequences."""
        return len(self.keys) - 1

    def size(self, length: int) -> int:
        """How many sequences of a length there are."""
        return len(self.keys[length])

    def prefixes(self, length: int) -> np.ndarray:
        """For each sequence of a length, the id of it without its last token."""
        return self.keys[length] // self.vocabulary_size

    def last_tokens(self, length: int, part: slice = slice(None)) -> np.ndarray:
        """The last token of each sequence of a length, or of a part of them."""
        return self.keys[length][part] % self.vocabulary_size

    def find(self, length: int, prefixes: np.ndarray, tokens: np.ndarray) -> np.ndarray:
        """The ids of sequences given by their prefixes' ids and their last tokens; −1 for those not in the trie."""
        if length <= 1:
            return np.asarray(tokens, "int64") if length else np.zeros(np.shape(tokens), "int64")
        keys = self.keys[length]
        if not len(keys):
            return np.full(np.shape(tokens), -1, "int64")
        sought = np.where(prefixes < 0, -1, prefixes * self.vocabulary_size + tokens)
        places = np.minimum(np.searchsorted(keys, sought), len(keys) - 1)
        return np.where(keys[places] == sought, places, -1)

    def find_all(self, tokens: np.ndarray) -> list[np.ndarray]:
        """For each length, the id of the sequence that ends at each token, or −1: (order + 1) arrays of (tokens,)."""
        tokens = np.asarray(tokens, "int64")
        found = [np.zeros(len(tokens), "int64")]
        for length in range(1, self.order + 1):
            before = np.append(-1, found[-1])[: len(tokens)]
            found.append(self.find(length, before, tokens))
        return found

    def children(self, length: int, prefix: int) -> slice:
        """Where the sequences of a length begin and end that continue a prefix: next to each other."""
        first = prefix * self.vocabulary_size
        return slice(*np.searchsorted(self.keys[length], [first, first + self.vocabulary_size]))


def pad(token_ids: np.ndarray, order: int, start_token_id: int) -> np.ndarray:
    """Puts the order − 1 start tokens before a text that its first token is predicted from."""
    return np.concatenate([np.full(order - 1, start_token_id, "int64"), np.asarray(token_ids, "int64")])
