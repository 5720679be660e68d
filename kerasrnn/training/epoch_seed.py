"""Random numbers of an epoch that depend on nothing but the seed and the epoch."""

from typing import Any

import numpy as np

from kerasrnn._backend import keras


class EpochSeed(keras.callbacks.Callback):
    """Seeds dropout and other random layers anew at each epoch.

    Keras saves no random state with the weights: without this a resumed training drops other units than the same
    training without a break.

    Args:
        seed: An integer of at least 0.

    Example:

    >>> import keras
    >>> model = keras.Sequential([keras.layers.Input((1,)), keras.layers.Dropout(0.5)])
    >>> callback = EpochSeed(seed=7)
    >>> callback.set_model(model)
    >>> def draw(epoch):
    ...     callback.on_epoch_begin(epoch)
    ...     return model(keras.ops.ones((1, 6)), training=True).numpy().tolist()
    >>> draw(epoch=3) == draw(epoch=3), draw(epoch=3) == draw(epoch=4)
    (True, False)
    """

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.seed = seed

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        states = [variable for variable in self.model.variables if variable.name == "seed_generator_state"]
        for number, state in enumerate(states):
            state.assign(np.random.SeedSequence([self.seed, epoch, number]).generate_state(2))
