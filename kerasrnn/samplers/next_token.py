"""From logits to the next token: filters, then one draw."""

from typing import Any

from kerasrnn._backend import tf
from kerasrnn._portable.arguments import GREEDY_BELOW
from kerasrnn.samplers.random_generator import uniform


def next_token(
    logits: Any, temperature: Any, top_k: Any, top_p: Any, min_p: Any, repetition_penalty: Any, seen: Any, seed: Any, step: Any
) -> Any:
    """Draws one token a row, by the row's own settings; the same token in every runtime.

    The filters act in this order: repetition penalty (the logits of tokens seen before are divided by it where they
    are positive, multiplied where negative), temperature (logits / temperature), top-k (keep the k largest), top-p (of
    those, keep the smallest set of most likely tokens whose probabilities reach p), min-p (of what is left, keep the
    tokens at least min_p times as likely as the most likely one). A token as likely as the last one that top-k and
    top-p keep is kept too. Then u = `uniform(seed, step)` picks the first token, in order of ids, at which the cumulated
    probability exceeds u.

    Args:
        logits: (batch, vocabulary) float32; −inf for a token that is never to be drawn.
        temperature: (batch,) float32; 0 takes the most likely token.
        top_k: (batch,) int32; 0 keeps all.
        top_p: (batch,) float32 in (0, 1]; 1 keeps all.
        min_p: (batch,) float32 in [0, 1]; 0 keeps all.
        repetition_penalty: (batch,) float32 > 0; 1 changes nothing.
        seen: (batch, vocabulary) booleans, the tokens that the penalty is for.
        seed: (batch,) int64.
        step: int64, the number of tokens drawn before.

    Returns:
        (batch,) int32 token ids.

    Example:

    >>> import tensorflow as tf
    >>> logits = tf.constant([[0.0, 3.0, 1.0]])
    >>> off = {"top_k": [0], "top_p": [1.0], "min_p": [0.0], "repetition_penalty": [1.0], "seen": [[False] * 3]}
    >>> off = {name: tf.constant(value) for name, value in off.items()}
    >>> next_token(logits, tf.constant([0.0]), **off, seed=tf.constant([7], tf.int64), step=0).numpy()
    array([1], dtype=int32)

    References:
        Fan, A., Lewis, M. and Dauphin, Y. (2018). Hierarchical neural story generation. arXiv:1805.04833 (top-k).
        Holtzman, A. et al. (2020). The curious case of neural text degeneration. arXiv:1904.09751 (top-p).
        Nguyen, M. et al. (2024). Turning up the heat: min-p sampling. arXiv:2407.01082.
        Keskar, N. S. et al. (2019). CTRL: a conditional transformer language model. arXiv:1909.05858 (repetition penalty).
    """
    penalty = repetition_penalty[:, None]
    logits = tf.where(seen, tf.where(logits > 0, logits / penalty, logits * penalty), logits)
    is_drawn = temperature >= GREEDY_BELOW
    greedy = tf.argmax(logits, axis=-1, output_type=tf.int32)
    scaled = logits / tf.where(is_drawn, temperature, 1.0)[:, None]
    filtered = tf.cond(
        tf.reduce_any((top_k > 0) | (top_p < 1)), lambda: _filter(scaled, top_k, top_p), lambda: scaled
    )
    weights = tf.exp(filtered - tf.reduce_max(filtered, axis=-1, keepdims=True))
    weights = tf.where(weights >= min_p[:, None], weights, 0.0)
    cumulated = tf.cumsum(weights, axis=-1)
    total = cumulated[:, -1:]
    # The second condition keeps the draw within the vocabulary when u · total rounds up to total.
    passed = (cumulated <= uniform(seed, step)[:, None] * total) & (cumulated < total)
    drawn = tf.reduce_sum(tf.cast(passed, tf.int32), axis=-1)
    return tf.where(is_drawn, drawn, greedy)


def _filter(logits: Any, top_k: Any, top_p: Any) -> Any:
    vocabulary_size = tf.shape(logits)[-1]
    k = tf.where(top_k > 0, tf.minimum(top_k, vocabulary_size), vocabulary_size)
    # Top-p alone needs them all in order; without it, the k largest do.
    descending = tf.math.top_k(logits, tf.reduce_max(tf.where((top_k > 0) | (top_p < 1), k, 1))).values
    kept = tf.where(tf.range(tf.shape(descending)[-1]) < k[:, None], descending, -float("inf"))
    probabilities = tf.nn.softmax(kept, axis=-1)
    before = tf.cumsum(probabilities, axis=-1, exclusive=True)
    smallest = tf.reduce_min(tf.where((before < top_p[:, None]) & (kept > -float("inf")), kept, float("inf")), axis=-1)
    smallest = tf.where((top_k > 0) | (top_p < 1), smallest, -float("inf"))
    return tf.where(logits >= smallest[:, None], logits, -float("inf"))
