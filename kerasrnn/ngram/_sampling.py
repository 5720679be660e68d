"""Draws of one token after another."""

import numpy as np

from kerasrnn.ngram._interpolation import Interpolation


def draw(
    model: Interpolation,
    context: np.ndarray,
    length: int,
    temperature: float,
    seed: int | None,
    forbidden_token_id: int | None,
) -> np.ndarray:
    """Draws `length` token ids after a context of order − 1."""
    generator = np.random.default_rng(seed)
    history = np.concatenate([context, np.zeros(length, "int64")])
    for place in range(len(context), len(history)):
        weights = model.distribution(history[place - len(context) : place])
        if forbidden_token_id is not None:
            weights[forbidden_token_id] = 0
        largest = weights.max()
        if not largest > 0:
            raise ValueError(
                f"prompt must end in tokens that the model knows a continuation of, but after {place - len(context)} "
                "tokens nothing is possible. Use another prompt, or a model that smooths its counts."
            )
        if temperature == 0:
            history[place] = weights.argmax()
            continue
        cumulated = np.cumsum((weights / largest) ** (1 / temperature))
        history[place] = np.searchsorted(cumulated, generator.random() * cumulated[-1], side="right")
    return history[len(context) :]
