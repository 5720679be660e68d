"""A text as it is written, piece by piece."""

import functools
from collections.abc import Iterator
from typing import Any

import numpy as np

from kerasrnn._backend import tf
from kerasrnn._portable.arguments import SETTINGS
from kerasrnn.models._pieces import Pieces, UntilStop
from kerasrnn.models.decoding import finite_logits


def stream_pieces(decoder: Any, given: dict[str, Any], sampler: Any = None) -> Iterator[str]:
    """The continuation of one prompt, each piece as soon as no later token can change it; together, what `generate` writes.

    Args:
        decoder: a Decoder.
        given: `prompt`, `stop`, `max_new_tokens` and the settings of the draw, one value each.
        sampler: what draws in their place, a `kerasrnn.samplers.Sampler` with its own `__call__`.

    Yields:
        Non-empty strings.
    """
    settings = {name: tf.constant(given[name], dtype) for name, (dtype, *_) in SETTINGS.items()}

    @functools.lru_cache(maxsize=4)  # Pieces asks for some twice, and a call costs as much as a step of a small model
    def text(*token_ids: int) -> str:
        return decoder.text_of_tokens(tf.constant(np.array(token_ids, np.int32))).numpy().decode()

    pieces, writer = Pieces(lambda token_ids: text(*token_ids)), UntilStop(given["stop"][0])
    tokens, states, seen = decoder.begin(tf.constant(given["prompt"]))
    step = decoder.step if sampler is None else decoder.step_by(sampler)
    for t in range(int(given["max_new_tokens"][0])):
        with finite_logits():
            tokens, states, seen, _ = step(tokens, states, seen, tf.constant(t), settings)
        if int(tokens[0]) == decoder.model.tokenizer.end_token_id:
            break
        if piece := writer.add(pieces.add(int(tokens[0]))):
            yield piece
        if writer.stopped:
            return
    if rest := writer.add(pieces.rest()) + writer.rest():
        yield rest
