"""An error as soon as training has failed."""

import math
from typing import Any

from kerasrnn._backend import keras


class StopAtNaN(keras.callbacks.Callback):
    """Raises an error when the loss is no longer a number, before anything is saved of it.

    Raises:
        ValueError: From `fit`, when the loss is NaN or infinite.

    Example:

    >>> import keras, numpy as np
    >>> model = keras.Sequential([keras.layers.Input((1,)), keras.layers.Dense(1)])
    >>> model.compile(keras.optimizers.SGD(1e30), loss="mse")
    >>> model.fit(np.ones((8, 1)), np.zeros((8, 1)), epochs=9, verbose=0, callbacks=[StopAtNaN()])
    Traceback (most recent call last):
    ValueError: The loss became ... Lower the learning rate, or clip the gradient's norm.
    """

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        loss = (logs or {}).get("loss", 0.0)
        if not math.isfinite(loss):
            raise ValueError(
                f"The loss became {loss} in batch {batch + 1} of epoch {self._epoch + 1}. "
                "Lower the learning rate, or clip the gradient's norm."
            )
