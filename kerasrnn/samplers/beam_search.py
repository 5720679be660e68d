"""Beam search: the settings of a search for the most likely text, and how it weighs texts of unequal lengths."""

from typing import Any, Self

import numpy as np

from kerasrnn._backend import keras
from kerasrnn._portable.arguments import COUNT, Range, one_value


@keras.saving.register_keras_serializable(package="kerasrnn")
class BeamSearch:
    """The most likely texts instead of drawn ones: at every step the best `num_beams` beginnings are kept.

        score(y) = log P(y | prompt) / ((5 + |y|) / 6)^length_penalty          |y| in tokens

    A beginning is finished with the tokenizer's end token or once its text holds the stop string, whose probabilities
    count, or with the last token allowed.
    Finished ones no longer take a place among those that go on, and the search ends when none of the latter can become
    better than the best `num_beams` finished ones. Nothing is random in it.

    Args:
        num_beams: how many beginnings are kept, at least 1; 1 without a stop string is the greedy text.
        length_penalty: 0 compares log-probabilities as they are, which favours short texts; the larger, the less so: Wu et
            al. tried 0 to 1. It matters only where texts end at a stop string.

    Raises:
        ValueError: an argument outside its range.

    Example:

    >>> BeamSearch(8, length_penalty=0.6)
    BeamSearch(num_beams=8, length_penalty=0.6)

    Reference:
        Wu, Y. et al. (2016). Google's neural machine translation system. arXiv:1609.08144, equation 14 without coverage.
    """

    def __init__(self, num_beams: int = 4, length_penalty: float = 0.0) -> None:
        self.num_beams = one_value("num_beams", num_beams, COUNT)
        self.length_penalty = check_length_penalty(length_penalty)

    def get_config(self) -> dict[str, Any]:
        return {"num_beams": self.num_beams, "length_penalty": self.length_penalty}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        return cls(**config)

    def __repr__(self) -> str:
        return f"BeamSearch(num_beams={self.num_beams}, length_penalty={self.length_penalty})"


def check_length_penalty(length_penalty: Any) -> float:
    # Below 0 the search could not tell when to end: a longer text might always become better.
    in_range = Range(np.float64, 0.0, np.finfo(np.float64).max, "a finite number ≥ 0 (0 is off)")
    return float(one_value("length_penalty", length_penalty, in_range))


def length_norm(length: Any, length_penalty: Any) -> Any:
    """((5 + length) / 6)^length_penalty: what a log-probability is divided by (Wu et al., 2016). Numbers, arrays or tensors.

    Example:

    >>> length_norm(7, 0.5) == 2**0.5
    True
    """
    return ((5.0 + length) / 6.0) ** length_penalty
