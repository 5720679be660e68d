"""The linear scan: h_t = a_t ⊙ h_(t−1) + b_t, whose gradient is a linear scan from the other end."""

from typing import Any

from kerasrnn._backend import keras, tf
from kerasrnn.scan.lists import empty_list, stacked


def linear_scan(a: Any, b: Any, initial: Any, *, state_gradient_scale: Any = None, associative: bool = False) -> Any:
    """All states of a linear recurrence, inside a `tf.function`.

        h_t = a_t ⊙ h_(t−1) + b_t

    Args:
        a, b: (time, batch, units).
        initial: h before the first step, (batch, units).
        state_gradient_scale: (time,) factors of the gradient that step t passes to step t − 1, or None for all 1.
        associative: whether to compute in about log₂(time) parallel sweeps (for accelerators) instead of step by step
            (on CPUs, which have no use for the parallelism); needs a number of steps known in advance.

    Returns:
        (time, batch, units).

    Example:

    >>> import tensorflow as tf
    >>> ones = tf.ones((4, 1, 1))
    >>> tf.reshape(tf.function(linear_scan)(2 * ones, ones, tf.zeros((1, 1))), [-1]).numpy()
    array([ 1.,  3.,  7., 15.], dtype=float32)

    Reference:
        Blelloch, G. E. (1990). Prefix sums and their applications. CMU-CS-90-190.
    """

    @tf.custom_gradient
    def run(a: Any, b: Any, initial: Any) -> Any:
        states = _associative(a, b, initial) if associative else _sequential(a, b, initial)

        def gradient(d_states: Any) -> Any:
            d_states = tf.ensure_shape(d_states, a.shape)
            passed_on = a
            if state_gradient_scale is not None:
                passed_on = a * tf.cast(state_gradient_scale, a.dtype)[:, None, None]
            # g_t = d_t + a_(t+1) ⊙ g_(t+1): the same recurrence, read from the end.
            later = tf.concat([passed_on[1:], tf.zeros_like(a[:1])], axis=0)
            reverse = lambda s: tf.reverse(s, [0])  # noqa: E731
            zeros = tf.zeros_like(initial)
            g = reverse(linear_scan(reverse(later), reverse(d_states), zeros, associative=associative))
            previous = tf.concat([initial[None], states], axis=0)[:-1]
            return g * previous, g, tf.reduce_sum((passed_on * g)[:1], axis=0)

        return states, gradient

    return run(a, b, initial)


def masked_linear_scan(
    a: Any, b: Any, initial: Any, mask: Any, return_sequences: bool, state_gradient_scale: Any = None, associative: bool = False
) -> tuple[Any, list[Any]]:
    """A linear recurrence as a recurrent layer has it: what `fused_scan` returns, whose output is its state.

    Args:
        a, b, initial, state_gradient_scale, associative: as in `linear_scan`.
        mask: (time, batch) booleans, or None: a masked step leaves the state as it was.
        return_sequences: whether the outputs of all steps are wanted, or the last.

    Returns:
        (outputs, [the last state]): outputs (time, batch, units), or (batch, units).
    """
    if mask is not None:
        a, b = tf.where(mask[:, :, None], a, tf.ones((), a.dtype)), tf.where(mask[:, :, None], b, tf.zeros((), b.dtype))
    hs = linear_scan(a, b, initial, state_gradient_scale=state_gradient_scale, associative=associative)
    last = tf.concat([initial[None], hs[-1:]], axis=0)[-1]
    if mask is not None:
        begun = tf.math.cumsum(tf.cast(mask, tf.int32)) > 0
        hs = tf.where(begun[:, :, None], hs, tf.zeros((), hs.dtype))
    if not return_sequences:
        hs = tf.concat([tf.zeros_like(initial)[None], hs[-1:]], axis=0)[-1]
    return hs, [last]


def _sequential(a: Any, b: Any, initial: Any) -> Any:
    steps = tf.shape(a)[0]

    def body(t: Any, h: Any, states: tf.TensorArray) -> Any:
        h = a[t] * h + b[t]
        return t + 1, h, states.write(t, h)

    *_, states = tf.while_loop(
        lambda t, *_: t < steps, body, [0, initial, empty_list(a, steps)], maximum_iterations=steps
    )
    return stacked(states, a)


def _associative(a: Any, b: Any, initial: Any) -> Any:
    def combine(first: Any, second: Any) -> Any:
        return second[0] * first[0], second[0] * first[1] + second[1]

    products, sums = keras.ops.associative_scan(combine, (a, b), axis=0)
    return tf.ensure_shape(products * initial[None] + sums, a.shape)
