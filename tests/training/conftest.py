import numpy as np
import pytest

from kerasrnn._backend import keras


@pytest.fixture
def fit():
    """Fits a line with 4 batches an epoch; returns the history."""

    def fit(*callbacks, model=None, validation_split=0.0, **arguments):
        if model is None:
            model = line()
        x = np.linspace(-1, 1, 16)[:, None]
        return model.fit(
            x, 2 * x, batch_size=4, validation_split=validation_split, verbose=0, callbacks=[*callbacks], **arguments
        )

    return fit


def line():
    model = keras.Sequential([keras.layers.Input((1,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.1), loss="mse", run_eagerly=True)
    return model
