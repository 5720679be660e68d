"""The end of training after so many minutes."""

import math
import time
from typing import Any

from kerasrnn._backend import keras


class TimeLimit(keras.callbacks.Callback):
    """Stops training once it has lasted so many minutes, after the batch at work.

    What Keras does at the end of an epoch follows: validation, checkpoints. `Backup` and `Curves` do not count the
    epoch if it is incomplete.

    Args:
        max_minutes: How long to train, counted from the start of `fit`; without limit where left out.

    Attributes:
        reached: Whether the limit ended the training.

    Raises:
        ValueError: If `max_minutes` is not positive.

    Example:

    >>> import keras, numpy as np
    >>> model = keras.Sequential([keras.layers.Input((1,)), keras.layers.Dense(1)])
    >>> model.compile(loss="mse")
    >>> limit = TimeLimit(max_minutes=0.001)
    >>> history = model.fit(np.ones((8, 1)), np.ones((8, 1)), epochs=10**6, verbose=0, callbacks=[limit])
    >>> limit.reached
    True
    """

    def __init__(self, max_minutes: float = math.inf) -> None:
        super().__init__()
        if not max_minutes > 0:
            raise ValueError(f"max_minutes must be a positive number, but is {max_minutes!r}. Leave it out for no limit.")
        self.max_minutes = max_minutes
        self.reached = False

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.reached = False
        self._end = time.monotonic() + 60 * self.max_minutes

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if time.monotonic() >= self._end:
            self.reached = self.model.stop_training = True
