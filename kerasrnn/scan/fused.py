"""The fused scan: any cell over time, with a gradient of its own.

`tf.while_loop`'s own gradient saves and replays each operation of the step. This one differentiates only the cell's
pointwise part, with a tape inside its own backward loop, carries only state gradients from step to step, and makes
the gradient of the recurrent kernel one matrix product over all steps. A new cell needs no gradient of its own.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from kerasrnn._backend import tf

# step(x, h, states, weights) -> (output, new_states); x, h: the two projections at one time, (batch, gates · units)
Step = Callable[[Any, Any, list[Any], list[Any]], tuple[Any, list[Any]]]


def fused_scan(
    step: Step,
    x: Any,
    recurrent_kernel: Any,
    initial_states: Sequence[Any],
    weights: Sequence[Any] = (),
    *,
    additive: bool = False,
    mask: Any = None,
    output_size: int | None = None,
    keep_for_gradient: bool = True,
) -> tuple[Any, list[Any]]:
    """Runs `step` over time, inside a `tf.function`.

        h_t = s_(t−1)[0] · recurrent_kernel
        o_t, s_t = step(x_t, h_t, s_(t−1), weights)         where mask_t; elsewhere o_t, s_t = o_(t−1), s_(t−1); o_(−1) = 0

    Args:
        step: the cell's pointwise part; it must not capture tensors that need a gradient: they go in `weights`.
        x: the projected inputs, (time, batch, gates · units).
        recurrent_kernel: (units, gates · units).
        initial_states: list of (batch, units).
        weights: what else the step needs gradients for; gradients are accumulated in the weights' own dtype.
        additive: whether the step uses x and h only as x + h; then only the sum is kept for the gradient.
        mask: (time, batch) booleans, or None for all true.
        output_size: the outputs' width, where it is not that of the first state (needed with a mask only).
        keep_for_gradient: whether the forward pass keeps what the gradient needs. Without, it is lighter (for
            inference), and a gradient, if one is asked for all the same, runs the forward pass a second time.

    Returns:
        (outputs, last_states): the outputs of all steps, (time, batch, units), and the states after the last one.

    Example:

    >>> import tensorflow as tf
    >>> step = lambda x, h, states, weights: (tf.tanh(x + h), [tf.tanh(x + h)])
    >>> outputs, (last,) = tf.function(fused_scan)(step, tf.zeros((7, 2, 3)), tf.eye(3), [tf.ones((2, 3))])
    >>> outputs.shape, last.shape
    (TensorShape([7, 2, 3]), TensorShape([2, 3]))
    """
    output_size = output_size or initial_states[0].shape[-1]
    if mask is not None:
        # The output as one more state: it too keeps its value over a masked step.
        def step(x: Any, h: Any, states: list[Any], weights: list[Any], step: Step = step) -> Any:
            output, new_states = step(x, h, states[:-1], weights)
            return output, [*new_states, output]

        initial_states = [*initial_states, tf.zeros((tf.shape(x)[1], output_size), x.dtype)]
    count = len(initial_states)

    @tf.custom_gradient
    def run(x: Any, recurrent_kernel: Any, *rest: Any) -> Any:
        scan = _Scan(step, x, recurrent_kernel, rest[:count], rest[count:], additive, mask, output_size)
        kept = scan.forward(keep_for_gradient)

        def gradient(d_outputs: Any, *d_last: Any) -> Any:
            return scan.backward(kept if keep_for_gradient else scan.forward(True), d_outputs, list(d_last))

        return (kept.outputs, *kept.last_states), gradient

    outputs, *last = run(x, recurrent_kernel, *initial_states, *weights)
    return outputs, last if mask is None else last[:-1]


class _Forward(NamedTuple):
    """What the forward loop leaves, time-major."""

    outputs: Any
    last_states: list[Any]
    states: list[Any]
    projections: list[Any]  # [x + h] of an additive cell, else [x, h]; [] where nothing was kept


@dataclass
class _Scan:
    """The two loops of one scan."""

    step: Step
    x: Any
    recurrent_kernel: Any
    initial_states: Sequence[Any]
    weights: Sequence[Any]
    additive: bool
    mask: Any
    output_size: int

    def forward(self, keep: bool) -> _Forward:
        initial, width = list(self.initial_states), self.x.shape[-1]

        def body(t: Any, states: list[Any], outputs: Any, sequences: list[Any], kept: list[Any]) -> Any:
            x, h = self.x[t], tf.matmul(states[0], self.recurrent_kernel)
            projections = [x + h] if self.additive else [x, h]
            output, new_states = self._step(projections, states)
            if self.mask is not None:
                new_states = [tf.where(self.mask[t][:, None], new, old) for new, old in zip(new_states, states)]
                output = new_states[-1]
            outputs = outputs.write(t, output)
            if keep:
                sequences = [a.write(t, s) for a, s in zip(sequences, new_states)]
                kept = kept.write(t, projections[-1])
            return t + 1, new_states, outputs, sequences, kept

        arrays = [self._array(s.shape[-1]) for s in initial] if keep else []
        _, last, outputs, sequences, kept = tf.while_loop(
            lambda t, *_: t < self._steps,
            body,
            [0, initial, self._array(self.output_size), arrays, self._array(width) if keep else ()],
            maximum_iterations=self._steps,
        )
        if not keep:
            return _Forward(self._stack(outputs), last, [], [])
        kept = [self._stack(kept)] if self.additive else [self.x, self._stack(kept)]
        return _Forward(self._stack(outputs), last, [self._stack(a) for a in sequences], kept)

    def backward(self, kept: _Forward, d_outputs: Any, d_last: list[Any]) -> tuple[Any, ...]:
        """Gradients of x, recurrent_kernel, each initial state and each weight."""
        previous = [tf.concat([s0[None], s], 0)[:-1] for s0, s in zip(self.initial_states, kept.states)]
        transposed_kernel = tf.transpose(self.recurrent_kernel)  # once: in the loop it costs a third of the speed
        weights = list(self.weights)

        def body(t: Any, d_states: list[Any], d_weights: list[Any], arrays: list[Any]) -> Any:
            projections, states = [p[t] for p in kept.projections], [s[t] for s in previous]
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch([projections, states, weights])
                output, new_states = self._step(projections, states)
            if self.mask is None:
                targets, d_targets = [output, *new_states], [d_outputs[t], *d_states]
            else:
                d_states = [*d_states[:-1], d_states[-1] + d_outputs[t]]
                unmasked, zero = self.mask[t][:, None], tf.zeros((), d_outputs.dtype)
                targets, d_targets = new_states, [tf.where(unmasked, d, zero) for d in d_states]
                d_passed_by = [tf.where(unmasked, zero, d) for d in d_states]
            d_projections, d_states, d_step = tape.gradient(
                targets, [projections, states, weights], output_gradients=d_targets, unconnected_gradients="zero"
            )
            d_states[0] += tf.matmul(d_projections[-1], transposed_kernel)
            if self.mask is not None:
                d_states = [d + p for d, p in zip(d_states, d_passed_by)]
            d_weights = [total + d for total, d in zip(d_weights, d_step)]
            return t - 1, d_states, d_weights, [a.write(t, d) for a, d in zip(arrays, d_projections)]

        _, d_initial, d_weights, arrays = tf.while_loop(
            lambda t, *_: t >= 0,
            body,
            [self._steps - 1, d_last, [tf.zeros_like(w) for w in weights],
             [self._array(self.x.shape[-1]) for _ in kept.projections]],
            maximum_iterations=self._steps,
        )  # fmt: skip
        d_projections = [self._stack(a) for a in arrays]
        d_kernel = tf.matmul(_rows(previous[0]), _rows(d_projections[-1]), transpose_a=True)
        return (d_projections[0], d_kernel, *d_initial, *d_weights)

    def _step(self, projections: list[Any], states: list[Any]) -> tuple[Any, list[Any]]:
        x, h = projections if len(projections) == 2 else (projections[0], tf.zeros((), self.x.dtype))
        return self.step(x, h, states, list(self.weights))

    @property
    def _steps(self) -> Any:
        return tf.shape(self.x)[0]

    def _array(self, width: int) -> tf.TensorArray:
        # At least one element: stacking an array of none fails in a graph.
        return tf.TensorArray(self.x.dtype, size=tf.maximum(self._steps, 1), element_shape=(self.x.shape[1], width))

    def _stack(self, array: tf.TensorArray) -> Any:
        return array.stack()[: self._steps]


def _rows(sequence: Any) -> Any:
    return tf.reshape(sequence, [-1, sequence.shape[-1]])
