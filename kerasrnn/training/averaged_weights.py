"""The moving average of the weights, in a training that may be broken off."""

from typing import Any

import numpy as np

from kerasrnn._backend import keras


class MovingAverage(keras.callbacks.SwapEMAWeights):
    """Gives validation, and all that follows in an epoch, the moving average of an optimizer with `use_ema=True`.

    Unlike in `keras.callbacks.SwapEMAWeights` the model has the average from the validation until the next epoch begins,
    so that what callbacks after this one save or show is the model that was validated; and a training that is broken off
    goes on with the weights and the average that it had, the last epoch being as any other.

    At the end of an epoch weights and average are in each other's place, which is part of the callback's state: in the
    `callbacks` of a `Backup` it puts them right. For one call of `fit`.

    Example:

    >>> import keras, numpy as np
    >>> model = keras.Sequential([keras.layers.Input((1,)), keras.layers.Dense(1)])
    >>> model.compile(keras.optimizers.SGD(0.1, use_ema=True), loss="mse")
    >>> average = MovingAverage()
    >>> x = np.ones((8, 1))
    >>> history = model.fit(x, x, batch_size=4, epochs=2, verbose=0, callbacks=[average])
    >>> average.get_state()
    {'shown': array(True)}
    """

    def __init__(self) -> None:
        super().__init__(swap_on_epoch=True)
        self._shown = self._restored = False

    def get_state(self) -> dict[str, np.ndarray]:
        """`shown`: whether the model has the average, and the optimizer the weights."""
        return {"shown": np.array(self._shown)}

    def set_state(self, state: dict[str, Any]) -> None:
        """Takes up what `get_state` returned; variables restored as they were then get right in `on_train_begin`."""
        self._restored = bool(state["shown"])

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        if self._restored:
            swap = keras.callbacks.SwapEMAWeights()
            swap.set_model(self.model)
            swap.on_test_begin()
        self._restored = False

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        super().on_epoch_begin(epoch, logs)
        self._shown = False

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        super().on_test_begin(logs)
        self._shown = True

    def on_test_end(self, logs: dict[str, Any] | None = None) -> None:
        """Nothing: the average stays until the next epoch."""

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.on_test_begin()
