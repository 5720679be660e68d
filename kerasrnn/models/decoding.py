"""Text out of a language model, and the likelihood of text under it: one compiled graph for all lengths."""

import secrets
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kerasrnn._backend import keras, tf
from kerasrnn.samplers import next_token


_ANY, _NONE = -1, -2  # in place of a stop string's token: one that any token equals, and one that none does

# The settings of a draw, each with its dtype, its range, and the range in words.
_SETTINGS: dict[str, tuple[Any, Callable[[np.ndarray], Any], str]] = {
    "temperature": (np.float32, lambda v: v >= 0, "a number ≥ 0 (0 is greedy)"),
    "top_k": (np.int32, lambda v: v >= 0, "an integer ≥ 0 (0 keeps all)"),
    "top_p": (np.float32, lambda v: (v > 0) & (v <= 1), "a number in (0, 1]"),
    "min_p": (np.float32, lambda v: (v >= 0) & (v <= 1), "a number in [0, 1] (0 keeps all)"),
    "repetition_penalty": (np.float32, lambda v: (v > 0) & np.isfinite(v), "a finite number > 0 (1 is off)"),
    "seed": (np.int64, lambda v: v == v, "an integer"),
}


class Decoder:
    """Generation and scoring for one LanguageModel; holds its compiled graphs."""

    def __init__(self, model: Any) -> None:
        self.model = model
        ids, scalar = tf.TensorSpec((None, None), tf.int32), tf.TensorSpec((), tf.int32)
        settings = {name: tf.TensorSpec((None,), dtype) for name, (dtype, *_) in _SETTINGS.items()}
        seen = tf.TensorSpec((None, model.vocabulary_size), tf.bool)
        self._generate = tf.function(self._generate_ids, [ids, tf.TensorSpec((None,), tf.int32), seen, scalar, ids, settings])
        self._score_chunk = tf.function(self._log_likelihood, reduce_retracing=True)

    def generate(self, prompt: str | Sequence[str], max_new_tokens: int, stop: Any, **settings: Any) -> Any:
        prompts = _strings(prompt, "prompt")
        if isinstance(max_new_tokens, bool) or not hasattr(max_new_tokens, "__index__") or max_new_tokens < 1:
            raise ValueError(f"max_new_tokens: expected an integer of at least 1; received {max_new_tokens!r}")
        rows, tokenizer = len(prompts), self.model.tokenizer
        if settings["seed"] is None:
            settings["seed"] = [secrets.randbits(63) for _ in range(rows)]
        settings = {name: _row_values(name, settings[name], rows, *checks) for name, checks in _SETTINGS.items()}
        stops = [tokenizer.tokenize(s).numpy() for s in _row_strings("stop", stop, rows)]
        if not prompts:
            return []
        ids = [[tokenizer.start_token_id, *tokenizer.tokenize(p).numpy()] for p in prompts]
        lengths = [len(row) for row in ids]
        padded = np.zeros((rows, max(lengths)), np.int32)
        seen = np.zeros((rows, self.model.vocabulary_size), bool)
        stop_ids = np.full((rows, max(map(len, stops))), _ANY, np.int32)
        for row, values in enumerate(ids):
            padded[row, : lengths[row]] = values
            seen[row, values[1:]] = True
            stop_ids[row, stop_ids.shape[1] - len(stops[row]) :] = stops[row]
        written, counts = self._generate(padded, lengths, seen, max_new_tokens, stop_ids, settings)
        texts = [tokenizer.detokenize(row[:count]).numpy().decode() for row, count in zip(written.numpy(), counts.numpy())]
        return texts[0] if isinstance(prompt, str) else texts

    def score(self, text: str | Sequence[str], num_steps: int, verbose: bool) -> tuple[Any, Any]:
        if isinstance(num_steps, bool) or not hasattr(num_steps, "__index__") or num_steps < 1:
            raise ValueError(f"num_steps: expected an integer of at least 1; received {num_steps!r}")
        texts = _strings(text, "text")
        tokenizer = self.model.tokenizer
        rows = [np.asarray(tokenizer.tokenize(t), np.int32) for t in texts]
        counts = np.array([len(row) for row in rows], np.int64)
        width = max(counts, default=0)
        targets = np.full((len(rows), width), -1, np.int32)
        for row, count, values in zip(targets, counts, rows):
            row[:count] = values
        inputs = np.concatenate([np.full((len(rows), 1), tokenizer.start_token_id), targets[:, :-1]], axis=1)
        states = self.model.get_initial_state(len(rows))
        total = np.zeros(len(rows))
        bar = keras.utils.Progbar(-(-width // num_steps), unit_name="chunk", verbose=int(verbose))
        for start in range(0, width, num_steps):
            chunk = slice(start, start + num_steps)
            log_likelihood, states = self._score_chunk(
                tf.constant(np.maximum(inputs[:, chunk], 0), tf.int32), tf.constant(targets[:, chunk]), states
            )
            total += log_likelihood.numpy()
            bar.add(1)
        return (float(total[0]), int(counts[0])) if isinstance(text, str) else (total, counts)

    def _log_likelihood(self, token_ids: Any, targets: Any, states: list[Any]) -> tuple[Any, list[Any]]:
        logits, states = self.model(token_ids, initial_state=states, return_state=True)
        loss = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=tf.maximum(targets, 0), logits=logits)
        # In float64: a novel has a million terms.
        loss = tf.where(targets >= 0, tf.cast(loss, tf.float64), 0.0)
        return -tf.reduce_sum(loss, axis=1), states

    def _generate_ids(
        self, token_ids: Any, lengths: Any, seen: Any, max_new_tokens: Any, stop_ids: Any, settings: dict[str, Any]
    ) -> tuple[Any, Any]:
        """The tokens written, (batch, time), and how many of each row's come before its stop string."""
        model = self.model
        logits, states = model(token_ids, mask=tf.sequence_mask(lengths, tf.shape(token_ids)[1]), return_state=True)
        logits = tf.gather(logits, lengths - 1, batch_dims=1)
        never = tf.one_hot(model.tokenizer.unknown_token_id, model.vocabulary_size, on_value=float("-inf"), off_value=0.0)
        stop_lengths = tf.reduce_sum(tf.cast(stop_ids != _ANY, tf.int32), axis=1)

        def body(t: Any, logits: Any, states: list[Any], seen: Any, last: Any, counts: Any, written: Any) -> Any:
            logits = tf.cast(logits, tf.float32) + never
            tokens = next_token(logits, seen=seen, step=tf.cast(t, tf.int64), **settings)
            seen |= tf.one_hot(tokens, model.vocabulary_size, on_value=True, off_value=False)
            last = tf.concat([last, tokens[:, None]], axis=1)[:, 1:]
            stopped = tf.reduce_all((stop_ids == _ANY) | (stop_ids == last), axis=1) & (stop_lengths > 0)
            counts = tf.where(stopped & (counts == max_new_tokens), t + 1 - stop_lengths, counts)
            logits, states = model(tokens[:, None], initial_state=states, return_state=True)
            return t + 1, logits[:, 0], states, seen, last, counts, written.write(t, tokens)

        written = tf.TensorArray(tf.int32, size=max_new_tokens, element_shape=(None,))
        nothing = tf.fill(tf.shape(stop_ids), _NONE)
        counts = tf.fill(tf.shape(lengths), max_new_tokens)
        *_, counts, written = tf.while_loop(
            lambda t, *rest: (t < max_new_tokens) & tf.reduce_any(rest[-2] == max_new_tokens),
            body,
            [0, logits, states, seen, nothing, counts, written],
        )
        return tf.transpose(written.stack()), counts


def _strings(value: Any, name: str) -> list[str]:
    values = list(value) if isinstance(value, Sequence) and not isinstance(value, (str, bytes)) else [value]
    for v in values:
        if not isinstance(v, str):
            raise TypeError(f"{name}: expected a string or a list of strings; received {type(v).__name__} {v!r}")
    return values


def _row_values(name: str, value: Any, rows: int, dtype: Any, is_valid: Callable[[np.ndarray], Any], expected: str) -> np.ndarray:
    try:
        given = np.asarray(value)
        if np.dtype(dtype).kind == "i" and given.size and given.dtype.kind not in "iu":
            raise ValueError("not an integer")
        values = np.broadcast_to(given.astype(dtype), (rows,))
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{name}: expected {expected}, one for all prompts or one a prompt ({rows}); received {value!r}") from error
    if not np.all(is_valid(values)):
        raise ValueError(f"{name}: expected {expected}; received {value!r}")
    return values


def _row_strings(name: str, value: Any, rows: int) -> list[str]:
    values = _strings(value, name)
    if isinstance(value, str):
        return values * rows
    if len(values) != rows:
        raise ValueError(f"{name}: expected a string, or one a prompt ({rows}); received {len(values)}")
    return values
