"""Draws of one token after another."""

import numpy as np

from kerasrnn.ngram._interpolation import Interpolation


def draw(
    model: Interpolation,
    context: np.ndarray,
    length: int,
    temperature: float,
    seed: int | None,
    forbidden: list[int],
    ends: list[int],
) -> np.ndarray:
    """Draws `length` token ids after a context of order − 1, fewer if one of `ends` is drawn, which is left out."""
    generator = np.random.default_rng(seed)
    history = np.concatenate([context, np.zeros(length, "int64")])
    for place in range(len(context), len(history)):
        weights = model.distribution(history[place - len(context) : place])
        weights[forbidden] = 0
        largest = weights.max()
        if not largest > 0:
            raise ValueError(
                f"prompt must end in tokens that the model knows a continuation of, but after {place - len(context)} "
                "tokens nothing is possible. Use another prompt, or a model that smooths its counts."
            )
        if temperature == 0:
            history[place] = weights.argmax()
        else:
            cumulated = np.cumsum((weights / largest) ** (1 / temperature))
            history[place] = np.searchsorted(cumulated, generator.random() * cumulated[-1], side="right")
        if history[place] in ends:
            return history[len(context) : place]
    return history[len(context) :]
