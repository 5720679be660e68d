"""Are two texts the same, and if not, may they part there?

Two runtimes round differently, so that texts may part where a draw, or the choice of what is drawn from, lies within
rounding of a boundary. Where two texts part anywhere else, one of the runtimes is wrong.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from kerasrnn._portable.arguments import GENERATE_INPUTS, SETTINGS
from kerasrnn.export.runtime.sampling import next_token, uniform

BOUNDARY = 1e-4
_OFF = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0, "repetition_penalty": 1.0, "stop": ""}


def request(prompts: list[str], settings: list[dict[str, Any]], max_new_tokens: int) -> dict[str, np.ndarray]:
    """The inputs of generate for each prompt with each of the settings; what these leave out is off."""
    rows = [
        {**_OFF, **s, "prompt": prompt, "max_new_tokens": max_new_tokens, "seed": 7 + i}
        for i, prompt in enumerate(prompts)
        for s in settings
    ]
    return {name: np.array([row[name] for row in rows], dtype) for name, dtype in GENERATE_INPUTS.items()}


@dataclass
class Comparison:
    """Rows of text that were the same, that parted at a boundary, and that parted elsewhere: (row, position, margin)."""

    equal: list[int]
    at_boundary: list[tuple[int, int, float]]
    unexplained: list[tuple[int, int, float]]


def compare(
    inputs: dict[str, np.ndarray], expected: Any, received: Any, logits_of: Callable[[np.ndarray], np.ndarray], tokenizer: Any
) -> Comparison:
    """Compares two texts for each row of `inputs`.

    Args:
        inputs: the inputs of generate.
        expected, received: the texts.
        logits_of: token ids (time,) to the logits (vocabulary,) of the next one.
        tokenizer: the runtime's.
    """
    result = Comparison([], [], [])
    for row, (one, other) in enumerate(zip(expected, received, strict=True)):
        if one == other:
            result.equal.append(row)
            continue
        settings = {name: values[row] for name, values in inputs.items()}
        parting = _parting if tokenizer.one_spelling else _parting_of_replay
        position, margin = parting(settings, one, other, logits_of, tokenizer)
        (result.at_boundary if margin <= BOUNDARY else result.unexplained).append((row, position, margin))
    return result


def _parting(
    settings: dict[str, Any], one: str, other: str, logits_of: Callable[[np.ndarray], np.ndarray], tokenizer: Any
) -> tuple[int, float]:
    """The position at which two texts part, and how near to a boundary the first one's draw was there."""
    stop = tokenizer.tokenize(settings["stop"])

    def path(text: str) -> np.ndarray:
        # A text that ended early went on with its stop string.
        return np.concatenate([tokenizer.tokenize(text), stop])[: settings["max_new_tokens"]]

    first, second = path(one), path(other)
    shared = min(len(first), len(second))
    differing = np.flatnonzero(first[:shared] != second[:shared])
    position = int(differing[0]) if differing.size else shared
    prompt = tokenizer.tokenize(settings["prompt"])
    logits = logits_of(np.concatenate([[tokenizer.start_token_id], prompt, first[:position]]).astype(np.int32))
    seen = np.isin(np.arange(len(logits)), np.concatenate([prompt, first[:position]]))
    logits = np.where(np.isin(np.arange(len(logits)), tokenizer.never_drawn), -np.inf, logits)
    return position, margin(logits, settings, seen, position)


def _parting_of_replay(
    settings: dict[str, Any], one: str, other: str, logits_of: Callable[[np.ndarray], np.ndarray], tokenizer: Any
) -> tuple[int, float]:
    """As `_parting`, where a text does not tell its tokens: they are drawn again, up to the one by which the texts part."""
    shared = len(os.path.commonprefix([one, other]))
    prompt = tokenizer.tokenize(settings["prompt"])
    row = {name: np.array([settings[name]]) for name in SETTINGS}
    written: list[int] = []
    nearest = (0, np.inf)
    while len(written) < settings["max_new_tokens"] and len(tokenizer.detokenize(written).rstrip("\ufffd")) <= shared:
        logits = logits_of(np.concatenate([[tokenizer.start_token_id], prompt, written]).astype(np.int32))
        seen = np.isin(np.arange(len(logits)), np.concatenate([prompt, written]))
        logits = np.where(np.isin(np.arange(len(logits)), tokenizer.never_drawn), -np.inf, logits).astype(np.float32)
        here = margin(logits, settings, seen, len(written))
        if here <= BOUNDARY:
            return len(written), here
        nearest = min(nearest, (len(written), here), key=lambda place: place[1])
        written += next_token(logits[None], seen=seen[None], step=len(written), **row).tolist()
        if written[-1] == tokenizer.end_token_id:
            break
    return nearest


def margin(logits: np.ndarray, settings: dict[str, Any], seen: np.ndarray, step: int) -> float:
    """The distance of a draw from the nearest boundary: of scores, of probabilities, or of the draw itself.

    Args:
        logits: (vocabulary,), −inf for what is never drawn.
        settings: the row's.
        seen: (vocabulary,) booleans, what the repetition penalty is for.
        step: the number of tokens drawn before.
    """
    penalty = settings["repetition_penalty"]
    logits = np.where(seen, np.where(logits > 0, logits / penalty, logits * penalty), logits).astype(np.float64)
    if settings["temperature"] == 0:
        return float(np.ptp(np.sort(logits)[-2:]))
    logits = logits / settings["temperature"]
    order = np.argsort(-logits)
    k = min(settings["top_k"] or len(order), len(order))
    margins = [logits[order[k - 1]] - logits[order[k]]] if k < len(order) else []
    probabilities = np.exp(logits[order[:k]] - logits[order[0]])
    probabilities /= probabilities.sum()
    before = np.cumsum(probabilities) - probabilities
    if settings["top_p"] < 1:
        margins.append(np.abs(before - settings["top_p"]).min())
    kept = np.zeros(len(order), bool)
    kept[order[:k][before < settings["top_p"]]] = True
    weights = np.where(kept, np.exp(logits - logits.max()), 0)
    if settings["min_p"] > 0:
        margins.append(np.abs(weights - settings["min_p"]).min())
    cumulated = np.cumsum(np.where(weights >= settings["min_p"], weights, 0))
    margins.append(np.abs(cumulated / cumulated[-1] - uniform(np.array([settings["seed"]]), step)[0]).min())
    return float(min(margins))
