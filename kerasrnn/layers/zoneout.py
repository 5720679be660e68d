"""Zoneout: units of the states that keep their value over a step."""

from collections.abc import Callable
from typing import Any

from kerasrnn._backend import tf


def with_zoneout(step: Callable[..., Any], rate: float, seed: Any) -> Callable[..., Any]:
    """A scan's step whose states keep some of their units (Krueger et al., 2017).

        s' = m ⊙ s_(t−1) + (1 − m) ⊙ s_t      m = 1 with probability `rate`; at inference m = `rate`, its mean

    The draw is a function of the seed and of the time step, so that the gradient's own loop sees the same one.

    Args:
        step: the step, as `kerasrnn.scan.fused_scan` takes it.
        rate: the share of units that keep their value.
        seed: two integers, or None for inference.

    Returns:
        The step with zoneout.

    Reference:
        Krueger, D. et al. (2017). Zoneout: regularizing RNNs by randomly preserving hidden activations. arXiv:1606.01305.
    """

    def zoned_out(x: Any, h: Any, states: list[Any], weights: list[Any], t: Any) -> Any:
        output, new_states = step(x, h, states, weights, t)
        kept = [_keep(old, new, i, t) for i, (old, new) in enumerate(zip(states, new_states))]
        return (kept[0] if output is new_states[0] else output), kept

    def _keep(old: Any, new: Any, i: int, t: Any) -> Any:
        if seed is None:
            return rate * old + (1 - rate) * new
        fold_in = tf.random.experimental.stateless_fold_in
        key = fold_in(fold_in(tf.cast(seed, tf.int32), i), t)
        return tf.where(tf.random.stateless_uniform(tf.shape(new), key) < rate, old, new)

    return zoned_out
