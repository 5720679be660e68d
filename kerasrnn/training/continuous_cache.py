"""Evaluation of a model that remembers what it has read."""

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kerasrnn._backend import tf
from kerasrnn.training._text_scorer import TextScorer, check_count, check_number, state_specs, steps_spec


@dataclass(frozen=True)
class ContinuousCache:
    r"""What a model remembers of the text that it is evaluated on, for `evaluate_text` (Grave et al., 2017).

        p(w | x_1 … x_t) = (1 − λ) p_vocab(w | h_t) + λ p_cache(w)
        p_cache(w) ∝ Σ_(i = t − window … t − 1) 1{w = x_(i+1)} exp(θ h_t · h_i)

    h_t is the last layer's output after token x_t, and x_(i+1) the token that followed on x_i: a word is likely where it
    was read before in a like place. As long as the cache is empty, p is p_vocab. Each document begins with an empty one.
    Nothing is trained; the scores are computed in float32.

    Attributes:
        window: How many of the latest hidden states the cache holds.
        flatness: θ ≥ 0, how much more a state counts that is like the present one; 0 for all alike. The paper tunes it
            from 0 to 1 on the validation split.
        share: λ in [0, 1], the cache's share of the probability.
        num_steps: How many tokens are run at once; does not change the result.

    Raises:
        ValueError: If a setting is out of range; in `evaluate_text`, if the model has no tokenizer.

    Example:

    >>> import kerasrnn
    >>> tokenizer = kerasrnn.tokenizers.CharTokenizer(["\ufffd", "\n", "a", "b"])
    >>> model = kerasrnn.models.LanguageModel(kerasrnn.cells.GRUCell(8), tokenizer=tokenizer)
    >>> static = kerasrnn.training.evaluate_text(model, "aaaaaaaa")
    >>> cached = kerasrnn.training.evaluate_text(model, "aaaaaaaa", cache=ContinuousCache(share=0.5))
    >>> cached.perplexity < static.perplexity
    True

    Reference: Grave, Joulin and Usunier, 2017, "Improving Neural Language Models with a Continuous Cache", equations 2, 3
    and 5.
    """

    window: int = 2000
    flatness: float = 0.3
    share: float = 0.1
    num_steps: int = 512

    def __post_init__(self) -> None:
        check_count("window", self.window)
        check_count("num_steps", self.num_steps)
        check_number("flatness", self.flatness, 0, sys.float_info.max, "a number of at least 0")
        check_number("share", self.share, 0, 1, "a share in [0, 1]")

    def scorer(self, model: Any) -> TextScorer:
        """What `evaluate_text` measures in place of the model."""
        return _CacheScorer(model, self)


class _CacheScorer(TextScorer):
    def __init__(self, model: Any, settings: ContinuousCache) -> None:
        super().__init__(model, settings.num_steps)
        self.settings = settings
        width = model.recurrent_layers[-1].cell.output_size
        # The window's hidden states, and the token that followed on each: −1 where there is none yet.
        self._empty = (tf.zeros((settings.window, width)), tf.fill((settings.window,), -1))
        cache_specs = [tf.TensorSpec((settings.window, width)), tf.TensorSpec((settings.window,), tf.int32)]
        self._window = tf.function(self._read, [steps_spec(), steps_spec(), state_specs(model), *cache_specs])

    def begin(self) -> Callable[[Any, Any], Any]:
        states, memory = self.model.get_initial_state(1), self._empty

        def window(token_ids: Any, targets: Any) -> Any:
            nonlocal states, memory
            values, states, *memory = self._window(token_ids, targets, states, *memory)
            return values

        return window

    def _read(self, token_ids: Any, targets: Any, states: list[Any], hidden: Any, followers: Any) -> Any:
        window, share = self.settings.window, self.settings.share
        h, logits, states = hidden_states_and_logits(self.model, token_ids, states)
        h, targets = tf.cast(h[0], tf.float32), targets[0]
        likely = -tf.nn.sparse_softmax_cross_entropy_with_logits(targets, logits[0])
        hidden, followers = tf.concat([hidden, h], 0), tf.concat([followers, targets], 0)

        # Step t of this window lies at window + t, and sees the `window` places before it.
        before = window + tf.range(tf.size(targets))[:, None] - tf.range(tf.size(followers))[None]
        seen = (before >= 1) & (before <= window) & (followers >= 0)[None]
        scores = self.settings.flatness * tf.matmul(h, hidden, transpose_b=True)
        all_seen = _log_sum_exp(scores, seen)
        cached = _log_sum_exp(scores, seen & (followers[None] == targets[:, None])) - all_seen
        cached = tf.where(tf.reduce_any(seen, 1), cached, likely)
        mixed = [math.log(weight) + part for weight, part in ((1 - share, likely), (share, cached)) if weight > 0]
        return tf.reduce_logsumexp(tf.stack(mixed), 0), states, hidden[-window:], followers[-window:]


def hidden_states_and_logits(model: Any, token_ids: Any, states: list[Any]) -> tuple[Any, Any, list[Any]]:
    """The last layer's outputs (batch, time, units), the logits (batch, time, vocabulary) in float32, and the last
    states, as at inference."""
    if model.embedding_layer is None:
        x = tf.one_hot(token_ids, model.vocabulary_size, dtype=model.compute_dtype)
    else:
        x = model.embedding_layer(token_ids)
    remaining, last = list(states), []
    for layer in model.recurrent_layers:
        given, remaining = remaining[: len(layer.state_size)], remaining[len(layer.state_size) :]
        x, *layer_states = layer(x, initial_state=given, training=False)
        last.extend(layer_states)
    if model.output_layer is not None:
        logits = model.output_layer(x)
    else:
        logits = model.embedding_layer(x, reverse=True)
        logits += tf.cast(model.output_bias, logits.dtype)
    return x, tf.cast(logits, tf.float32), last


def _log_sum_exp(scores: Any, counted: Any) -> Any:
    return tf.reduce_logsumexp(tf.where(counted, scores, -math.inf), axis=1)
