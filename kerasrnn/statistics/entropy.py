"""What a token costs in bits, told from counts."""

import math
from typing import NamedTuple

import numpy as np


class EntropyBounds(NamedTuple):
    """Bits that a token costs, given the tokens before it.

    Args:
        lower: The plug-in estimate: no Markov model of this order, with whatever probabilities, needs fewer bits for a
            token of this very text.
        corrected: The plug-in estimate with Miller and Madow's correction of its bias.
        upper: What an adaptive code of this order really needs, which learns its probabilities on the way.
    """

    lower: float
    corrected: float
    upper: float


def entropy_bounds(counts: np.ndarray, contexts: np.ndarray, num_types: int) -> EntropyBounds:
    """Bounds from the counts n(c, x) of token x after context c, N in all.

        lower = − Σ n(c, x) log₂ (n(c, x) / n(c)) / N
        corrected = lower + (number of (c, x) − number of c) / (2 N ln 2)
        upper = Σ_c log₂ [Γ(n(c) + V α) / Γ(V α)] / N − Σ log₂ [Γ(n(c, x) + α) / Γ(α)] / N        with α = 1/2

    Args:
        counts: n(c, x) ≥ 1, of shape (pairs,).
        contexts: Which context each belongs to, sorted, of shape (pairs,).
        num_types: V, how many types of token there are.

    Returns:
        The three, in bits per token; nan where there are no counts.

    Example:

    >>> bounds = entropy_bounds(np.array([1, 1]), np.array([0, 0]), num_types=2)  # heads and tails
    >>> [round(bits, 4) for bits in bounds]
    [1.0, 1.3607, 1.5]
    """
    num_tokens = counts.sum()
    if not num_tokens:
        return EntropyBounds(*[float("nan")] * 3)
    starts = np.flatnonzero(np.diff(contexts, prepend=contexts[0] - 1))
    totals = np.add.reduceat(counts, starts)
    lower = (np.sum(totals * np.log2(totals)) - np.sum(counts * np.log2(counts))) / num_tokens
    bits = num_tokens * math.log(2)
    corrected = lower + (len(counts) - len(totals)) / (2 * bits)
    upper = (_sum_of_log_rising(totals, num_types / 2) - _sum_of_log_rising(counts, 1 / 2)) / bits
    return EntropyBounds(max(float(lower), 0.0), float(corrected), float(upper))


def _sum_of_log_rising(counts: np.ndarray, start: float) -> float:
    """Σ ln [Γ(start + n) / Γ(start)]; most counts are small numbers, so each is computed once."""
    values, times = np.unique(counts, return_counts=True)
    logs = np.array([math.lgamma(start + value) for value in values.tolist()]) - math.lgamma(start)
    return float(np.sum(times * logs))
