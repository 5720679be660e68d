"""The fused scan in segments: only the states between them are kept, and the rest is computed a second time."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from kerasrnn._backend import tf
from kerasrnn.scan.lists import empty_list, stacked, unstacked
from kerasrnn.scan.loops import Forward, Gradients, Scan


def run_checkpointed(scan: Scan, k: int) -> tuple[Forward, Callable[..., Gradients]]:
    """The scan in segments of k steps after a first one of 1 to k steps; keeps the states between segments."""
    # XLA compiles the loops' bodies even where they never run: no first segment of no steps, no slice or list too short.
    steps = tf.maximum(scan.steps, 1)
    k = tf.minimum(k, steps)
    first = (steps - 1) % k + 1
    segments = (steps - 1) // k
    slots = tf.maximum(segments, 1)

    def part(sequence: Any, i: Any) -> Any:
        others = len(sequence.shape) - 1
        return tf.slice(sequence, [first + i * k, *[0] * others], [k, *[-1] * others])

    def segment(i: Any, x: Any, states: list[Any]) -> Scan:
        mask = None if scan.mask is None else part(scan.mask, i)
        return replace(scan, x=x, mask=mask, initial_states=states, start=first + i * k)

    mask = None if scan.mask is None else scan.mask[:first]
    head = replace(scan, x=scan.x[:first], mask=mask)
    kept_head = head.forward(False)

    # A list of segments, so that in the end each makes room for its gradient; at least one, of zeros if need be.
    rest = tf.concat([scan.x[first:], tf.zeros_like(scan.x[: slots * k - (steps - first)])], axis=0)
    segmented = tf.reshape(rest, [slots, k, *tf.unstack(tf.shape(scan.x)[1:])])
    segmented = tf.ensure_shape(segmented, (None, None, *scan.x.shape[1:]))
    xs = unstacked(segmented)

    def forward_body(i: Any, states: list[Any], outputs: list[Any], starts: list[Any]) -> Any:
        done = segment(i, xs.read(i), states).forward(False)
        starts = [a.write(i, s) for a, s in zip(starts, states)]
        return i + 1, done.last_states, [a.write(i, done.outputs) for a in outputs], starts

    _, last, outputs, starts = tf.while_loop(
        lambda i, *_: i < segments,
        forward_body,
        [0, kept_head.last_states, [empty_list(segmented, slots, scan.output_size)] if scan.return_sequences else [],
         [empty_list(s[None], slots) for s in scan.initial_states]],
        maximum_iterations=segments,
    )  # fmt: skip

    def joined(head: Any, array: tf.TensorArray) -> Any:
        parts = stacked(array, segmented, head.shape[-1])[:segments]
        return tf.concat([head, tf.reshape(parts, [segments * k, tf.shape(parts)[2], parts.shape[-1]])], axis=0)

    def backward(d_outputs: Any, d_last: list[Any]) -> Gradients:
        kernel = [] if scan.kernel is None else [tf.zeros_like(scan.kernel)]

        def body(i: Any, d_states: list[Any], d_kernel: list[Any], d_weights: list[Any], xs: Any) -> Any:
            again = segment(i, xs.read(i), [a.read(i) for a in starts])
            d = again.backward(again.forward(True), None if d_outputs is None else part(d_outputs, i), d_states)
            d_weights = [total + more for total, more in zip(d_weights, d.weights)]
            return i - 1, d.states, [total + d.kernel for total in d_kernel], d_weights, xs.write(i, d.x)

        _, d_states, d_kernel, d_weights, d_x = tf.while_loop(
            lambda i, *_: i >= 0,
            body,
            [segments - 1, d_last, kernel, [tf.zeros_like(w) for w in scan.weights], xs],
            maximum_iterations=segments,
        )
        d = head.backward(head.forward(True), None if d_outputs is None else d_outputs[:first], d_states)
        return Gradients(
            joined(d.x, d_x), d_kernel[0] + d.kernel if kernel else None, d.states,
            [total + more for total, more in zip(d_weights, d.weights)],
        )  # fmt: skip

    all_outputs = joined(kept_head.outputs, outputs[0]) if scan.return_sequences else None
    return Forward(all_outputs, last, None, [], []), backward
