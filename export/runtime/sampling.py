"""From logits to the next token in NumPy: the draws that the trainer's TensorFlow and every other runtime make."""

import numpy as np

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
    logits: np.ndarray, temperature: np.ndarray, top_k: np.ndarray, top_p: np.ndarray, seed: np.ndarray, step: int
) -> np.ndarray:
    """Draws one token a row: temperature, top-k, top-p, then the first token whose cumulated weight exceeds the draw.

    Args:
        logits: (batch, vocabulary) float32; −inf for a token that is never to be drawn.
        temperature, top_k, top_p, seed: (batch,) float32, int32, float32, int64; 0, 0 and 1 switch the first three off.
        step: the number of tokens drawn before.

    Returns:
        (batch,) int32 token ids.
    """
    scaled = logits / np.where(temperature > 0, temperature, np.float32(1))[:, None]
    if np.any((top_k > 0) | (top_p < 1)):
        scaled = _filter(scaled, top_k, top_p)
    weights = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    cumulated = np.cumsum(weights, axis=-1, dtype=np.float32)
    total = cumulated[:, -1:]
    passed = (cumulated <= uniform(seed, step)[:, None] * total) & (cumulated < total)
    return np.where(temperature > 0, passed.sum(axis=-1), logits.argmax(axis=-1)).astype(np.int32)


def _filter(logits: np.ndarray, top_k: np.ndarray, top_p: np.ndarray) -> np.ndarray:
    vocabulary_size = logits.shape[-1]
    descending = -np.sort(-logits, axis=-1)
    k = np.where(top_k > 0, np.minimum(top_k, vocabulary_size), vocabulary_size)
    kept = np.where(descending >= np.take_along_axis(descending, k[:, None] - 1, axis=-1), descending, -np.inf)
    weights = np.exp(kept - kept[:, :1])
    probabilities = weights / weights.sum(axis=-1, keepdims=True)
    before = np.cumsum(probabilities, axis=-1, dtype=np.float32) - probabilities
    smallest = np.where((before < top_p[:, None]) & (kept > -np.inf), kept, np.inf).min(axis=-1)
    return np.where(logits >= smallest[:, None], logits, np.float32(-np.inf))
