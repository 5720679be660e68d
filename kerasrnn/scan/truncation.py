"""Truncated backpropagation through time: how much of a state's gradient each step passes on to the step before."""

from typing import Any

from kerasrnn._backend import tf

TRUNCATIONS = ("regular", "randomized")


def state_gradient_scale(steps: Any, truncate: int, truncation: str = "regular", seed: Any = None) -> Any:
    """Factors of the gradient that step t passes to the states of step t − 1, for `fused_scan`.

    With h_t = f(x_t, h_(t−1)) the full gradient obeys dh_(t−1) = d_(t−1) + (∂h_t/∂h_(t−1))ᵀ dh_t. Truncated, the
    second term is multiplied by ξ_t:

    - "regular": ξ_t = 0 where t is a multiple of τ = `truncate`, else 1. The sequence falls into segments of τ steps;
      the values flow on, the gradient stops at each segment's start. A loss thus reaches back between 0 and τ − 1
      steps. This differs from the sum in Dive into Deep Learning's text, which reaches back exactly τ steps from every
      loss (a sliding window); that costs τ times as much, which is why frameworks, and the book's own code, cut
      segments instead.
    - "randomized" (Tallec and Ollivier): ξ_t = 1/π with probability π = 1 − 1/τ, else 0, drawn anew for each step and
      call. E[ξ_t] = 1, so the gradient is unbiased; segments have the mean length τ, and longer sequences have
      their gradients weighted up.

    The gradient of the initial states is left whole: ξ_0 = 1.

    Args:
        steps: the number of time steps.
        truncate: τ, a positive integer.
        truncation: "regular" or "randomized".
        seed: two integers, for "randomized".

    Returns:
        (steps,) float32.

    Example:

    >>> state_gradient_scale(7, 3).numpy()
    array([1., 1., 1., 0., 1., 1., 0.], dtype=float32)

    References:
        Williams, R. J. and Peng, J. (1990). An efficient gradient-based algorithm for on-line training of recurrent
        network trajectories. Neural Computation 2(4).
        Tallec, C. and Ollivier, Y. (2017). Unbiasing truncated backpropagation through time. arXiv:1705.08209.
    """
    t = tf.range(steps)
    if truncation == "regular":
        passes = tf.cast(t % truncate != 0, tf.float32)
    else:
        share = 1 - 1 / truncate
        drawn = tf.random.stateless_uniform((steps,), seed) < share
        passes = tf.where(drawn, 1 / share if share else 0.0, 0.0)
    return tf.where(t == 0, 1.0, passes)
