"""What tells a complete epoch from one that was stopped half-way."""

from typing import Any

from kerasrnn._backend import keras


class EpochCallback(keras.callbacks.Callback):
    """Base of the callbacks to which it matters whether an epoch is complete.

    Keras ends an epoch in which `model.stop_training` was set as it ends any other: it validates and calls
    `on_epoch_end`. What counts epochs, as a backup does, must not count that one.

    Example:

    >>> import keras, numpy as np
    >>> class Count(EpochCallback):
    ...     def on_epoch_end(self, epoch, logs=None):
    ...         print(epoch, self.epoch_is_complete)
    >>> class StopAtOnce(keras.callbacks.Callback):
    ...     def on_train_batch_end(self, batch, logs=None):
    ...         self.model.stop_training = True
    >>> model = keras.Sequential([keras.layers.Input((1,)), keras.layers.Dense(1)])
    >>> model.compile(loss="mse")
    >>> x = np.ones((4, 1))
    >>> _ = model.fit(x, x, batch_size=2, verbose=0, callbacks=[Count()])
    0 True
    >>> _ = model.fit(x, x, batch_size=2, verbose=0, callbacks=[Count(), StopAtOnce()])
    0 False
    """

    _batches = 0

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self._batches = batch + 1

    @property
    def epoch_is_complete(self) -> bool:
        """Whether the epoch that just ended saw all its batches.

        Where Keras does not know their number, an epoch after which training stops counts as incomplete.
        """
        steps = self.params.get("steps")
        return self._batches >= steps if steps else not self.model.stop_training
