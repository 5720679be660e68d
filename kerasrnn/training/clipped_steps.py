"""How many steps of a training have their gradient clipped."""

from collections.abc import Sequence
from typing import Any

from kerasrnn._backend import keras, tf
from kerasrnn.training._apply_hook import Apply, ApplyHook, step_variable


class ClippedSteps(keras.callbacks.Callback):
    """Adds "clipped" to each epoch's logs: the share of its steps whose gradient's norm was above `global_clipnorm`.

        ‖g‖ = (Σ g_i²)^½ > global_clipnorm          of all weights, without the loss's scale

    Callbacks that come after it, and `History`, have it. A share near 1 means that the clipping sets the size of all steps:
    raise it, or lower the learning rate. After an error in `fit` call `remove()`.

    Raises:
        ValueError: in training, if the model's optimizer has no global_clipnorm.

    Example:

    >>> import keras, numpy as np, kerasrnn
    >>> model = keras.Sequential([keras.Input((6, 2)), kerasrnn.layers.GRU(4), keras.layers.Dense(1)])
    >>> model.compile(keras.optimizers.SGD(global_clipnorm=1e-6), "mse")
    >>> x, y = np.ones((8, 6, 2), "float32"), np.ones((8, 1), "float32")
    >>> model.fit(x, y, batch_size=2, verbose=0, callbacks=[ClippedSteps()]).history["clipped"]
    [1.0]
    """

    def __init__(self) -> None:
        super().__init__()
        self._hook = ApplyHook(self._around)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.remove()
        optimizer = self.model.optimizer
        self._limit = getattr(optimizer, "inner_optimizer", optimizer).global_clipnorm  # within a LossScaleOptimizer
        if self._limit is None:
            raise ValueError(
                "ClippedSteps: expected an optimizer that clips the gradient's norm; its global_clipnorm is None. Compile "
                "with one such as keras.optimizers.Adam(global_clipnorm=1.0), or leave this callback out."
            )
        self._counts = step_variable(self.model, tf.zeros(2, tf.int64))  # clipped, all
        self._hook.install(self.model)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._counts.assign(tf.zeros_like(self._counts))

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        clipped, steps = self._counts.numpy()
        if logs is not None and steps:
            logs["clipped"] = float(clipped / steps)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self.remove()

    def remove(self) -> None:
        """Gives the model its plain training step back: needed only where an error ended `fit`."""
        self._hook.remove()

    def _around(self, apply: Apply, gradients: Sequence[Any], variables: Sequence[Any], loss: Any) -> None:
        scale = getattr(self.model.optimizer, "dynamic_scale", None)
        scale = tf.ones(()) if scale is None else tf.cast(tf.convert_to_tensor(scale), tf.float32)
        norm = tf.linalg.global_norm([tf.cast(g, tf.float32) for g in map(_dense, gradients) if g is not None]) / scale
        self._counts.assign_add([tf.cast(~(norm <= self._limit), tf.int64), tf.ones((), tf.int64)])
        apply(gradients, variables)


def _dense(gradient: Any) -> Any:
    # Keras clips an embedding's gradient as the whole array that it stands for, where a row may come several times.
    return tf.convert_to_tensor(gradient) if isinstance(gradient, tf.IndexedSlices) else gradient
