"""Sequences fed to a step piece by piece."""

from collections.abc import Callable

import numpy as np

from kerasrnn.export.writers._signature import first_states

# Named arrays in, named arrays out.
Function = Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]


def fed(
    step: Function, whole: dict[str, np.ndarray], states: dict[str, np.ndarray], cuts: list[int]
) -> list[dict[str, np.ndarray]]:
    """What step gives on the pieces of whole inputs, one after the other.

    Args:
        step: the function.
        whole: inputs, all (batch, time, …).
        states: at the beginning of a row, each (size,), by name.
        cuts: where to cut, ascending.
    """
    batch, steps = next(iter(whole.values())).shape[:2]
    given, pieces = first_states(states, batch), []
    for begin, end in zip([0, *cuts], [*cuts, steps]):
        pieces.append(step({**{name: value[:, begin:end] for name, value in whole.items()}, **given}))
        given = {name: pieces[-1][f"next_{name}"] for name in states}
    return pieces


def joined(pieces: list[np.ndarray], whole: np.ndarray) -> np.ndarray:
    """The pieces of a value over time, or the last of one that has no time axis."""
    over_time = whole.ndim > 1 and whole.shape[1] == sum(piece.shape[1] for piece in pieces if piece.ndim > 1)
    return np.concatenate(pieces, axis=1) if over_time else pieces[-1]
