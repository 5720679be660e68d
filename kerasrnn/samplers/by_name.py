"""A sampler by its name."""

from typing import Any

from kerasrnn._backend import keras
from kerasrnn.samplers.beam_search import BeamSearch
from kerasrnn.samplers.sampler import Greedy, MinP, Random, Sampler, TopK, TopP

_BY_NAME = {"greedy": Greedy, "random": Random, "top_k": TopK, "top_p": TopP, "min_p": MinP, "beam_search": BeamSearch}


def get(identifier: Any) -> Sampler | BeamSearch:
    """The sampler that is meant, as `keras.losses.get` finds a loss.

    Args:
        identifier: a sampler; a name for one with its default settings: "greedy", "random", "top_k", "top_p", "min_p" or
            "beam_search"; or the dictionary that `keras.saving.serialize_keras_object` makes of one.

    Returns:
        The sampler.

    Raises:
        ValueError: there is none of that name, or it is something else.

    Example:

    >>> get("top_k").k
    40
    """
    found = identifier
    if isinstance(identifier, dict):
        found = keras.saving.deserialize_keras_object(identifier)
    elif isinstance(identifier, str) and identifier in _BY_NAME:
        found = _BY_NAME[identifier]()
    if not isinstance(found, (Sampler, BeamSearch)):
        raise ValueError(
            f"sampler: expected one of {', '.join(map(repr, _BY_NAME))}, or an object of kerasrnn.samplers such as "
            f"TopP(0.9); received {identifier!r}"
        )
    return found
