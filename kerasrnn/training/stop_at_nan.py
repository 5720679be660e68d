"""An error as soon as training has failed, that says where."""

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kerasrnn._backend import keras, tf
from kerasrnn._files import write_whole
from kerasrnn.training._apply_hook import Apply, ApplyHook, dense
from kerasrnn.training._not_finite import first_not_finite

_LOSS, _GRADIENT = 1, 2


class StopAtNaN(keras.callbacks.Callback):
    """Raises an error when loss or gradient is no finite number, before anything is changed by it.

    The training step leaves weights and optimizer as they were then, and the batch is computed again, layer by layer: the
    error says which layer's output or which weights' gradient failed first, in which row and at which time step, how
    large weights and outputs were, and what to try. With `mixed_float16`, whose loss scaling makes up for gradients
    that overflow, the loss alone counts.

    With `compile(steps_per_execution=…)` above 1 the batch is not at hand, and on several replicas (a distribution
    strategy) the error comes after the weights changed; it says so. After another error in `fit` call `remove()`.

    Args:
        weights_path: Where to save the weights of before the batch; its name ends in ".weights.h5". None to save none.

    Raises:
        ValueError: If `weights_path` does not end so; from `fit`, when loss or gradient is NaN or infinite.

    Example:

    >>> import keras, numpy as np
    >>> model = keras.Sequential([keras.layers.Input((1,)), keras.layers.Dense(1)])
    >>> model.compile(keras.optimizers.SGD(1e30), loss="mse")
    >>> model.fit(np.ones((8, 1)), np.zeros((8, 1)), epochs=9, verbose=0, callbacks=[StopAtNaN()])
    Traceback (most recent call last):
    ValueError: The loss became inf in batch 1 of epoch 2. Lower the learning rate, or clip the gradient's norm...
    """

    def __init__(self, weights_path: str | os.PathLike[str] | None = None) -> None:
        super().__init__()
        if weights_path is not None and not os.fspath(weights_path).endswith(".weights.h5"):
            raise ValueError(f"weights_path must end in '.weights.h5', but is {os.fspath(weights_path)!r}.")
        self.weights_path = None if weights_path is None else Path(weights_path)
        self._hook = ApplyHook(self._unless_failed)
        self._failed: Any = None
        self._data: Any = None
        self._step: Any = None

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.remove()
        self._seeds = [variable for variable in self.model.variables if variable.name == "seed_generator_state"]
        # Replicas apply gradients together, which TensorFlow does not allow under a condition.
        if self.model.distribute_strategy.num_replicas_in_sync == 1:
            self._failed = tf.Variable(0, trainable=False, dtype=tf.int64)
            self._hook.install(self.model)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._epoch = epoch
        function = self.model.train_function
        if self._failed is None or self.model.steps_per_execution > 1 or function is self._step:
            return

        def step(iterator: Any) -> Any:
            self._data = next(iterator)
            return function(iter([self._data]))

        self._step = self.model.train_function = step

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._drawn = [tf.identity(seed.value) for seed in self._seeds]
        carried = getattr(self.model, "carried_states", None)
        self._carried = carried.get() if carried is not None else None

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        failed, loss = 0 if self._failed is None else int(self._failed), (logs or {}).get("loss", 0.0)
        if failed or not math.isfinite(loss):
            what = "gradient became no finite number" if failed == _GRADIENT else f"loss became {loss}"
            where = f"in batch {batch + 1} of epoch {self._epoch + 1}"
            self.remove()
            raise ValueError(f"The {what} {where}. {self._advice()}\n" + "\n".join(self._explanation(failed)))

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self.remove()

    def remove(self) -> None:
        """Gives the model its plain training step back: needed only where an error ended `fit`."""
        self._hook.remove()
        self._failed = self._step = None

    def _unless_failed(self, apply: Apply, gradients: Sequence[Any], variables: Sequence[Any], loss: Any) -> None:
        good_loss = tf.constant(True) if loss is None else tf.reduce_all(tf.math.is_finite(loss))
        finite = [tf.reduce_all(tf.math.is_finite(dense(gradient))) for gradient in gradients if gradient is not None]
        scaled = hasattr(self.model.optimizer, "dynamic_scale")
        good = tf.constant(True) if scaled or not finite else tf.reduce_all(tf.stack(finite))
        now = tf.where(good_loss, tf.where(good, 0, _GRADIENT), _LOSS)
        # The first failure counts: later steps of the same execution change nothing either.
        before = tf.convert_to_tensor(self._failed)
        failed = tf.where(before > 0, before, tf.cast(now, tf.int64))
        self._failed.assign(failed)

        def applied() -> tf.Tensor:
            apply(gradients, variables)
            return tf.constant(0)

        tf.cond(failed > 0, lambda: tf.constant(0), applied)

    def _advice(self) -> str:
        half = getattr(self.model, "compute_dtype", "float32") == "float16"
        advice = "Lower the learning rate, or clip the gradient's norm"
        return f"{advice}; or train in 'mixed_bfloat16' or float32." if half else f"{advice}."

    def _explanation(self, failed: int) -> list[str]:
        if not failed:
            return ["The weights have changed by it already: go on from a backup."]
        lines = []
        if self._data is None:
            lines.append("To be told which layer failed, compile with steps_per_execution=1.")
        else:
            self._put_back()
            try:
                lines += first_not_finite(self.model, self._data)
            except (ValueError, TypeError, AttributeError, tf.errors.OpError) as error:
                lines.append(f"Which layer failed is not known, as the batch cannot be computed again: {error}")
        self._put_back()
        lines.append(f"Weights and optimizer are as before the batch, after {int(self.model.optimizer.iterations):,} steps.")
        if self.weights_path is not None:
            write_whole(self.weights_path, self.model.save_weights)
            lines.append(f"The weights are saved in {str(self.weights_path)!r}.")
        return lines

    def _put_back(self) -> None:
        """Seeds and carried states, as they were before the batch."""
        for seed, drawn in zip(self._seeds, self._drawn):
            seed.assign(drawn)
        if self._carried is not None:
            self.model.carried_states.set(self._carried)
