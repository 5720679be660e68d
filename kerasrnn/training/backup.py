"""All that training needs to go on after its last complete epoch."""

import os
from pathlib import Path
from typing import Any

from kerasrnn._backend import keras
from kerasrnn._files import write_whole
from kerasrnn.training.epoch_callback import EpochCallback

_SUFFIX = ".weights.h5"


class Backup(EpochCallback):
    """Backs up the weights and the optimizer's state after each complete epoch, and restores them.

    It differs from `keras.callbacks.BackupAndRestore` in three things: an epoch that was stopped half-way does not
    count; the number of the epoch is part of the file's name, so that it cannot disagree with the weights; and the
    file is written beside the last one and renamed, so that a full disk or a kill cannot destroy it.

    Args:
        folder: A folder for the backup alone.

    Example:

    >>> import keras, numpy as np
    >>> model = keras.Sequential([keras.layers.Input((1,)), keras.layers.Dense(1)])
    >>> model.compile(loss="mse")
    >>> x = np.ones((8, 1))
    >>> backup = Backup("backup")
    >>> backup.restore(model)
    0
    >>> history = model.fit(x, x, initial_epoch=0, epochs=2, verbose=0, callbacks=[backup])
    >>> backup.restore(model)
    2
    >>> history = model.fit(x, x, initial_epoch=2, epochs=5, verbose=0, callbacks=[backup])
    >>> history.epoch
    [2, 3, 4]
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        super().__init__()
        self.folder = Path(folder)

    @property
    def epochs(self) -> int:
        """How many epochs are complete, according to the last backup."""
        return max(self._backups(), default=0)

    def restore(self, model: keras.Model) -> int:
        """Loads the last backup into a compiled model, if there is one.

        Returns:
            How many epochs are complete: what `fit` takes as `initial_epoch`.

        Raises:
            ValueError: If the backup is damaged, or of another model.
        """
        epochs = self.epochs
        if not epochs:
            return 0
        path = self._backups()[epochs]
        if not model.optimizer.built:
            model.optimizer.build(model.trainable_variables)
        try:
            model.load_weights(path)
        except (OSError, KeyError, ValueError) as error:
            raise ValueError(
                f"The backup {str(path)!r} is damaged, or of another model: {error} "
                f"Delete {str(self.folder)!r} to train from the start."
            ) from error
        return epochs

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if not self.epoch_is_complete:
            return
        path = self.folder / f"epoch_{epoch + 1:06d}{_SUFFIX}"
        write_whole(path, self.model.save_weights)
        for other in self._backups().values():
            if other != path:
                other.unlink()

    def _backups(self) -> dict[int, Path]:
        return {int(path.name[6 : -len(_SUFFIX)]): path for path in self.folder.glob(f"epoch_*{_SUFFIX}")}
