"""The two loops of the fused scan: forward over time, and backward with the gradients."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from kerasrnn._backend import tf
from kerasrnn.scan.lists import empty_list, stacked, unstacked

# step(x, h, states, weights, t) -> (output, new_states); x, h: the two projections at time t, (batch, gates · units)
Step = Callable[[Any, Any, list[Any], list[Any], Any], tuple[Any, list[Any]]]


class Forward(NamedTuple):
    """What the forward loop leaves: sequences (time, …), and lists of steps for the backward loop to read."""

    outputs: Any
    last_states: list[Any]
    first_state: Any  # states[0] before each step and after the last: (time + 1, …); None where nothing was kept
    states: list[tf.TensorArray]  # all states likewise
    projections: list[tf.TensorArray]  # x and h of each step, or x + h of an additive cell


class Gradients(NamedTuple):
    x: Any
    kernel: Any
    states: list[Any]
    weights: list[Any]


@dataclass
class Scan:
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

    def __post_init__(self) -> None:
        # Here and not where it is used: a loop that asks for the shape of x keeps all of x in memory.
        known = self.x.shape[0]
        self.steps = tf.shape(self.x)[0] if known is None else tf.constant(known)
        # A number of its own: tf2onnx changes the type of the one that bounds a loop, wherever else it stands.
        self.bound = self.steps if known is None else known

    def forward(self, keep: bool) -> Forward:
        stores_outputs = self.return_sequences and not (keep and self.output_is_state)
        keeps_h = keep and self.kernel is not None and not self.additive

        def body(t: Any, x: Any, states: list[Any], outputs: list[Any], before: list[Any], kept: list[Any]) -> Any:
            h = self._product(states[0])
            if self.additive:
                x, h = x + h, None
                # The sum takes the place of x in the list, so that there is one such list and not two.
                kept = [a.write(t, x) for a in kept]
            if keeps_h:
                kept = [kept[0], kept[1].write(t, h)]
            output, new_states = self._step(x, h, states, t)
            if self.mask is not None:
                new_states = [tf.where(self.mask[t][:, None], new, old) for new, old in zip(new_states, states)]
                output = new_states[-1]
            outputs = [a.write(t, output) for a in outputs]
            before = [a.write(t + 1, s) for a, s in zip(before, new_states)]
            # x as a loop variable: XLA does not always vectorise a step that slices it out of the sequence.
            following = tf.minimum(t + 1, self.steps - 1)
            x = kept[0].read(following) if keep else self.x[following]
            return t + 1, x, new_states, outputs, before, kept

        remembered = self.initial_states[: -1 if self.carries_output else None] if keep else []
        _, _, last, outputs, before, kept = tf.while_loop(
            lambda t, *_: t < self.steps,
            body,
            [
                0,
                tf.reduce_sum(self.x[:1], axis=0),  # x[0]; of no steps, zeros
                self.initial_states,
                [empty_list(self.x, self.steps, self.output_size)] if stores_outputs else [],
                [empty_list(self.x, self.steps + 1, s.shape[-1]).write(0, s) for s in remembered],
                [unstacked(self.x)] * keep + [empty_list(self.x, self.steps)] * keeps_h,
            ],
            maximum_iterations=self.bound,
        )
        first_state = stacked(before[0], self.x, remembered[0].shape[-1]) if keep else None
        if stores_outputs:
            all_outputs = stacked(outputs[0], self.x, self.output_size)
        else:
            all_outputs = first_state[1:] if self.return_sequences else None
        return Forward(all_outputs, last, first_state, before, kept)

    def backward(self, kept: Forward, d_outputs: Any, d_last: list[Any]) -> Gradients:
        transposed_kernels = [tf.transpose(k) for k in self._kernels]  # once: in the loop it costs a third of the speed
        zero = tf.zeros((), self.x.dtype)

        def body(t: Any, projections: list[Any], d_states: list[Any], d_weights: list[Any], lists: list[Any]) -> Any:
            states = [a.read(t) for a in kept.states]
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
            targets, d_targets = _each_once(targets, d_targets)
            d_projections, d_before, d_step = tape.gradient(
                targets, [projections, states, self.weights], output_gradients=d_targets, unconnected_gradients="zero"
            )
            if self.kernel is not None:
                d_before[0] += self._product_gradient(d_projections[-1], transposed_kernels)
            if self.carries_output:
                # Zeros that depend on what they follow: tf.vectorized_map (in batch_jacobian) needs a loop variable to do so.
                d_before = [*d_before, tf.math.multiply_no_nan(d_states[-1], zero)]
            if self.mask is not None:
                d_before = [d + tf.where(unmasked, zero, passed_by) for d, passed_by in zip(d_before, d_states)]
            if self.gradient_scale is not None:
                scale = tf.cast(self.gradient_scale[self.start + t], self.x.dtype)
                d_before = [scale * d for d in d_before]
            d_weights = [total + d for total, d in zip(d_weights, d_step)]
            # Each projection makes room for its gradient, and is read before it is needed: where a step reads it as well
            # as writes there, XLA copies the whole list at every step.
            lists = [a.write(t, d) for a, d in zip(lists, d_projections)]
            return t - 1, [a.read(tf.maximum(t - 1, 0)) for a in lists], d_before, d_weights, lists

        zeros = tf.reduce_sum(self.x[:0], axis=0)
        last_projections = tf.cond(
            self.steps > 0,
            lambda: [a.read(self.steps - 1) for a in kept.projections],
            lambda: [zeros for _ in kept.projections],
        )
        _, _, d_initial, d_weights, lists = tf.while_loop(
            lambda t, *_: t >= 0,
            body,
            [self.steps - 1, last_projections, d_last, [tf.zeros_like(w) for w in self.weights], kept.projections],
            maximum_iterations=self.bound,
        )
        d_projections = [stacked(a, self.x) for a in lists]
        d_kernel = self._kernel_gradient(kept.first_state[:-1], d_projections[-1]) if self._kernels else None
        return Gradients(d_projections[0], d_kernel, d_initial, d_weights)

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
    def output_size(self) -> int:
        return self.initial_states[-1 if self.carries_output else 0].shape[-1]


def _each_once(targets: list[Any], gradients: list[Any]) -> tuple[list[Any], list[Any]]:
    """A state that is the output too, once, with the sum of its gradients: the tape's own sum cannot be vectorised."""
    sums: dict[int, tuple[Any, Any]] = {}
    for target, gradient in zip(targets, gradients, strict=True):
        if id(target) in sums:
            _, so_far = sums[id(target)]
            shape = so_far.shape.merge_with(gradient.shape)  # + forgets a number of rows that is 0
            gradient = so_far + gradient
            gradient.set_shape(shape)
        sums[id(target)] = target, gradient
    once, d_once = zip(*sums.values())
    return list(once), list(d_once)


def _rows(sequence: Any) -> Any:
    return tf.reshape(sequence, [-1, sequence.shape[-1]])
