"""From logits to the next token in ONNX: the draws that `kerasrnn.samplers` and the runtime's NumPy make."""

from typing import Any

import numpy as np
import spox.opset.ai.onnx.v20 as op

from kerasrnn._portable.arguments import GREEDY_BELOW

_GAMMA = 0x9E3779B97F4A7C15


def uniform(seed: Any, step: Any) -> Any:
    """Uniform float32 in [0, 1) for each seed, int64 (batch,), at a step, int64 scalar: a counter hash (SplitMix64)."""
    gamma = _uint64(_GAMMA)
    key = _mix(op.add(op.cast(seed, to=np.uint64), gamma))
    counter = op.mul(op.cast(op.add(step, integer(1)), to=np.uint64), gamma)
    bits = _shift(_mix(op.add(key, counter)), 40)
    return op.mul(op.cast(op.cast(bits, to=np.int64), to=np.float32), real(2.0**-24))


def _mix(z: Any) -> Any:
    z = op.mul(op.bitwise_xor(z, _shift(z, 30)), _uint64(0xBF58476D1CE4E5B9))
    z = op.mul(op.bitwise_xor(z, _shift(z, 27)), _uint64(0x94D049BB133111EB))
    return op.bitwise_xor(z, _shift(z, 31))


def _shift(z: Any, bits: int) -> Any:
    return op.bit_shift(z, _uint64(bits), direction="RIGHT")


class Sampler:
    """Draws one token a row, by the row's own settings; what no row has switched on costs nothing.

    Args:
        temperature, top_k, top_p, min_p, repetition_penalty: (batch,) float32, but top_k int64; 0 takes the most
            likely token, and 0, 1, 0 and 1 switch the others off.
        seed: (batch,) int64.
    """

    def __init__(
        self, temperature: Any, top_k: Any, top_p: Any, min_p: Any, repetition_penalty: Any, seed: Any, vocabulary_size: int
    ) -> None:
        filtered = op.or_(op.greater(top_k, integer(0)), op.less(top_p, real(1)))
        k = op.where(op.greater(top_k, integer(0)), op.min([top_k, integer(vocabulary_size)]), integer(vocabulary_size))
        # Top-p alone may need all logits in order; without it, the k largest do.
        self.most = op.reduce_max(op.concat([op.where(filtered, k, integer(1)), integer([1])], axis=0), keepdims=1)
        self.k, self.top_p, self.filtered = column(k), column(top_p), column(filtered)
        self.keeps_all = op.equal(self.k, integer(vocabulary_size))
        self.drawn = op.greater_or_equal(temperature, real(GREEDY_BELOW))
        self.divisor = column(op.where(self.drawn, temperature, real(1)))
        self.min_p, self.repetition_penalty, self.seed = column(min_p), column(repetition_penalty), seed
        self.any_penalty = any_of(op.not_(op.equal(repetition_penalty, real(1))))
        self.any_filter, self.any_min_p = any_of(filtered), any_of(op.greater(min_p, real(0)))
        self.any_drawn, self.any_greedy = any_of(self.drawn), any_of(op.not_(self.drawn))

    def __call__(self, logits: Any, seen: Any, step: Any) -> Any:
        """logits (batch, vocabulary) float32, −inf for what is never to be drawn; seen, booleans alike → (batch,) int64."""

        def penalised() -> Any:
            unlikely = op.where(
                op.greater(logits, real(0)), op.div(logits, self.repetition_penalty), op.mul(logits, self.repetition_penalty)
            )
            return op.where(seen, unlikely, logits)

        penalised_logits = when(self.any_penalty, penalised, lambda: logits)

        def greedy() -> Any:
            return op.arg_max(penalised_logits, axis=1, keepdims=0)

        def drawn() -> Any:
            token_ids = self._draw(penalised_logits, step)
            return when(self.any_greedy, lambda: op.where(self.drawn, token_ids, greedy()), lambda: token_ids)

        return when(self.any_drawn, drawn, greedy)

    def _draw(self, logits: Any, step: Any) -> Any:
        scaled = op.div(logits, self.divisor)
        filtered = when(self.any_filter, lambda: self._filter(scaled), lambda: scaled)
        weights = op.exp(op.sub(filtered, op.reduce_max(filtered, integer([1]))))
        weights = when(self.any_min_p, lambda: op.where(op.less(weights, self.min_p), real(0), weights), lambda: weights)
        cumulated = op.cumsum(weights, integer(1))
        total = op.slice(cumulated, integer([-1]), integer([_END]), integer([1]))
        goal = op.mul(column(uniform(self.seed, step)), total)
        # What is next below the total keeps the draw within the vocabulary when u · total rounds up to total.
        goal = op.min([goal, op.mul(total, real(1 - 2.0**-24))])
        # Counted in float32, exact to 2²⁴: integers take four times as long.
        passed = op.cast(op.less_or_equal(cumulated, goal), to=np.float32)
        return op.cast(op.reduce_sum(passed, integer([1]), keepdims=0), to=np.int64)

    def _filter(self, logits: Any) -> Any:
        few = op.min([self.most, integer([_FEW])])
        smallest, enough = self._smallest(logits, few)
        smallest = when(enough, lambda: smallest, lambda: self._smallest(logits, self.most)[0])
        smallest = op.where(self.filtered, smallest, real(-np.inf))
        return op.where(op.less(logits, smallest), real(-np.inf), logits)

    def _smallest(self, logits: Any, count: Any) -> tuple[Any, Any]:
        """The smallest logit that each row keeps, and whether `count` of them, int64 (1,), were enough to tell."""
        descending, _ = op.top_k(logits, count)
        largest = op.slice(descending, integer([0]), integer([1]), integer([1]))
        rank = op.range(integer(0), op.squeeze(count, integer([0])), integer(1))
        weights = op.where(op.less(rank, self.k), op.exp(op.sub(descending, largest)), real(0))
        # What is drawn from without top-p: the k largest, or all of them, whose sum needs no order.
        total = op.where(
            self.keeps_all,
            op.reduce_sum(op.exp(op.sub(logits, largest)), integer([1])),
            op.reduce_sum(weights, integer([1])),
        )
        goal = op.mul(self.top_p, total)
        cumulated = op.cumsum(weights, integer(1))
        needed = op.and_(op.less(op.sub(cumulated, weights), goal), op.greater(weights, real(0)))
        smallest = op.reduce_min(op.where(needed, descending, real(np.inf)), integer([1]))
        reached = op.greater_or_equal(op.slice(cumulated, integer([-1]), integer([_END]), integer([1])), goal)
        undecided = op.and_(op.and_(self.filtered, op.greater(self.k, count)), op.not_(op.and_(self.keeps_all, reached)))
        return smallest, op.not_(any_of(undecided))


_END = 2**63 - 1
_FEW = 256  # logits put in order at first: to order all of a large vocabulary takes longer than the model's step


def integer(value: Any) -> Any:
    return op.const(np.array(value, np.int64))


def real(value: float) -> Any:
    return op.const(np.array(value, np.float32))


def _uint64(value: int) -> Any:
    return op.const(np.array(value, np.uint64))


def column(values: Any) -> Any:
    """(batch,) → (batch, 1)"""
    return op.unsqueeze(values, integer([1]))


def any_of(conditions: Any) -> Any:
    """Whether one of (batch,) booleans is true."""
    return op.greater(op.reduce_sum(op.cast(conditions, to=np.int64), keepdims=0), integer(0))


def when(condition: Any, then: Any, otherwise: Any) -> Any:
    """One value or another; only the one that is taken is computed."""
    (value,) = op.if_(condition, then_branch=lambda: [then()], else_branch=lambda: [op.identity(otherwise())])
    return value
