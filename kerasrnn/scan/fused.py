"""The fused scan: any cell over time, with a gradient of its own.

`tf.while_loop`'s own gradient saves and replays each operation of the step. This one differentiates only the cell's
pointwise part, with a tape inside its own backward loop, carries only state gradients from step to step, and makes
the gradient of the recurrent kernel one matrix product over all steps. A new cell needs no gradient of its own.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from kerasrnn._backend import tf
from kerasrnn.scan.checkpoint import run_checkpointed
from kerasrnn.scan.loops import Scan, Step


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
        scan = Scan(
            step, x, kernel, list(rest[:count]), list(rest[count:]), mask, list(recurrent_dropout_masks), additive,
            carries_output, output_is_state, return_sequences, state_gradient_scale, tf.constant(0),
        )  # fmt: skip
        if checkpoint_steps:
            kept, backward = run_checkpointed(scan, checkpoint_steps)
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
