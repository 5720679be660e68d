"""How long each epoch took, among its figures."""

import time
from typing import Any

from kerasrnn._backend import keras


class EpochSeconds(keras.callbacks.Callback):
    """Adds `seconds`, from an epoch's beginning to the end of its validation, to the figures of that epoch.

    Callbacks after it in the list see it, and so does the history that `fit` returns.

    Example:

    >>> import keras, numpy as np
    >>> model = keras.Sequential([keras.layers.Input((1,)), keras.layers.Dense(1)])
    >>> model.compile(loss="mse")
    >>> x = np.ones((8, 1))
    >>> history = model.fit(x, x, epochs=2, verbose=0, callbacks=[EpochSeconds()])
    >>> [seconds > 0 for seconds in history.history["seconds"]]
    [True, True]
    """

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._begin = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if logs is not None:
            logs["seconds"] = time.monotonic() - self._begin
