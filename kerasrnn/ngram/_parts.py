"""What the estimates of several models are made of."""

import numpy as np

from kerasrnn.ngram._trie import Trie


def transparent(trie: Trie) -> tuple[list[np.ndarray | None], list[np.ndarray | None]]:
    """The shares and rests of a model in which no context says more than the one shorter by a token."""
    lengths = range(1, trie.order + 1)
    shares = [None, *(np.zeros(trie.size(length)) for length in lengths)]
    rests = [None, *(np.ones(trie.size(length - 1)) for length in lengths)]
    return shares, rests


def divide(dividend: np.ndarray, divisor: np.ndarray, otherwise: float) -> np.ndarray:
    """The quotient, or something else where the divisor is 0."""
    return np.divide(dividend, divisor, out=np.full(len(divisor), otherwise), where=divisor > 0)
