"""How often the gradient was larger than its clipping allows."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from kerasrnn._backend import tf
from kerasrnn.diagnostics._batch import step_losses


def clipped_share(gradient_norms: Sequence[float], global_clipnorm: float) -> float:
    """The share of steps whose gradient was scaled down: those with a norm above the optimizer's `global_clipnorm`.

    Args:
        gradient_norms: the norms before clipping: the column "gradient" of what `kerasrnn.training.Norms` writes.
        global_clipnorm: the largest norm that is left as it is.

    Returns:
        A share in [0, 1]. Norms that are no numbers count as clipped.

    Raises:
        ValueError: there are no norms, or global_clipnorm is not positive.

    Example:

    >>> clipped_share([0.5, 1.5, 3.0, 0.9], global_clipnorm=1.0)
    0.5
    """
    norms = np.asarray(gradient_norms, "float64").ravel()
    if not len(norms):
        raise ValueError(
            "gradient_norms: expected at least one norm; received none. Train for a step with a callback that notes them."
        )
    if global_clipnorm is None or not global_clipnorm > 0:
        raise ValueError(f"global_clipnorm: expected a positive number; received {global_clipnorm!r}.")
    return float(np.mean(~(norms <= global_clipnorm)))


def gradient_norm(model: Any, inputs: Any, targets: Any, loss: Any = None) -> float:
    """The norm of the gradient of a batch's mean loss by all weights, ‖g‖ = (Σ g_i²)^½, before clipping.

    At inference, that is without dropout, and without penalties on weights.

    Args:
        model: a built Keras model.
        inputs, targets: a batch, as in `fit`.
        loss: as in `gradient_flow`.

    Returns:
        The norm.

    Raises:
        ValueError: there is no loss.

    Example: the mean of (w − 1)² at w = 3 has the derivative 4.

    >>> import keras, numpy as np
    >>> three = keras.layers.Dense(1, use_bias=False, kernel_initializer=keras.initializers.Constant(3.0))
    >>> model = keras.Sequential([keras.Input((1,)), three])
    >>> gradient_norm(model, np.ones((2, 1)), np.ones((2, 1)), "mse")
    4.0
    """
    weights = [weight.value for weight in model.trainable_variables]
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(weights)
        value = tf.reduce_mean(step_losses(model, model(inputs, training=False), targets, loss))
    gradients = [gradient for gradient in tape.gradient(value, weights) if gradient is not None]
    return float(tf.linalg.global_norm(gradients)) if gradients else 0.0
