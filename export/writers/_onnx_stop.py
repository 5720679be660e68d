"""Where a text ends in ONNX: before the first occurrence of its stop string, which tokens or characters tell."""

from typing import Any

import numpy as np
import spox.opset.ai.onnx.v20 as op

from kerasrnn.export.writers._onnx_sampling import any_of, column, integer, when
from kerasrnn.export.writers._onnx_tokenizer import characters, joined

_ANY, _NONE = -1, -2  # in place of a stop string's token: one that any token equals, and one that none does
_END = 2**63 - 1
_EVERY = 16  # tokens between two looks at the text; what was drawn past its end is cut off


class TokenStop:
    """For tokenizers of which a text is one row of tokens and no other: the last tokens are the stop string's.

    Args:
        tokenizer: with `spelled`.
        stop: strings (batch,).
    """

    def __init__(self, tokenizer: Any, stop: Any) -> None:
        self._tokenizer = tokenizer
        token_ids, self._lengths = tokenizer.spelled(stop)
        self._width = op.shape(token_ids, start=1)
        place = op.sub(_range(self._width), op.sub(self._width, column(self._lengths)))
        moved = op.gather_elements(token_ids, op.max([place, integer(0)]), axis=1)
        self._token_ids = op.where(op.less(place, integer(0)), integer(_ANY), moved)
        self._is_wild = op.equal(self._token_ids, integer(_ANY))
        self.any = any_of(op.greater(self._lengths, integer(0)))
        self.nothing = op.expand(integer(_NONE), op.shape(token_ids))  # before the first token

    def counts(self, recent: Any, now: Any, counts: Any) -> Any:
        """After a draw: how many tokens each row wants at most.

        Args:
            recent: the last tokens, (batch, width) as `nothing`.
            now: how many were drawn.
            counts: how many each row wanted at most before.
        """

        def until_stop() -> Any:
            same = op.cast(op.or_(self._is_wild, op.equal(self._token_ids, recent)), to=np.int64)
            matched = op.equal(op.reduce_sum(same, integer([1]), keepdims=0), self._width)
            matched = op.and_(op.and_(matched, op.greater(self._lengths, integer(0))), op.less_or_equal(now, counts))
            return op.where(matched, op.sub(now, self._lengths), counts)

        return when(self.any, until_stop, lambda: counts)

    def cut(self, written: Any, counts: Any) -> tuple[Any, Any]:
        """Token ids (batch, time), how many of them a row wants → text (batch,), how many of them it has."""
        counted = op.less(_range(op.shape(written, start=1)), column(counts))
        return self._tokenizer.detokenize(written, counted), counts


class TextStop:
    """For tokenizers of words: the stop string may begin or end within a token, or in what stands between two.

    Args:
        tokenizer: with `pieces`, none of them empty, and their `lengths`.
        stop: strings (batch,).
    """

    def __init__(self, tokenizer: Any, stop: Any) -> None:
        self._tokenizer = tokenizer
        self._stop = characters(stop)
        self._width = op.shape(self._stop, start=1)
        lengths = _count(op.not_(op.equal(self._stop, op.const(""))))
        never = _count(op.equal(self._stop, op.const("\ufffd")))  # it stands for what is no text
        self._lengths = op.where(op.greater(never, integer(0)), integer(0), lengths)
        self.any = any_of(op.greater(self._lengths, integer(0)))
        # All that a stop string may reach back to from the tokens since the last look.
        size = when(self.any, lambda: op.add(self._width, integer([_EVERY])), lambda: integer([1]))
        self.nothing = op.expand(integer(_NONE), op.concat([op.shape(stop), size], axis=0))

    def counts(self, recent: Any, now: Any, counts: Any) -> Any:
        """As TokenStop's, but that the text may go on behind the stop string."""

        def until_stop() -> Any:
            width = op.shape(recent, start=1)
            is_token = op.greater(recent, integer(_NONE))
            is_first = op.equal(op.add(_range(width), now), width)
            pieces = self._tokenizer.pieces(op.max([recent, integer(0)]), is_first)
            found = characters(joined(op.where(is_token, pieces, op.const(""))))
            stopped = op.less(self._place(found), op.squeeze(op.shape(found, start=1), integer([0])))
            return op.where(stopped, op.min([counts, now]), counts)

        look = op.and_(self.any, op.equal(op.mod(now, integer(_EVERY)), integer(0)))
        return when(look, until_stop, lambda: counts)

    def cut(self, written: Any, counts: Any) -> tuple[Any, Any]:
        """As TokenStop's."""
        time = _range(op.shape(written, start=1))
        counted, is_first = op.less(time, column(counts)), op.less(time, integer(1))
        text = self._tokenizer.detokenize(written, counted)

        def before() -> Any:
            found = characters(text)
            within = op.less(_range(op.shape(found, start=1)), column(self._place(found)))
            return joined(op.where(within, found, op.const("")))

        def fewer() -> Any:
            ends = op.cumsum(self._tokenizer.lengths(written, is_first), integer(1))
            return _count(op.and_(counted, op.less_or_equal(ends, column(self._place(characters(text))))))

        return when(self.any, before, lambda: text), when(self.any, fewer, lambda: counts)

    def _place(self, found: Any) -> Any:
        """Characters (batch, time) → where the stop string begins first, int64 (batch,); `time` where it does not occur."""
        time = op.shape(found, start=1)
        beyond = op.expand(op.const(""), op.concat([op.shape(found, end=1), self._width], axis=0))
        padded = op.concat([found, beyond], axis=1)

        def same(i: Any, _: Any, so_far: Any) -> list[Any]:
            here = op.reshape(i, integer([1]))
            those = op.slice(padded, here, op.add(here, time), integer([1]))
            wanted = op.gather(self._stop, here, axis=1)
            return [
                op.const(np.array([True])),
                op.and_(so_far, op.or_(op.equal(those, wanted), op.less_or_equal(column(self._lengths), i))),
            ]

        all_true = op.expand(op.greater(column(self._lengths), integer(0)), op.shape(found))
        (matched,) = op.loop(M=op.squeeze(self._width, integer([0])), v_initial=[all_true], body=same)
        end = op.squeeze(time, integer([0]))
        places = op.where(matched, _range(time), end)
        ends = op.expand(end, op.concat([op.shape(found, end=1), integer([1])], axis=0))
        return op.reduce_min(op.concat([places, ends], axis=1), integer([1]), keepdims=0)


def recent_tokens(recent: Any, tokens: Any) -> Any:
    """The last tokens (batch, width), and the next ones (batch,) → the last ones now."""
    return op.slice(op.concat([recent, column(tokens)], axis=1), integer([1]), integer([_END]), integer([1]))


def _range(size: Any) -> Any:
    return op.range(integer(0), op.squeeze(size, integer([0])), integer(1))


def _count(conditions: Any) -> Any:
    return op.reduce_sum(op.cast(conditions, to=np.int64), integer([1]), keepdims=0)
