"""A clean end of training at Ctrl-C."""

import signal
import threading
from types import FrameType
from typing import Any

from rich.console import Console

from kerasrnn._backend import keras


class StopOnInterrupt(keras.callbacks.Callback):
    """Ends training cleanly at Ctrl-C or SIGTERM, after the batch at work; a second one aborts at once.

    What Keras does at the end of an epoch follows: validation, checkpoints. `Backup` and `Curves` do not count the
    epoch if it is incomplete. Signals reach Python's main thread only: in another one this callback does nothing.

    Args:
        console: Where to tell so; the standard output by default.

    Attributes:
        interrupted: Whether a signal ended the training.

    Example:

    >>> import keras, numpy as np, signal
    >>> model = keras.Sequential([keras.layers.Input((1,)), keras.layers.Dense(1)])
    >>> model.compile(loss="mse")
    >>> stop = StopOnInterrupt()
    >>> ctrl_c = keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: signal.raise_signal(signal.SIGINT))
    >>> history = model.fit(np.ones((8, 1)), np.ones((8, 1)), epochs=5, verbose=0, callbacks=[stop, ctrl_c])
    Stopping: validating, and saving what is best. Ctrl-C again aborts at once.
    >>> len(history.epoch), stop.interrupted
    (1, True)
    """

    def __init__(self, console: Console | None = None) -> None:
        super().__init__()
        self.console = console or Console()
        self.interrupted = False
        self._previous: dict[signal.Signals, Any] = {}

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.interrupted = False
        if threading.current_thread() is threading.main_thread():
            self._previous = {s: signal.signal(s, self._interrupt) for s in (signal.SIGINT, signal.SIGTERM)}

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if self.interrupted and not self.model.stop_training:
            self.model.stop_training = True
            self.console.print("Stopping: validating, and saving what is best. Ctrl-C again aborts at once.")

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if self.interrupted:  # while validating
            self.model.stop_training = True

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self.restore_handlers()

    def restore_handlers(self) -> None:
        """Gives the signals back to who handled them before; to be called where `fit` raised an error."""
        while self._previous:
            signal.signal(*self._previous.popitem())

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        # No printing here: the signal may have come in the middle of a print.
        self.interrupted = True
        self.restore_handlers()
