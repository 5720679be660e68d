"""Text and likelihoods by `step`: token after token in Python, which a stream needs, or a chunk at a time."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from kerasrnn._portable.arguments import NO_TEXT
from kerasrnn.export.runtime.limits import Deadline
from kerasrnn.export.runtime.pieces import Pieces
from kerasrnn.export.runtime.sampling import next_token
from kerasrnn.export.runtime.stop import UntilStop

_CHUNK = 512  # tokens read in one call: a long text takes bounded memory


class Stepping:
    """What an exported `step` and a tokenizer can write and score.

    Args:
        step: named arrays to named arrays.
        initial_states: of one row, by name.
        tokenizer: the runtime's.
    """

    def __init__(self, step: Any, initial_states: dict[str, np.ndarray], tokenizer: Any) -> None:
        self._step, self._initial_states, self._tokenizer = step, initial_states, tokenizer

    def texts(self, prompts: list[str], stops: list[str], max_new_tokens: int, settings: Any, deadline: Deadline) -> list[str]:
        """The continuation of each prompt."""
        streams = [_TextStream(self._text, stop, self._tokenizer.end_token_id) for stop in stops]
        written = [""] * len(prompts)
        for tokens in self.tokens(prompts, max_new_tokens, settings, deadline) if prompts else ():
            written = [text + stream.add(token) for text, stream, token in zip(written, streams, tokens.tolist())]
            if all(stream.stopped for stream in streams):
                break
        return [text + stream.rest() for text, stream in zip(written, streams)]

    def pieces(self, prompt: str, stop: str, max_new_tokens: int, settings: Any, deadline: Deadline) -> Iterator[str]:
        """The continuation of one prompt, each piece as soon as it is certain."""
        stream = _TextStream(self._text, stop, self._tokenizer.end_token_id)
        for tokens in self.tokens([prompt], max_new_tokens, settings, deadline):
            if piece := stream.add(int(tokens[0])):
                yield piece
            if stream.stopped:
                return
        if rest := stream.rest():
            yield rest

    def tokens(self, prompts: list[str], max_new_tokens: int, settings: Any, deadline: Deadline) -> Iterator[np.ndarray]:
        """The next token of every row, (batch,), again and again."""
        tokenizer = self._tokenizer
        # What no row has switched on is left out: it would take a tenth of a small model's time.
        off = {name for name, value in (("min_p", 0), ("repetition_penalty", 1)) if np.all(settings[name] == value)}
        settings = {name: None if name in off else values for name, values in settings.items()}
        # Each prompt by itself: they differ in length, and the states must be those after its last token.
        ids = [tokenizer.tokenize(p, deadline.check) for p in prompts]
        read = [self._read(np.array([tokenizer.start_token_id, *i], np.int32), deadline) for i in ids]
        logits = np.stack([logits for logits, _ in read])
        seen = np.zeros(logits.shape, bool)
        for row, token_ids in zip(seen, ids):
            row[token_ids] = True
        every_row, never = np.arange(len(prompts)), tokenizer.never_drawn
        states = {name: np.concatenate([s[name] for _, s in read]) for name in self._initial_states}
        for t in range(max_new_tokens):
            deadline.check()
            logits[:, never] += np.float32(-np.inf)
            if not np.isfinite(logits.max(axis=-1)).all():
                raise ValueError(NO_TEXT)
            drawn = next_token(logits, seen=seen, step=t, **settings)
            seen[every_row, drawn] = True
            yield drawn
            if t + 1 < max_new_tokens:
                logits, states = self._advance(drawn[:, None], states)
                logits = logits[:, -1]

    def log_probabilities(self, text: str, deadline: Deadline) -> np.ndarray:
        """Of each of the text's tokens, float64 (tokens,), an end token's the last."""
        targets = self._tokenizer.tokenize(text, deadline.check)
        if self._tokenizer.end_token_id is not None:
            targets = np.append(targets, np.int32(self._tokenizer.end_token_id))
        token_ids = np.concatenate([[self._tokenizer.start_token_id], targets[:-1]]).astype(np.int32)
        states, values = self._initial_states, [np.zeros(0)]
        for start in range(0, len(targets), _CHUNK):
            deadline.check()
            chunk = slice(start, start + _CHUNK)
            logits, states = self._advance(token_ids[None, chunk], states)
            logits, expected = logits[0].astype(np.float64), targets[chunk]
            largest = logits.max(axis=-1)
            normaliser = largest + np.log(np.exp(logits - largest[:, None]).sum(axis=-1))
            values.append(logits[np.arange(len(expected)), expected] - normaliser)
        log_probabilities = np.concatenate(values)
        if np.isnan(log_probabilities).any():
            raise ValueError(NO_TEXT)
        return log_probabilities

    def _read(self, token_ids: np.ndarray, deadline: Deadline) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        states = self._initial_states
        for start in range(0, len(token_ids), _CHUNK):
            deadline.check()
            logits, states = self._advance(token_ids[None, start : start + _CHUNK], states)
        return logits[0, -1], states

    def _advance(self, token_ids: np.ndarray, states: dict[str, np.ndarray]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        outputs = self._step({"token_ids": token_ids, **states})
        return outputs["logits"], {name: outputs[f"next_{name}"] for name in self._initial_states}

    def _text(self, token_ids: list[int]) -> str:
        return self._tokenizer.detokenize(np.array(token_ids, np.int32))


class _TextStream:
    """The text of one row's tokens up to its stop string or its end token, in pieces."""

    def __init__(self, detokenize: Any, stop: str, end_token_id: int | None) -> None:
        self._pieces, self._writer = Pieces(detokenize), UntilStop(stop)
        self._end_token_id, self._ended = end_token_id, False

    @property
    def stopped(self) -> bool:
        return self._ended or self._writer.stopped

    def add(self, token: int) -> str:
        if token == self._end_token_id:
            rest, self._ended = self.rest(), True
            return rest
        return "" if self.stopped else self._writer.add(self._pieces.add(token))

    def rest(self) -> str:
        return "" if self.stopped else self._writer.add(self._pieces.rest()) + self._writer.rest()
