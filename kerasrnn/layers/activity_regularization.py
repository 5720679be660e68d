"""Penalties on the outputs of a recurrent layer, and on how they change."""

import math
from typing import Any

from kerasrnn._backend import keras, tf


@keras.saving.register_keras_serializable(package="kerasrnn")
class TemporalActivityRegularization(keras.layers.Layer):
    """Adds to the loss what keeps a recurrent layer's outputs small and slow (Merity et al., 2017): AR and TAR.

        loss += alpha · mean((m ⊙ h_t)²) + beta · mean((h_t − h_(t+1))²)

    h are the outputs of the last recurrent layer, m ⊙ h the same after dropout (scaled as dropout scales them). The
    means are over all features of all unmasked steps, TAR's over the pairs of steps that are both unmasked. They are
    added in training only, so that a validation loss stays a cross-entropy. Their sums are taken in float32 at least.

    Args:
        alpha: the weight of activation regularisation (AR); the paper on AWD-LSTM takes 2.
        beta: the weight of temporal activation regularisation (TAR); that paper takes 1.
        **kwargs: as in `keras.layers.Layer`.

    Call arguments:
        dropped: the outputs after dropout, m ⊙ h, (batch, time, features).
        outputs: the outputs before dropout, h, of the same shape; those after it where left out.
        mask: (batch, time) booleans, False where a step does not count; by default the mask that `dropped` carries.
        training: whether to add the penalties.

    Returns:
        `dropped`, unchanged.

    Raises:
        ValueError: a weight is negative or not finite.

    Example:

    >>> import keras, kerasrnn
    >>> layer = kerasrnn.layers.TemporalActivityRegularization(alpha=2.0, beta=1.0)
    >>> h = keras.ops.array([[[1.0], [3.0]]])  # 2 · (1 + 9) / 2 + (3 − 1)²
    >>> dropped = layer(h, training=True)
    >>> [float(loss) for loss in layer.losses]
    [14.0]

    References:
        Merity, S., McCann, B. and Socher, R. (2017). Revisiting activation regularization for language RNNs.
        arXiv:1708.01009.
        Merity, S., Keskar, N. and Socher, R. (2018). Regularizing and optimizing LSTM language models. arXiv:1708.02182.
    """

    def __init__(self, alpha: float = 2.0, beta: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        for name, value in (("alpha", alpha), ("beta", beta)):
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < math.inf:
                raise ValueError(f"{name}: expected a weight of at least 0; received {value!r}. Use 0 for no penalty.")
        self.alpha = alpha
        self.beta = beta
        self.supports_masking = True
        self.built = True

    def call(self, dropped: Any, outputs: Any = None, mask: Any = None, training: bool = False) -> Any:
        if not training or not (self.alpha or self.beta):
            return dropped
        dtype = keras.backend.result_type(self.compute_dtype, "float32")
        if mask is None:
            mask = getattr(dropped, "_keras_mask", None)  # Keras passes no mask to a call of two tensors
        mask = None if mask is None else tf.cast(mask, bool)
        penalty = tf.zeros((), dtype)
        if self.alpha:
            penalty += self.alpha * _mean_square(tf.cast(dropped, dtype), mask)
        if self.beta:
            h = tf.cast(dropped if outputs is None else outputs, dtype)
            penalty += self.beta * _mean_square(h[:, 1:] - h[:, :-1], None if mask is None else mask[:, 1:] & mask[:, :-1])
        self.add_loss(penalty)
        return dropped

    def compute_output_spec(self, dropped: Any, outputs: Any = None, mask: Any = None, training: bool = False) -> Any:
        return keras.KerasTensor(dropped.shape, dropped.dtype)

    def compute_mask(self, dropped: Any, mask: Any = None) -> Any:
        return keras.tree.flatten(mask)[0] if mask is not None else None

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "alpha": self.alpha, "beta": self.beta}


def _mean_square(x: Any, mask: Any) -> Any:
    """Zero, rather than 0 / 0, where no step counts: a window of one step has no pair."""
    squares, count = tf.square(x), tf.size(x)
    if mask is not None:
        squares = tf.where(mask[:, :, None], squares, tf.zeros((), x.dtype))
        count = tf.reduce_sum(tf.cast(mask, tf.int32)) * tf.shape(x)[2]
    return tf.reduce_sum(squares) / tf.cast(tf.maximum(count, 1), x.dtype)
