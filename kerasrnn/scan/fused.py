"""The fused scan: any cell over time, with a gradient of its own.

`tf.while_loop`'s own gradient saves and replays each operation of the step. This one differentiates only the cell's
pointwise part, with a tape inside its own backward loop, carries only state gradients from step to step, and makes
the gradient of the recurrent kernel one matrix product over all steps. A new cell needs no gradient of its own.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from kerasrnn._backend import tf

# step(x, h, states, weights, t) -> (output, new_states); x, h: the two projections at time t, (batch, gates · units)
Step = Callable[[Any, Any, list[Any], list[Any], Any], tuple[Any, list[Any]]]


def fused_scan(
    step: Step,
    x: Any,
    recurrent_kernel: Any,
    initial_states: Sequence[Any],
    weights: Sequence[Any] = (),
    *,
    additive: bool = False,
    mask: Any = None,
    recurrent_dropout_masks: Sequence[Any] = (),
    return_sequences: bool = True,
    state_gradient_scale: Any = None,
    checkpoint_steps: int | None = None,
    keep_for_gradient: bool = True,
) -> tuple[Any, list[Any]]:
    """Runs `step` over time, inside a `tf.function`.

        h_t = s_(t−1)[0] · recurrent_kernel
        o_t, s_t = step(x_t, h_t, s_(t−1), weights, t)      where mask_t; elsewhere o_t, s_t = o_(t−1), s_(t−1); o_(−1) = 0

    Args:
        step: the cell's pointwise part; it must not capture tensors that need a gradient: they go in `weights`.
        x: the projected inputs, (time, batch, gates · units).
        recurrent_kernel: (units, gates · units), or None for a cell without a recurrent product: h is then None.
        initial_states: list of (batch, units).
        weights: what else the step needs gradients for; gradients are accumulated in the weights' own dtype.
        additive: whether the step uses x and h only as x + h; then only the sum is kept for the gradient.
        mask: (time, batch) booleans, or None for all true.
        recurrent_dropout_masks: one factor of s[0] before the product, (batch, units), for all gates, or one a gate.
        return_sequences: whether the outputs of all steps are wanted; without, those not asked for are not stored.
        state_gradient_scale: (time,) factors of the state gradients that step t passes on to step t − 1 (see
            `truncation`), or None for all 1.
        checkpoint_steps: keep the states of every k-th step only, and compute the others a second time for the
            gradient: less memory, more time.
        keep_for_gradient: whether the forward pass keeps what the gradient needs. Without, it is lighter (for
            inference), and a gradient, if one is asked for all the same, runs the forward pass a second time.

    Returns:
        (outputs, last_states): the outputs of all steps, (time, batch, units), or of the last one, (batch, units);
        the states after the last step.

    Example:

    >>> import tensorflow as tf
    >>> step = lambda x, h, states, weights, t: (tf.tanh(x + h), [tf.tanh(x + h)])
    >>> outputs, (last,) = tf.function(fused_scan)(step, tf.zeros((7, 2, 3)), tf.eye(3), [tf.ones((2, 3))])
    >>> outputs.shape, last.shape
    (TensorShape([7, 2, 3]), TensorShape([2, 3]))
    """
    probe = _probe(step, x, recurrent_kernel, initial_states, weights)
    carries_output = mask is not None or not return_sequences
    if carries_output:
        # The output as one more state: it too keeps its value over a masked step, and its last value remains.
        def step(x: Any, h: Any, states: list[Any], weights: list[Any], t: Any, step: Step = step) -> Any:
            output, new_states = step(x, h, states[:-1], weights, t)
            return output, [*new_states, output]

        initial_states = [*initial_states, tf.zeros((tf.shape(x)[1], probe.output_size), x.dtype)]
    kernels = [] if recurrent_kernel is None else [recurrent_kernel]
    count, output_is_state = len(initial_states), probe.output_is_state and mask is None

    @tf.custom_gradient
    def run(x: Any, *rest: Any) -> Any:
        kernel, rest = (rest[0], rest[1:]) if kernels else (None, rest)
        scan = _Scan(
            step, x, kernel, list(rest[:count]), list(rest[count:]), mask, list(recurrent_dropout_masks), additive,
            carries_output, output_is_state, return_sequences, state_gradient_scale, tf.constant(0),
        )  # fmt: skip
        if checkpoint_steps:
            kept, backward = _run_checkpointed(scan, checkpoint_steps)
        else:
            kept = scan.forward(keep_for_gradient)
            backward = lambda *d: scan.backward(kept if keep_for_gradient else scan.forward(True), *d)  # noqa: E731

        def gradient(*d_results: Any) -> Any:
            d_outputs, d_last = (d_results[0], d_results[1:]) if return_sequences else (None, d_results)
            d = backward(d_outputs, list(d_last))
            return (d.x, *([d.kernel] if kernels else []), *d.states, *d.weights)

        return (*([kept.outputs] if return_sequences else []), *kept.last_states), gradient

    results = list(run(x, *kernels, *initial_states, *weights))
    outputs = results.pop(0) if return_sequences else results[-1]
    return outputs, results[:-1] if carries_output else results


class _Probe(NamedTuple):
    output_size: int
    output_is_state: bool  # whether the output is the very tensor that becomes states[0]


def _probe(step: Step, x: Any, kernel: Any, states: Sequence[Any], weights: Sequence[Any]) -> _Probe:
    """Runs the step once on a row of zeros, to learn about its output."""
    row = tf.zeros((1, x.shape[-1]), x.dtype)
    h = None if kernel is None else row
    output, new_states = step(row, h, [tf.zeros((1, s.shape[-1]), s.dtype) for s in states], list(weights), tf.constant(0))
    return _Probe(output.shape[-1], output is new_states[0])


class _Forward(NamedTuple):
    """What the forward loop leaves, time-major."""

    outputs: Any
    last_states: list[Any]
    states: list[Any]  # before each step and after the last: (time + 1, …); [] where nothing was kept
    h: Any  # the recurrent projections, or x + h of an additive cell


class _Gradients(NamedTuple):
    x: Any
    kernel: Any
    states: list[Any]
    weights: list[Any]


@dataclass
class _Scan:
    """The two loops of one scan, or of one segment of it."""

    step: Step
    x: Any
    kernel: Any
    initial_states: list[Any]
    weights: list[Any]
    mask: Any
    dropout_masks: list[Any]
    additive: bool
    carries_output: bool
    output_is_state: bool
    return_sequences: bool
    gradient_scale: Any
    start: Any  # the first step's place in the whole sequence

    def forward(self, keep: bool) -> _Forward:
        stores_outputs = self.return_sequences and not (keep and self.output_is_state)

        def body(t: Any, states: list[Any], outputs: list[Any], sequences: list[Any], kept: list[Any]) -> Any:
            x, h = self.x[t], self._product(states[0])
            if self.additive:
                x, h = x + h, None
            output, new_states = self._step(x, h, states, t)
            if self.mask is not None:
                new_states = [tf.where(self.mask[t][:, None], new, old) for new, old in zip(new_states, states)]
                output = new_states[-1]
            outputs = [a.write(t, output) for a in outputs]
            sequences = [a.write(t + 1, s) for a, s in zip(sequences, new_states)]
            kept = [a.write(t, x if self.additive else h) for a in kept]
            return t + 1, new_states, outputs, sequences, kept

        remembered = self.initial_states[: -1 if self.carries_output else None] if keep else []
        sequences = [self._array(s.shape[-1], 1).write(0, s) for s in remembered]
        outputs = [self._array(self._output_size)] if stores_outputs else []
        kept = [self._array(self.x.shape[-1])] if keep and self.kernel is not None else []
        _, last, outputs, sequences, kept = tf.while_loop(
            lambda t, *_: t < self.steps,
            body,
            [0, self.initial_states, outputs, sequences, kept],
            maximum_iterations=self.steps,
        )
        states = [a.stack() for a in sequences]
        outputs = self._stack(outputs[0]) if outputs else states[0][1:] if self.return_sequences else None
        return _Forward(outputs, last, states, self._stack(kept[0]) if kept else None)

    def backward(self, kept: _Forward, d_outputs: Any, d_last: list[Any]) -> _Gradients:
        both = [kept.h] if self.additive else [self.x] if self.kernel is None else [self.x, kept.h]
        transposed_kernels = [tf.transpose(k) for k in self._kernels]  # once: in the loop it costs a third of the speed
        zero = tf.zeros((), self.x.dtype)

        def body(t: Any, d_states: list[Any], d_weights: list[Any], arrays: list[Any]) -> Any:
            projections, states = [p[t] for p in both], [s[t] for s in kept.states]
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch([projections, states, self.weights])
                # The output that is carried as a state is never read by the step.
                carried = [tf.zeros_like(d_states[-1])] if self.carries_output else []
                output, new_states = self._step(projections[0], *(projections[1:] or [None]), [*states, *carried], t)
            targets, d_targets = new_states, d_states
            if self.return_sequences and self.carries_output:
                d_targets = d_states = [*d_states[:-1], d_states[-1] + d_outputs[t]]
            elif self.return_sequences:
                targets, d_targets = [output, *new_states], [d_outputs[t], *d_states]
            if self.mask is not None:
                unmasked = self.mask[t][:, None]
                d_targets = [tf.where(unmasked, d, zero) for d in d_targets]
            d_projections, d_before, d_step = tape.gradient(
                targets, [projections, states, self.weights], output_gradients=d_targets, unconnected_gradients="zero"
            )
            if self.kernel is not None:
                d_before[0] += self._product_gradient(d_projections[-1], transposed_kernels)
            if self.carries_output:
                d_before = [*d_before, tf.zeros_like(d_states[-1])]
            if self.mask is not None:
                d_before = [d + tf.where(unmasked, zero, passed_by) for d, passed_by in zip(d_before, d_states)]
            if self.gradient_scale is not None:
                scale = tf.cast(self.gradient_scale[self.start + t], self.x.dtype)
                d_before = [scale * d for d in d_before]
            d_weights = [total + d for total, d in zip(d_weights, d_step)]
            return t - 1, d_before, d_weights, [a.write(t, d) for a, d in zip(arrays, d_projections)]

        _, d_initial, d_weights, arrays = tf.while_loop(
            lambda t, *_: t >= 0,
            body,
            [self.steps - 1, d_last, [tf.zeros_like(w) for w in self.weights], [self._array(self.x.shape[-1]) for _ in both]],
            maximum_iterations=self.steps,
        )
        d_projections = [self._stack(a) for a in arrays]
        d_kernel = self._kernel_gradient(kept.states[0][:-1], d_projections[-1]) if self._kernels else None
        return _Gradients(d_projections[0], d_kernel, d_initial, d_weights)

    def _step(self, x: Any, h: Any, states: list[Any], t: Any) -> tuple[Any, list[Any]]:
        if self.additive:
            h = tf.zeros((), self.x.dtype)  # x is the sum
        return self.step(x, h, states, self.weights, self.start + t)

    @property
    def _kernels(self) -> list[Any]:
        """The recurrent kernel, in one block, or in a block a gate where each has a dropout mask of its own."""
        if self.kernel is None:
            return []
        return tf.split(self.kernel, len(self.dropout_masks) or 1, axis=-1)

    def _product(self, state: Any) -> Any:
        if self.kernel is None:
            return None
        masked = [state * m for m in self.dropout_masks] or [state]
        products = [tf.matmul(s, k) for s, k in zip(masked, self._kernels)]
        return products[0] if len(products) == 1 else tf.concat(products, axis=-1)

    def _product_gradient(self, d_h: Any, transposed_kernels: list[Any]) -> Any:
        blocks = tf.split(d_h, len(transposed_kernels), axis=-1)
        products = [tf.matmul(d, k) for d, k in zip(blocks, transposed_kernels)]
        if self.dropout_masks:
            products = [p * m for p, m in zip(products, self.dropout_masks)]
        return tf.add_n(products)

    def _kernel_gradient(self, states: Any, d_h: Any) -> Any:
        masked = [states * m for m in self.dropout_masks] or [states]
        blocks = tf.split(d_h, len(masked), axis=-1)
        return tf.concat([tf.matmul(_rows(s), _rows(d), transpose_a=True) for s, d in zip(masked, blocks)], axis=-1)

    @property
    def steps(self) -> Any:
        return tf.shape(self.x)[0]

    @property
    def _output_size(self) -> int:
        return self.initial_states[-1 if self.carries_output else 0].shape[-1]

    def _array(self, width: int, more: int = 0) -> tf.TensorArray:
        shape = (self.x.shape[1], width)
        return _array(self.x.dtype, self.steps + more, shape, tf.zeros((tf.shape(self.x)[1], width), self.x.dtype))

    def _stack(self, array: tf.TensorArray) -> Any:
        return array.stack()[: self.steps]


def _run_checkpointed(scan: _Scan, k: int) -> tuple[_Forward, Callable[..., _Gradients]]:
    """The scan in segments of k steps after a first one of what is left over; keeps the states between segments."""
    first = scan.steps % k
    segments = scan.steps // k

    def segment(i: Any, states: list[Any]) -> _Scan:
        start = first + i * k
        part = lambda sequence: tf.ensure_shape(  # noqa: E731
            tf.slice(sequence, [start, *[0] * (len(sequence.shape) - 1)], [k, *[-1] * (len(sequence.shape) - 1)]),
            (k, *sequence.shape[1:]),
        )
        mask = None if scan.mask is None else part(scan.mask)
        return replace(scan, x=part(scan.x), mask=mask, initial_states=states, start=start)

    mask = None if scan.mask is None else scan.mask[:first]
    head = replace(scan, x=scan.x[:first], mask=mask)
    kept_head = head.forward(False)

    def array(width: int) -> tf.TensorArray:
        zeros = tf.zeros((k, tf.shape(scan.x)[1], width), scan.x.dtype)
        return _array(scan.x.dtype, segments, (k, scan.x.shape[1], width), zeros)

    def forward_body(i: Any, states: list[Any], outputs: list[Any], starts: list[Any]) -> Any:
        done = segment(i, states).forward(False)
        starts = [a.write(i, s) for a, s in zip(starts, states)]
        return i + 1, done.last_states, [a.write(i, done.outputs) for a in outputs], starts

    _, last, outputs, starts = tf.while_loop(
        lambda i, *_: i < segments,
        forward_body,
        [0, kept_head.last_states, [array(scan._output_size)] if scan.return_sequences else [],
         [_array(s.dtype, segments, s.shape, tf.zeros_like(s)) for s in scan.initial_states]],
        maximum_iterations=segments,
    )  # fmt: skip

    def joined(head: Any, array: tf.TensorArray) -> Any:
        parts = array.stack()[:segments]
        return tf.concat([head, tf.reshape(parts, [segments * k, tf.shape(parts)[2], parts.shape[-1]])], axis=0)

    def backward(d_outputs: Any, d_last: list[Any]) -> _Gradients:
        at_starts = [a.stack() for a in starts]
        kernel = [] if scan.kernel is None else [tf.zeros_like(scan.kernel)]

        def body(i: Any, d_states: list[Any], d_kernel: list[Any], d_weights: list[Any], d_x: Any) -> Any:
            part = segment(i, [s[i] for s in at_starts])
            d_part = None if d_outputs is None else d_outputs[part.start : part.start + k]
            d = part.backward(part.forward(True), d_part, d_states)
            d_weights = [total + more for total, more in zip(d_weights, d.weights)]
            return i - 1, d.states, [total + d.kernel for total in d_kernel], d_weights, d_x.write(i, d.x)

        _, d_states, d_kernel, d_weights, d_x = tf.while_loop(
            lambda i, *_: i >= 0,
            body,
            [segments - 1, d_last, kernel, [tf.zeros_like(w) for w in scan.weights], array(scan.x.shape[-1])],
            maximum_iterations=segments,
        )
        d = head.backward(head.forward(True), None if d_outputs is None else d_outputs[:first], d_states)
        return _Gradients(
            joined(d.x, d_x), d_kernel[0] + d.kernel if kernel else None, d.states,
            [total + more for total, more in zip(d_weights, d.weights)],
        )  # fmt: skip

    all_outputs = joined(kept_head.outputs, outputs[0]) if scan.return_sequences else None
    return _Forward(all_outputs, last, [], None), backward


def _array(dtype: Any, size: Any, element_shape: Any, zeros: Any) -> tf.TensorArray:
    # At least one element, and that one written: stacking an array of none, or of none written, fails in a graph.
    return tf.TensorArray(dtype, size=tf.maximum(size, 1), element_shape=element_shape).write(0, zeros)


def _rows(sequence: Any) -> Any:
    return tf.reshape(sequence, [-1, sequence.shape[-1]])
