"""Which of several given texts a model finds likely: continuations of a prompt, or hypotheses with scores of their own."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from kerasrnn._portable.arguments import positive_integer, strings
from kerasrnn.samplers import length_norm
from kerasrnn.samplers.beam_search import check_length_penalty


class Ranking(NamedTuple):
    """Given texts with their scores; all arrays in the order in which the texts were given.

    Attributes:
        texts: as given.
        scores: (texts,) float64, what they are ranked by, the highest first.
        log_probabilities: (texts,) float64, natural logarithms of the texts' probabilities under the model.
        num_tokens: (texts,) integers.

    Example:

    >>> import numpy as np
    >>> ranking = Ranking(["a", "b"], np.array([-2.0, -1.0]), np.array([-2.0, -1.0]), np.array([1, 1]))
    >>> ranking.best, ranking.order.tolist()
    ('b', [1, 0])
    """

    texts: list[Any]
    scores: np.ndarray
    log_probabilities: np.ndarray
    num_tokens: np.ndarray

    @property
    def order(self) -> np.ndarray:
        """(texts,) places of the texts, the best first; of equal ones the one given first."""
        return np.argsort(-self.scores, kind="stable")

    @property
    def best(self) -> Any:
        """The text with the highest score."""
        return self.texts[self.order[0]]


def choose(decoder: Any, prompt: str, continuations: Sequence[str], length_penalty: float, num_steps: int) -> Ranking:
    """See `TextMethods.choose`."""
    if not isinstance(prompt, str):
        raise TypeError(f"prompt: expected a string; received {type(prompt).__name__} {prompt!r}")
    if isinstance(continuations, str):
        raise TypeError(f"continuations: expected a list of strings; received one string, {continuations!r}")
    texts, length_penalty = strings(continuations, "continuations"), check_length_penalty(length_penalty)
    if not texts:
        raise ValueError("continuations: expected at least one string; received an empty list")
    total, counts = decoder.score(texts, positive_integer("num_steps", num_steps), verbose=False, prompt=prompt)
    return Ranking(texts, total / length_norm(counts, length_penalty), total, counts)


def rescore(model: Any, hypotheses: Sequence[Any], scores: Any, weight: float = 0.5, token_bonus: float = 0.0) -> Ranking:
    """Ranks the n-best list of a recogniser or translator anew, with the help of a language model.

        score(h) = (1 − weight) · scores(h) + weight · log P(h) + token_bonus · |h|          |h| in tokens

    Args:
        model: whatever has a `score` that takes a list of texts and returns their log-likelihoods and numbers of tokens:
            a LanguageModel, or a count-based model of `kerasrnn.ngram`.
        hypotheses: texts, or what else the model scores.
        scores: one number a hypothesis, the higher the better: acoustic log-probabilities, say.
        weight: of the language model, in [0, 1]; 0 ranks by `scores` alone, 1 by the language model alone.
        token_bonus: added for each token, since every further token makes a text less likely.

    Returns:
        The `Ranking`.

    Raises:
        ValueError: an argument outside its range, or another number of scores than hypotheses.
        TypeError: the model cannot score.

    Example:

    >>> import kerasrnn
    >>> tokenizer = kerasrnn.tokenizers.WordTokenizer()
    >>> tokenizer.adapt("to recognize speech is hard")
    >>> bigrams = kerasrnn.ngram.LaplaceModel(order=2, tokenizer=tokenizer).fit("to recognize speech is hard")
    >>> rescore(bigrams, ["to wreck a nice beach", "to recognize speech"], scores=[-7.0, -7.1], weight=0.3).best
    'to recognize speech'

    Reference:
        Jelinek, F. (1997). Statistical methods for speech recognition. MIT Press.
    """
    if not callable(getattr(model, "score", None)):
        raise TypeError(
            f"model: expected something with a `score`, as a LanguageModel or a model of kerasrnn.ngram; received "
            f"{type(model).__name__}"
        )
    if isinstance(hypotheses, (str, bytes)):
        raise TypeError(f"hypotheses: expected a list of texts; received one, {hypotheses!r}")
    texts = list(hypotheses)
    if not texts:
        raise ValueError("hypotheses: expected at least one; received none")
    given = _numbers("scores", scores)
    if given.shape != (len(texts),):
        raise ValueError(f"scores: expected one number a hypothesis, {len(texts)}; received an array of shape {given.shape}")
    share, bonus = _numbers("weight", weight), _numbers("token_bonus", token_bonus)
    if share.shape or not 0 <= share <= 1:
        raise ValueError(f"weight: expected a number in [0, 1]; received {weight!r}")
    if bonus.shape or not np.isfinite(bonus):
        raise ValueError(f"token_bonus: expected a finite number; received {token_bonus!r}")
    log_probabilities, num_tokens = (np.asarray(values) for values in model.score(texts))
    # An impossible text stays so, but where its weight is 0: 0 · −∞ would be NaN.
    parts = [part * values for part, values in ((1 - share, given), (share, log_probabilities)) if part > 0]
    return Ranking(texts, sum(parts) + bonus * num_tokens, log_probabilities, num_tokens)


def _numbers(name: str, value: Any) -> np.ndarray:
    try:
        values = np.asarray(value, np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name}: expected numbers; received {value!r}") from error
    if np.any(np.isnan(values)):
        raise ValueError(f"{name}: expected numbers; received NaN in {value!r}")
    return values
