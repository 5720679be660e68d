"""The best weights so far, always in one whole file."""

import math
import os
from pathlib import Path
from typing import Any

from kerasrnn._backend import keras
from kerasrnn._files import write_whole


class BestModel(keras.callbacks.Callback):
    """Saves the model after each epoch that is the best so far, an incomplete one too.

    Unlike with `keras.callbacks.ModelCheckpoint` a full disk or a kill cannot destroy the file saved before: the new
    one is written beside it and renamed.

    Args:
        path: The file to write; its name ends in ".keras".
        monitor: The figure to compare by, less being better.
        best: The figure to beat, where `path` holds a model already.

    Attributes:
        best: The best figure so far.

    Raises:
        ValueError: If `path` does not end in ".keras", or the epoch's figures lack `monitor`.

    Example:

    >>> import keras, numpy as np
    >>> model = keras.Sequential([keras.layers.Input((1,)), keras.layers.Dense(1)])
    >>> model.compile(loss="mse")
    >>> best_model = BestModel("best.keras", monitor="loss")
    >>> history = model.fit(np.ones((8, 1)), np.ones((8, 1)), verbose=0, callbacks=[best_model])
    >>> best_model.best == history.history["loss"][0]
    True
    >>> keras.models.load_model("best.keras").count_params()
    2
    """

    def __init__(self, path: str | os.PathLike[str], monitor: str = "val_loss", best: float = math.inf) -> None:
        super().__init__()
        self.path = Path(path)
        if self.path.suffix != ".keras":
            raise ValueError(f"path must end in '.keras', but is {os.fspath(path)!r}. Call it model.keras.")
        self.monitor = monitor
        self.best = best

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        figures = logs or {}
        if self.monitor not in figures:
            raise ValueError(
                f"monitor must be one of the epoch's figures, {sorted(figures)}, but is {self.monitor!r}. "
                "Give fit(validation_data=…), or BestModel(monitor='loss')."
            )
        if figures[self.monitor] < self.best:
            write_whole(self.path, self.model.save)
            self.best = figures[self.monitor]
