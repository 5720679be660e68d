"""Beam search, one compiled graph for all lengths, numbers of beams and penalties."""

from typing import Any

import numpy as np

from kerasrnn._backend import tf
from kerasrnn.models import _stop_strings
from kerasrnn.models.decoding import compiled
from kerasrnn.models.generation import Generation, generations
from kerasrnn.samplers import BeamSearch, length_norm

_NONE = -np.inf  # the score of no hypothesis at all


class BeamSearchGraph:
    """The search of `kerasrnn.samplers.BeamSearch` for one Decoder.

    Of each prompt `num_beams` hypotheses are alive and as many finished ones are kept. A step takes the best
    2 · num_beams ways to go on, so that num_beams of them stay alive when the others end at an end token or a stop string of one token.
    """

    def __init__(self, decoder: Any) -> None:
        self._decoder = decoder
        rows = [tf.TensorSpec((None,), dtype) for dtype in (tf.string, tf.int32, tf.string)]
        self.search = compiled(self._search, [*rows, tf.TensorSpec((), tf.int32), tf.TensorSpec((), tf.float64)])

    def __call__(self, given: dict[str, Any], search: BeamSearch, samples: int) -> list[list[Generation]]:
        """The best `samples` texts of each prompt, fewer where there are no more."""
        rows = [tf.constant(given[name], dtype) for name, dtype in
                (("prompt", tf.string), ("max_new_tokens", tf.int32), ("stop", tf.string))]  # fmt: skip
        settings = tf.constant(search.num_beams), tf.constant(search.length_penalty, tf.float64)
        found = generations(self.search(*rows, *settings))
        best = [found[start : start + samples] for start in range(0, len(found), search.num_beams)]
        return [[text for text in row if text.score > _NONE] for row in best]

    def _search(self, prompt: Any, max_new_tokens: Any, stop: Any, num_beams: Any, length_penalty: Any) -> dict[str, Any]:
        """(batch · num_beams,) `text`, `num_tokens`, `score`; (…, time) `token_ids`, `log_probabilities`; the best first."""
        decoder = self._decoder
        tokens, states, _ = decoder.begin_graph(prompt)
        stop, any_stop = _stop_strings.to_search(stop)

        def has_stop(token_ids: Any) -> Any:
            flat = tf.reshape(token_ids, (-1, tf.shape(token_ids)[2]))
            texts = decoder.texts_of(flat, tf.fill((tf.shape(flat)[0],), tf.shape(flat)[1]))
            _, stopped = _stop_strings.before(texts, tf.repeat(stop, tf.shape(token_ids)[1]))
            return tf.reshape(stopped, tf.shape(token_ids)[:2])

        def stops(token_ids: Any) -> Any:
            return tf.cond(any_stop, lambda: has_stop(token_ids), lambda: tf.zeros(tf.shape(token_ids)[:2], bool))

        def step(tokens: Any, states: Any) -> tuple[Any, Any]:
            logits, states = decoder.logits(tokens, states)
            return tf.nn.log_softmax(logits) + decoder.never, states

        finished = search_beams(step, tokens, states, decoder.is_end, stops, max_new_tokens, num_beams, length_penalty)
        found = {name: tf.reshape(value, tf.concat([[-1], tf.shape(value)[2:]], 0)) for name, value in finished.items()}
        text, counts = decoder.cut(found["token_ids"], found["num_tokens"], tf.repeat(stop, num_beams), any_stop)
        return {**found, "text": text, "num_tokens": counts}


def search_beams(
    step: Any, tokens: Any, states: Any, is_end: Any, stops: Any, max_new_tokens: Any, num_beams: Any, length_penalty: Any
) -> dict[str, Any]:
    """The search itself, for any step function.

    Args:
        step: from tokens (rows,) and states to log-probabilities of the next tokens (rows, vocabulary), −∞ for those that
            are not to be written, and the states then.
        tokens: (batch,) int32, the first ones that the step takes.
        states: nested tensors (batch, …).
        is_end: from tokens to booleans of their shape: which end a row and are not counted.
        stops: from token ids (batch, candidates, time) to booleans (batch, candidates): which end with their last token.
        max_new_tokens: (batch,) int32.
        num_beams: int32.
        length_penalty: float64.

    Returns:
        `token_ids` and `log_probabilities` (batch, num_beams, time), `num_tokens` and `score` (batch, num_beams); the best
        first, with the score −∞ where there is none.
    """
    rows = tf.shape(tokens)[0]
    tokens, states = tf.nest.map_structure(lambda value: tf.repeat(value, num_beams, axis=0), (tokens, states))

    def advance(t: Any, tokens: Any, states: Any, alive: Any, finished: Any) -> Any:
        log_probabilities, states = step(tokens, states)
        vocabulary_size = tf.shape(log_probabilities)[1]
        log_probabilities = tf.reshape(log_probabilities, (rows, num_beams, vocabulary_size))
        totals = alive["score"][:, :, None] + tf.cast(log_probabilities, tf.float64)
        num_candidates = tf.minimum(2 * num_beams, vocabulary_size * num_beams)
        scores, places = tf.math.top_k(tf.reshape(totals, (rows, num_beams * vocabulary_size)), num_candidates)
        parents, token_ids = places // vocabulary_size, places % vocabulary_size
        likely = tf.gather(tf.reshape(log_probabilities, (rows, num_beams * vocabulary_size)), places, batch_dims=1)
        history = _take(alive, parents)
        candidates = {
            "score": scores,
            "token_ids": tf.concat([history["token_ids"], token_ids[:, :, None]], axis=2),
            "log_probabilities": tf.concat([history["log_probabilities"], likely[:, :, None]], axis=2),
            "num_tokens": history["num_tokens"] + 1,
        }
        t += 1
        at_end = is_end(token_ids)
        ended = at_end | stops(candidates["token_ids"]) | (t >= max_new_tokens)[:, None]
        norm = length_norm(tf.cast(t, tf.float64), length_penalty)
        ending = {**candidates, "score": tf.where(ended, scores / norm, _NONE)}
        ending["num_tokens"] -= tf.cast(at_end, tf.int32)
        finished = _best(_join(_one_token_longer(finished), ending), num_beams)[0]
        alive, kept = _best({**candidates, "score": tf.where(ended, tf.cast(_NONE, tf.float64), scores)}, num_beams)
        tokens = tf.reshape(alive["token_ids"][:, :, -1], (-1,))
        from_beam = tf.gather(parents, kept, batch_dims=1) + num_beams * tf.range(rows)[:, None]
        states = tf.nest.map_structure(lambda state: tf.gather(state, tf.reshape(from_beam, (-1,))), states)
        return t, tokens, states, alive, finished

    def goes_on(t: Any, tokens: Any, states: Any, alive: Any, finished: Any) -> Any:
        # A log-probability only sinks, and no length divides it by more than the greatest.
        reachable = tf.reduce_max(alive["score"], 1) / length_norm(tf.cast(max_new_tokens, tf.float64), length_penalty)
        return tf.reduce_any(reachable > tf.reduce_min(finished["score"], 1))

    nothing = {
        "score": tf.fill((rows, num_beams), tf.constant(_NONE, tf.float64)),
        "token_ids": tf.zeros((rows, num_beams, 0), tf.int32),
        "log_probabilities": tf.zeros((rows, num_beams, 0)),
        "num_tokens": tf.zeros((rows, num_beams), tf.int32),
    }
    # One hypothesis, for several alike would fill the beam with copies.
    alive = {**nothing, "score": tf.where(tf.range(num_beams) > 0, nothing["score"], 0.0)}
    shapes = {name: tf.TensorShape((None,) * value.shape.rank) for name, value in nothing.items()}
    of_states = tf.nest.map_structure(lambda state: tf.TensorShape((None, *state.shape[1:])), states)
    *_, finished = tf.while_loop(
        goes_on,
        advance,
        [0, tokens, states, alive, nothing],
        [tf.TensorShape(()), tf.TensorShape((None,)), of_states, shapes, shapes],
    )
    return finished


def _take(hypotheses: dict[str, Any], places: Any) -> dict[str, Any]:
    return {name: tf.gather(value, places, batch_dims=1) for name, value in hypotheses.items()}


def _best(hypotheses: dict[str, Any], count: Any) -> tuple[dict[str, Any], Any]:
    _, places = tf.math.top_k(hypotheses["score"], count)
    return _take(hypotheses, places), places


def _join(some: dict[str, Any], others: dict[str, Any]) -> dict[str, Any]:
    return {name: tf.concat([some[name], others[name]], axis=1) for name in some}


def _one_token_longer(hypotheses: dict[str, Any]) -> dict[str, Any]:
    """Room for as many tokens as the others have; what is in it is not counted."""
    room = {name: tf.pad(hypotheses[name], [[0, 0], [0, 0], [0, 1]]) for name in ("token_ids", "log_probabilities")}
    return {**hypotheses, **room}
