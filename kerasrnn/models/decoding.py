"""Text out of a language model, and the likelihood of text under it: one compiled graph for all lengths."""

import secrets
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kerasrnn._backend import keras, tf
from kerasrnn.samplers import next_token


_CHUNK = 512  # tokens read in one call of the model: a long text takes bounded memory
_ANY, _NONE = -1, -2  # in place of a stop string's token: one that any token equals, and one that none does
GENERATE_INPUTS = (
    "prompt", "max_new_tokens", "temperature", "top_k", "top_p", "min_p", "repetition_penalty", "stop", "seed",
)  # fmt: skip

# The settings of a draw, each with its dtype, its range, and the range in words.
_SETTINGS: dict[str, tuple[Any, Callable[[np.ndarray], Any], str]] = {
    "temperature": (np.float32, lambda v: (v >= 0) & (v < np.inf), "a finite number ≥ 0 (0 is greedy)"),
    "top_k": (np.int32, lambda v: v >= 0, "an integer ≥ 0 (0 keeps all)"),
    "top_p": (np.float32, lambda v: (v > 0) & (v <= 1), "a number in (0, 1]"),
    "min_p": (np.float32, lambda v: (v >= 0) & (v <= 1), "a number in [0, 1] (0 keeps all)"),
    "repetition_penalty": (np.float32, lambda v: (v > 0) & (v < np.inf), "a finite number > 0 (1 is off)"),
    "seed": (np.int64, lambda v: v == v, "an integer"),
}


class Decoder:
    """Generation and scoring for one LanguageModel: `generate_strings` and `score_strings`, graphs from strings to
    strings which exported models hold too, and what Python callers expect around them."""

    def __init__(self, model: Any) -> None:
        self.model = model
        rows = {"prompt": tf.string, "max_new_tokens": tf.int32, **{n: t for n, (t, *_) in _SETTINGS.items()}, "stop": tf.string}
        self.inputs = {
            "generate": [tf.TensorSpec((None,), rows[name], name) for name in GENERATE_INPUTS],
            "score": [tf.TensorSpec((None,), tf.string, "text")],
        }
        self._generate = tf.function(self.generate_strings, self.inputs["generate"], autograph=False)
        self._score_chunk = tf.function(self._log_likelihood, reduce_retracing=True)

    def generate(self, prompt: str | Sequence[str], max_new_tokens: int, stop: Any, **settings: Any) -> Any:
        prompts = _strings(prompt, "prompt")
        if isinstance(max_new_tokens, bool) or not hasattr(max_new_tokens, "__index__") or max_new_tokens < 1:
            raise ValueError(f"max_new_tokens: expected an integer of at least 1; received {max_new_tokens!r}")
        rows = len(prompts)
        if settings["seed"] is None:
            settings["seed"] = [secrets.randbits(63) for _ in range(rows)]
        settings = {name: _row_values(name, settings[name], rows, *checks) for name, checks in _SETTINGS.items()}
        given = {"prompt": prompts, "stop": _row_strings("stop", stop, rows), "max_new_tokens": np.full(rows, max_new_tokens)}
        tensors = {spec.name: tf.constant({**given, **settings}[spec.name], spec.dtype) for spec in self.inputs["generate"]}
        texts = [text.decode("utf-8", "replace") for text in self._generate(**tensors)["text"].numpy()]
        return texts[0] if isinstance(prompt, str) else texts

    def score(self, text: str | Sequence[str], num_steps: int, verbose: bool) -> tuple[Any, Any]:
        if isinstance(num_steps, bool) or not hasattr(num_steps, "__index__") or num_steps < 1:
            raise ValueError(f"num_steps: expected an integer of at least 1; received {num_steps!r}")
        texts = _strings(text, "text")
        token_ids, targets, counts = (t.numpy() for t in self._scored_tokens(tf.constant(texts, tf.string)))
        states = self.model.get_initial_state(len(texts))
        total = np.zeros(len(texts))
        bar = keras.utils.Progbar(-(-targets.shape[1] // num_steps), unit_name="chunk", verbose=int(verbose))
        for start in range(0, targets.shape[1], num_steps):
            chunk = slice(start, start + num_steps)
            log_likelihood, states = self._score_chunk(tf.constant(token_ids[:, chunk]), tf.constant(targets[:, chunk]), states)
            total += log_likelihood.numpy()
            bar.add(1)
        return (float(total[0]), int(counts[0])) if isinstance(text, str) else (total, counts)

    def score_strings(self, text: Any) -> dict[str, Any]:
        """Strings (batch,) → `log_likelihood` float32 and `num_tokens` int32, in chunks that bound the memory."""
        token_ids, targets, counts = self._scored_tokens(text)

        def body(start: Any, states: list[Any], total: Any) -> Any:
            chunk = slice(start, start + _CHUNK)
            log_likelihood, states = self._log_likelihood(token_ids[:, chunk], targets[:, chunk], states)
            return start + _CHUNK, states, total + log_likelihood

        rows = tf.shape(text)[0]
        states, total = self.model.get_initial_state(rows), tf.zeros((rows,), tf.float64)
        *_, total = tf.while_loop(lambda start, *_: start < tf.shape(targets)[1], body, [0, states, total])
        return {"log_likelihood": tf.cast(total, tf.float32), "num_tokens": tf.cast(counts, tf.int32)}

    def _scored_tokens(self, text: Any) -> tuple[Any, Any, Any]:
        """Token ids to read and to expect, (batch, time) with −1 where there are none, and how many."""
        tokenizer = self.model.tokenizer
        targets = tokenizer.tokenize(text)
        counts, targets = targets.row_lengths(), targets.to_tensor(-1)
        first = tf.fill((tf.shape(text)[0], 1), tokenizer.start_token_id)
        return tf.concat([first, tf.maximum(targets, 0)[:, :-1]], axis=1), targets, counts

    def _log_likelihood(self, token_ids: Any, targets: Any, states: list[Any]) -> tuple[Any, list[Any]]:
        logits, states = self.model(token_ids, initial_state=states, return_state=True)
        loss = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=tf.maximum(targets, 0), logits=logits)
        # In float64: a novel has a million terms.
        loss = tf.where(targets >= 0, tf.cast(loss, tf.float64), 0.0)
        return -tf.reduce_sum(loss, axis=1), states

    def generate_strings(
        self, prompt: Any, max_new_tokens: Any, temperature: Any, top_k: Any, top_p: Any, min_p: Any, repetition_penalty: Any,
        stop: Any, seed: Any,
    ) -> dict[str, Any]:  # fmt: skip
        """All (batch,) → `text` without its stop string, `num_tokens`, and its `log_likelihood` under the model as it is."""
        settings = {
            "temperature": temperature, "top_k": top_k, "top_p": top_p, "min_p": min_p,
            "repetition_penalty": repetition_penalty, "seed": seed,
        }  # fmt: skip
        ranges = {name: (settings[name], is_valid, expected) for name, (_, is_valid, expected) in _SETTINGS.items()}
        ranges["max_new_tokens"] = (max_new_tokens, lambda v: v >= 1, "an integer of at least 1")
        checks = [
            tf.debugging.Assert(tf.reduce_all(is_valid(value)), [f"{name}: expected {expected}; received", value])
            for name, (value, is_valid, expected) in ranges.items()
        ]
        with tf.control_dependencies(checks):
            prompt = tf.identity(prompt)
        model, tokenizer = self.model, self.model.tokenizer
        prompt_ids = tokenizer.tokenize(prompt)
        seen = tf.scatter_nd(
            tf.stack([prompt_ids.value_rowids(), tf.cast(prompt_ids.values, tf.int64)], axis=1),
            tf.ones_like(prompt_ids.values),
            tf.stack([prompt_ids.nrows(), model.vocabulary_size]),
        )
        tokens, states = self._read(prompt_ids)
        stop_ids = tf.reverse(tf.reverse(tokenizer.tokenize(stop), [1]).to_tensor(_ANY), [1])
        stop_lengths = tf.reduce_sum(tf.cast(stop_ids != _ANY, tf.int32), axis=1)
        never = tf.one_hot(tokenizer.unknown_token_id, model.vocabulary_size, on_value=float("-inf"), off_value=0.0)

        def body(t: Any, tokens: Any, states: list[Any], seen: Any, last: Any, counts: Any, written: Any, likely: Any) -> Any:
            logits, states = model(tokens[:, None], initial_state=states, return_state=True)
            logits = tf.cast(logits[:, 0], tf.float32)
            tokens = next_token(logits + never, seen=seen, step=tf.cast(t, tf.int64), **settings)
            seen |= tf.one_hot(tokens, model.vocabulary_size, on_value=True, off_value=False)
            last = tf.concat([last, tokens[:, None]], axis=1)[:, 1:]
            stopped = tf.reduce_all((stop_ids == _ANY) | (stop_ids == last), axis=1) & (stop_lengths > 0) & (t < counts)
            counts = tf.where(stopped, t + 1 - stop_lengths, counts)
            loss = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=tokens, logits=logits)
            return t + 1, tokens, states, seen, last, counts, written.write(t + 1, tokens), likely.write(t + 1, -loss)

        # They grow, since a limit of a billion tokens is no reason to hold memory for them; and begin with one element,
        # since an empty one cannot be stacked.
        written, likely = (
            tf.TensorArray(dtype, size=1, dynamic_size=True, element_shape=(None,)).write(0, tf.zeros(tf.shape(tokens), dtype))
            for dtype in (tf.int32, tf.float32)
        )
        nothing = tf.fill(tf.shape(stop_ids), _NONE)
        *_, counts, written, likely = tf.while_loop(
            lambda t, *rest: tf.reduce_any(t < rest[-3]),
            body,
            [0, tokens, states, seen > 0, nothing, max_new_tokens, written, likely],
        )
        written, likely = (tf.transpose(values.stack()[1:]) for values in (written, likely))
        counted = tf.sequence_mask(counts, tf.shape(written)[1])
        log_likelihood = tf.reduce_sum(tf.where(counted, tf.cast(likely, tf.float64), 0.0), axis=1)
        return {
            "text": tokenizer.detokenize(tf.ragged.boolean_mask(written, counted)),
            "num_tokens": counts,
            "log_likelihood": tf.cast(log_likelihood, tf.float32),
        }

    def _read(self, prompt_ids: Any) -> tuple[Any, list[Any]]:
        """Each prompt's last token (or the start token), and the states after all before it, in chunks."""
        model, lengths = self.model, tf.cast(prompt_ids.row_lengths(), tf.int32)
        padded = prompt_ids.to_tensor(model.tokenizer.unknown_token_id)
        rows, width = tf.shape(padded)[0], tf.shape(padded)[1]
        token_ids = tf.concat([tf.fill((rows, 1), model.tokenizer.start_token_id), padded], axis=1)
        mask = tf.sequence_mask(lengths, width)

        def body(start: Any, states: list[Any]) -> Any:
            chunk = slice(start, tf.minimum(start + _CHUNK, width))
            _, states = model(token_ids[:, chunk], initial_state=states, mask=mask[:, chunk], return_state=True)
            return start + _CHUNK, states

        _, states = tf.while_loop(lambda start, _: start < width, body, [0, model.get_initial_state(rows)])
        return tf.gather(token_ids, lengths, batch_dims=1), states


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
