"""A text as it is written, piece by piece."""

import functools
from collections.abc import Iterator
from typing import Any

import numpy as np

from kerasrnn._backend import tf
from kerasrnn.models._pieces import Pieces, UntilStop
from kerasrnn.samplers.settings import SETTINGS


def stream_pieces(decoder: Any, given: dict[str, Any]) -> Iterator[str]:
    """The continuation of one prompt, each piece as soon as no later token can change it; together, what `generate` writes.

    Args:
        decoder: a Decoder.
        given: `prompt`, `stop`, `max_new_tokens` and the settings of the draw, one value each.

    Yields:
        Non-empty strings.
    """
    settings = {name: tf.constant(given[name], dtype) for name, (dtype, *_) in SETTINGS.items()}

    @functools.lru_cache(maxsize=4)  # Pieces asks for some twice, and a call costs as much as a step of a small model
    def text(*token_ids: int) -> str:
        return decoder.text_of_tokens(tf.constant(np.array(token_ids, np.int32))).numpy().decode()

    pieces, writer = Pieces(lambda token_ids: text(*token_ids)), UntilStop(given["stop"][0])
    tokens, states, seen = decoder.begin(tf.constant(given["prompt"]))
    for t in range(int(given["max_new_tokens"][0])):
        tokens, states, seen, _ = decoder.step(tokens, states, seen, tf.constant(t), settings)
        if int(tokens[0]) == decoder.model.tokenizer.end_token_id:
            break
        if piece := writer.add(pieces.add(int(tokens[0]))):
            yield piece
        if writer.stopped:
            return
    if rest := writer.add(pieces.rest()) + writer.rest():
        yield rest
