"""From logits to the next token in NumPy: the draws that the trainer's TensorFlow and every other runtime make."""

import numpy as np

from kerasrnn._portable.arguments import GREEDY_BELOW

_GAMMA = np.uint64(0x9E3779B97F4A7C15)


def uniform(seed: np.ndarray, step: int) -> np.ndarray:
    """Uniform float32 in [0, 1) for each seed (int64) at a step: a counter hash (SplitMix64), no carried state."""
    key = _mix(np.asarray(seed).astype(np.int64).view(np.uint64) + _GAMMA)
    bits = _mix(key + np.array([step + 1], np.uint64) * _GAMMA) >> np.uint64(40)
    return bits.astype(np.float32) * np.float32(2.0**-24)


def _mix(z: np.ndarray) -> np.ndarray:
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def next_token(
    logits: np.ndarray,
    temperature: np.ndarray,
    top_k: np.ndarray,
    top_p: np.ndarray,
    min_p: np.ndarray | None,
    repetition_penalty: np.ndarray | None,
    seen: np.ndarray,
    seed: np.ndarray,
    step: int,
) -> np.ndarray:
    """Draws one token a row: repetition penalty, temperature, top-k, top-p, min-p, then one draw.

    Args:
        logits: (batch, vocabulary) float32; −inf for a token that is never to be drawn.
        temperature, top_k, top_p, min_p, repetition_penalty: (batch,) float32, but top_k int32; 0 takes the most likely
            token, and 0, 1, 0 and 1 switch the others off, the last two for all rows if None.
        seen: (batch, vocabulary) booleans, the tokens that the penalty is for.
        seed: (batch,) int64.
        step: the number of tokens drawn before.

    Returns:
        (batch,) int32 token ids.
    """
    if repetition_penalty is not None:
        penalty = repetition_penalty[:, None]
        logits = np.where(seen, np.where(logits > 0, logits / penalty, logits * penalty), logits)
    is_drawn = temperature >= np.float32(GREEDY_BELOW)
    scaled = logits / np.where(is_drawn, temperature, np.float32(1))[:, None]
    if np.any((top_k > 0) | (top_p < 1)):
        scaled = _filter(scaled, top_k, top_p)
    weights = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    if min_p is not None:
        weights = np.where(weights >= min_p[:, None], weights, np.float32(0))
    cumulated = np.cumsum(weights, axis=-1, dtype=np.float32)
    total = cumulated[:, -1:]
    passed = (cumulated <= uniform(seed, step)[:, None] * total) & (cumulated < total)
    return np.where(is_drawn, passed.sum(axis=-1), logits.argmax(axis=-1)).astype(np.int32)


def _filter(logits: np.ndarray, top_k: np.ndarray, top_p: np.ndarray) -> np.ndarray:
    vocabulary_size, filtered = logits.shape[-1], (top_k > 0) | (top_p < 1)
    k = np.where(top_k > 0, np.minimum(top_k, vocabulary_size), vocabulary_size)
    # Top-p alone needs them all in order; without it, the k largest do.
    most = k[filtered].max()
    descending = -np.sort(-logits if most == vocabulary_size else np.partition(-logits, most - 1, axis=-1)[:, :most], axis=-1)
    kept = np.where(np.arange(most) < k[:, None], descending, -np.inf)
    weights = np.exp(kept - kept[:, :1])
    probabilities = weights / weights.sum(axis=-1, keepdims=True)
    before = np.cumsum(probabilities, axis=-1, dtype=np.float32) - probabilities
    smallest = np.where((before < top_p[:, None]) & (kept > -np.inf), kept, np.inf).min(axis=-1)
    smallest = np.where(filtered, smallest, -np.inf)
    return np.where(logits >= smallest[:, None], logits, np.float32(-np.inf))
