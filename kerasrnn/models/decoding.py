"""Text out of a language model, and the likelihood of text under it: one compiled graph for all lengths."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from kerasrnn._backend import keras, tf
from kerasrnn._portable.arguments import COUNT, FINITE_LOGITS, GENERATE_INPUTS, NO_TEXT, SETTINGS
from kerasrnn.models import _stop_strings
from kerasrnn.models.drawing import drawn_by, key_of
from kerasrnn.samplers import next_token

_CHUNK = 512  # tokens read in one call of the model: a long text takes bounded memory


class Decoder:
    """Generation and scoring for one LanguageModel: `generate_strings` and `score_strings`, graphs from strings to
    strings which exported models hold too, and their parts, each compiled once for all lengths and numbers of rows."""

    def __init__(self, model: Any) -> None:
        self.model = model
        settings = {name: dtype for name, (dtype, *_) in SETTINGS.items()}
        dtypes = {"prompt": tf.string, "max_new_tokens": tf.int32, **settings, "stop": tf.string}
        spec = {name: tf.TensorSpec((None,), dtype, name) for name, dtype in dtypes.items()}
        self.inputs = {
            "generate": [spec[name] for name in GENERATE_INPUTS],
            "score": [tf.TensorSpec((None,), tf.string, "text")],
        }
        self.never = _never_drawn(model.tokenizer, model.vocabulary_size)
        states = [tf.TensorSpec((None, *state.shape[1:]), state.dtype) for state in model.get_initial_state(1)]
        tokens, ids, t = (tf.TensorSpec(shape, tf.int32) for shape in ((None,), (None, None), ()))
        seen = tf.TensorSpec((None, model.vocabulary_size), tf.bool)
        self.write = compiled(self._write, self.inputs["generate"])
        key = tf.TensorSpec((), tf.int64)
        self._write_by = compiled(lambda key, *inputs: self._write(*inputs, sampler=key), [key, *self.inputs["generate"]])
        self.begin = compiled(self.begin_graph, [spec["prompt"]])
        step = [tokens, states, seen, t, {name: spec[name] for name in settings}]
        self.step = compiled(self._step, step)
        self._step_by = compiled(lambda key, *inputs: self._step(*inputs, sampler=key), [key, *step])
        self.text_of_tokens = compiled(self._text_of_tokens, [tokens])
        self.score_chunk = compiled(self._log_probabilities, [ids, ids, states])

    def write_by(self, sampler: Any) -> Callable[..., Any]:
        """`write`, whose tokens a sampler with its own `__call__` draws."""
        return lambda *inputs: self._write_by(key_of(sampler), *inputs)

    def step_by(self, sampler: Any) -> Callable[..., Any]:
        """`step`, whose tokens a sampler with its own `__call__` draws."""
        return lambda *inputs: self._step_by(key_of(sampler), *inputs)

    def score(self, texts: Sequence[str], num_steps: int, verbose: bool, prompt: str | None = None) -> tuple[Any, Any]:
        """Log-likelihoods (rows,) float64 and numbers of tokens (rows,), of the texts alone or as they follow a prompt."""
        each = self.token_log_probabilities(texts, num_steps, verbose, prompt)
        return np.array([values.sum() for values in each]), np.array([len(values) for values in each])

    def token_log_probabilities(
        self, texts: Sequence[str], num_steps: int, verbose: bool, prompt: str | None = None
    ) -> list[np.ndarray]:
        """Natural logarithms of each token's probability, float64 (tokens,) for each text."""
        first, states = self.model.tokenizer.start_token_id, self.model.get_initial_state(len(texts))
        if prompt is not None:
            first, states, _ = self.begin(tf.constant([prompt]))
            states = [tf.repeat(state, len(texts), axis=0) for state in states]
        token_ids, targets, counts = (t.numpy() for t in self._scored_tokens(tf.constant(texts, tf.string), first))
        values = [np.zeros((len(texts), 0))]
        bar = keras.utils.Progbar(-(-targets.shape[1] // num_steps), unit_name="chunk", verbose=int(verbose))
        for start in range(0, targets.shape[1], num_steps):
            chunk = slice(start, start + num_steps)
            pair = tf.constant(token_ids[:, chunk]), tf.constant(targets[:, chunk])
            log_probabilities, states = self.score_chunk(*pair, states)
            values.append(log_probabilities.numpy())
            bar.add(1)
        each = [row[:count] for row, count in zip(np.concatenate(values, axis=1), counts)]
        if any(np.isnan(row).any() for row in each):
            raise ValueError(NO_TEXT)
        return each

    def score_strings(self, text: Any) -> dict[str, Any]:
        """Strings (batch,) → `log_likelihood` float32 and `num_tokens` int32, in chunks that bound the memory."""
        token_ids, targets, counts = self._scored_tokens(text, self.model.tokenizer.start_token_id)

        def body(start: Any, states: list[Any], total: Any) -> Any:
            chunk = slice(start, start + _CHUNK)
            log_probabilities, states = self._log_probabilities(token_ids[:, chunk], targets[:, chunk], states)
            return start + _CHUNK, states, total + tf.reduce_sum(log_probabilities, axis=1)

        rows = tf.shape(text)[0]
        states, total = self.model.get_initial_state(rows), tf.zeros((rows,), tf.float64)
        *_, total = tf.while_loop(lambda start, *_: start < tf.shape(targets)[1], body, [0, states, total])
        return {"log_likelihood": tf.cast(total, tf.float32), "num_tokens": tf.cast(counts, tf.int32)}

    def _scored_tokens(self, text: Any, first: Any) -> tuple[Any, Any, Any]:
        """Token ids to read, after the first, and to expect, (batch, time) with −1 where there are none, and how many.

        An end token is expected behind each text's last one: what is scored is a text that ends there."""
        targets, end = self.model.tokenizer.tokenize(text), self.model.tokenizer.end_token_id
        if end is not None:
            targets = tf.concat([targets, tf.fill((targets.nrows(), 1), tf.cast(end, targets.dtype))], axis=1)
        counts, targets = targets.row_lengths(), targets.to_tensor(-1)
        first = tf.fill((tf.shape(text)[0], 1), tf.reshape(first, ()))
        return tf.concat([first, tf.maximum(targets, 0)[:, :-1]], axis=1), targets, counts

    def _log_probabilities(self, token_ids: Any, targets: Any, states: list[Any]) -> tuple[Any, list[Any]]:
        """Of the targets, (batch, time) float64, 0 where there is none; and the states."""
        logits, states = self.model(token_ids, initial_state=states, return_state=True)
        loss = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=tf.maximum(targets, 0), logits=logits)
        # In float64: a novel has a million terms.
        return tf.where(targets >= 0, -tf.cast(loss, tf.float64), 0.0), states

    def generate_strings(
        self, prompt: Any, max_new_tokens: Any, temperature: Any, top_k: Any, top_p: Any, min_p: Any,
        repetition_penalty: Any, stop: Any, seed: Any,
    ) -> dict[str, Any]:  # fmt: skip
        """All (batch,) → `text`, `num_tokens`, and the tokens' `log_likelihood` under the model as it is.

        A text ends before its end token, which is not counted, and before the first occurrence of its stop string; its
        tokens are those that end there or before. It is well-formed UTF-8: bytes that are none have become U+FFFD. Never
        drawn are the unknown token, the padding and a start token that no text has.
        """
        written = self._write(prompt, max_new_tokens, temperature, top_k, top_p, min_p, repetition_penalty, stop, seed)
        return {name: written[name] for name in ("text", "num_tokens", "log_likelihood")}

    def _write(
        self, prompt: Any, max_new_tokens: Any, temperature: Any, top_k: Any, top_p: Any, min_p: Any,
        repetition_penalty: Any, stop: Any, seed: Any, sampler: Any = None,
    ) -> dict[str, Any]:  # fmt: skip
        """`generate_strings`, and `token_ids` (batch, time) with their `log_probabilities` under the model as it is."""
        given = {
            "max_new_tokens": max_new_tokens, "temperature": temperature, "top_k": top_k, "top_p": top_p, "min_p": min_p,
            "repetition_penalty": repetition_penalty, "stop": stop, "seed": seed,
        }  # fmt: skip
        checks = [
            tf.debugging.Assert(tf.size(value) == tf.size(prompt), [f"{name}: expected one for each prompt; received", value])
            for name, value in given.items()
        ]
        with tf.control_dependencies(checks):
            given = {name: tf.identity(value) for name, value in given.items()}
        stop, max_new_tokens = given["stop"], given["max_new_tokens"]
        settings = {name: given[name] for name in SETTINGS}
        ranges = {**SETTINGS, "max_new_tokens": COUNT}
        checks = [
            tf.debugging.Assert(tf.reduce_all(allowed.holds(given[name])), [f"{name}: expected {allowed.words}; received", given[name]])
            for name, allowed in ranges.items()
        ]
        with tf.control_dependencies(checks):
            prompt = tf.identity(prompt)
        tokens, states, seen = self.begin_graph(prompt)
        stop, any_stop = _stop_strings.to_search(stop)

        def body(t: Any, tokens: Any, states: list[Any], seen: Any, counts: Any, written: Any, likely: Any) -> Any:
            tokens, states, seen, log_probabilities = self._step(tokens, states, seen, t, settings, sampler)
            t, written, likely = t + 1, written.write(t + 1, tokens), likely.write(t + 1, log_probabilities)

            def until_stop() -> Any:
                so_far = tf.minimum(counts, t)
                _, stopped = _stop_strings.before(self.texts_of(tf.transpose(written.stack()[1:]), so_far), stop)
                return tf.where(stopped, so_far, counts)

            counts = tf.cond(any_stop & (t % _stop_strings.EVERY == 0), until_stop, lambda: counts)
            counts = tf.where(self.is_end(tokens), tf.minimum(counts, t - 1), counts)
            return t, tokens, states, seen, counts, written, likely

        # They grow, since a limit of a billion tokens is no reason to hold memory for them; and begin with one element,
        # since an empty one cannot be stacked.
        nothing = [tf.zeros(tf.shape(tokens), dtype) for dtype in (tf.int32, tf.float32)]
        written, likely = (
            tf.TensorArray(n.dtype, size=1, dynamic_size=True, element_shape=(None,)).write(0, n) for n in nothing
        )
        *_, counts, written, likely = tf.while_loop(
            lambda t, *rest: tf.reduce_any(t < rest[-3]),
            body,
            [0, tokens, states, seen, max_new_tokens, written, likely],
        )
        written, likely = (tf.transpose(values.stack()[1:]) for values in (written, likely))
        text, counts = self.cut(written, counts, stop, any_stop)
        counted = tf.sequence_mask(counts, tf.shape(written)[1])
        log_likelihood = tf.reduce_sum(tf.where(counted, tf.cast(likely, tf.float64), 0.0), axis=1)
        return {
            "text": text, "num_tokens": counts, "log_likelihood": tf.cast(log_likelihood, tf.float32),
            "token_ids": written, "log_probabilities": likely,
        }  # fmt: skip

    def begin_graph(self, prompt: Any) -> tuple[Any, list[Any], Any]:
        """Of each prompt the last token, the states after all before it, and (batch, vocabulary) which tokens it has."""
        prompt_ids = self.model.tokenizer.tokenize(prompt)
        seen = tf.scatter_nd(
            tf.stack([prompt_ids.value_rowids(), tf.cast(prompt_ids.values, tf.int64)], axis=1),
            tf.ones_like(prompt_ids.values),
            tf.stack([prompt_ids.nrows(), self.model.vocabulary_size]),
        )
        return *self._read(prompt_ids), seen > 0

    def _step(
        self, tokens: Any, states: list[Any], seen: Any, t: Any, settings: dict[str, Any], sampler: Any = None
    ) -> tuple[Any, ...]:
        """Draws token t of every row: tokens, states and seen as they are then, and the tokens' log-probabilities."""
        logits, states = self.logits(tokens, states)
        allowed, t = logits + self.never, tf.cast(t, tf.int64)
        # A maximum may lose NaN, a sum does not.
        finite = tf.reduce_all(tf.math.is_finite(tf.reduce_logsumexp(allowed, axis=-1)))
        with tf.control_dependencies([tf.debugging.Assert(finite, [NO_TEXT])]):
            allowed = tf.identity(allowed)
        if sampler is None:
            tokens = next_token(allowed, seen=seen, step=t, **settings)
        else:
            tokens = drawn_by(sampler, allowed, settings["seed"], t, seen)
        seen |= tf.one_hot(tokens, self.model.vocabulary_size, on_value=True, off_value=False)
        return tokens, states, seen, -tf.nn.sparse_softmax_cross_entropy_with_logits(labels=tokens, logits=logits)

    def logits(self, tokens: Any, states: list[Any]) -> tuple[Any, list[Any]]:
        """Of the tokens after these, (batch, vocabulary) float32, and the states."""
        logits, states = self.model(tokens[:, None], initial_state=states, return_state=True)
        return tf.cast(logits[:, 0], tf.float32), states

    def is_end(self, tokens: Any) -> Any:
        """Which of the tokens are the end token: booleans of their shape, all False without one."""
        end = self.model.tokenizer.end_token_id
        return tf.zeros_like(tokens, bool) if end is None else tokens == end

    def texts_of(self, token_ids: Any, counts: Any) -> Any:
        """The texts (batch,) of the first `counts` tokens of each row."""
        kept = tf.ragged.boolean_mask(token_ids, tf.sequence_mask(counts, tf.shape(token_ids)[1]))
        return _stop_strings.well_formed(self.model.tokenizer.detokenize(kept))

    def _text_of_tokens(self, token_ids: Any) -> Any:
        return _stop_strings.well_formed(self.model.tokenizer.detokenize(token_ids))

    def cut(self, token_ids: Any, counts: Any, stop: Any, any_stop: Any) -> tuple[Any, Any]:
        """The texts before their stop strings, and how many tokens lie within."""
        text = self.texts_of(token_ids, counts)

        def at_stop() -> Any:
            before, stopped = _stop_strings.before(text, stop)
            some = _stop_strings.tokens_before(before, lambda counts: self.texts_of(token_ids, counts), counts)
            return before, tf.where(stopped, some, counts)

        return tf.cond(any_stop, at_stop, lambda: (text, counts))

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


@contextlib.contextmanager
def finite_logits() -> Iterator[None]:
    """Turns a graph's error about its logits into a ValueError with what it says."""
    try:
        yield
    except tf.errors.InvalidArgumentError as error:
        if FINITE_LOGITS not in str(error):
            raise
        raise ValueError(NO_TEXT) from error


def compiled(function: Any, inputs: list[Any]) -> Any:
    """With its signature given it is traced once, whatever the lengths."""
    return tf.function(function, inputs, autograph=False)


def _never_drawn(tokenizer: Any, vocabulary_size: int) -> np.ndarray:
    """(vocabulary,) −∞ for the unknown token, the padding, and a start token that no text has: one that does not come back
    from its own text. A newline does, and so does "<eos>" of a tokenizer that finds it in texts."""
    never, start = np.zeros(vocabulary_size, "float32"), tokenizer.start_token_id
    with tf.init_scope():
        comes_back = tokenizer.tokenize(tokenizer.detokenize([start])).numpy().tolist() == [start]
    padding = [] if tokenizer.padding_token_id is None else [tokenizer.padding_token_id]
    never[[tokenizer.unknown_token_id, *padding, *([] if comes_back else [start])]] = -np.inf
    return never
