"""All that training needs to go on where it was killed."""

import math
import os
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerasrnn._backend import keras
from kerasrnn.training._fast_forward import fast_forward
from kerasrnn.training.backup_file import read_backup, write_backup
from kerasrnn.training.epoch_callback import EpochCallback
from kerasrnn.training.training_state import restore_training_state, training_state

_NAME = "epoch_{:06d}_batch_{:09d}.backup"
_SHARE = 20  # one twentieth of the time, at most, goes into backups that are due by time


class Backup(EpochCallback):
    """Backs up a training, and goes on from there: with the weights that it would have had without the break.

    A backup holds the weights, seeds of random layers, the optimizer, the metrics' totals, the states that a stateful
    `LanguageModel` carries, the callbacks' states, Python's and NumPy's random generators, and the place in the data.
    It is made after each complete epoch, when training is stopped, and within epochs as often as asked. Each is one
    file, written beside the others and renamed, with a checksum; the last two are kept. If the last one is damaged, the
    one before is taken. So a kill, whenever it comes, costs only the time since the last backup.

    To go on, build model, data and callbacks as the first time, call `restore`, and give `fit` `initial_epoch`. Of the
    epoch in which training stopped, the first `batches` batches are passed over: callbacks are told of them, but
    nothing is computed. The data must come in the same order again, as the window makers of `kerasrnn.data` have it.

    In the list of callbacks its place is behind those that stop training and those in `callbacks`.

    Args:
        folder: A folder for the backups alone.
        every_batches: How many batches of an epoch lie between two backups; None for none by number.
        every_seconds: How much time lies between two backups; more, where they would take over a twentieth of it. None
            for none by time.
        callbacks: Callbacks whose state to keep, if they have one: Keras's early stopping, reduction of the rate and
            checkpoints, and any with `get_state()`, a dictionary of arrays, and `set_state(state)`, which takes effect
            in the `on_train_begin` that follows, as `NonMonotonicASGD`.
        identity: What must be the same when training goes on, strings by name: checksums of data and tokenizer, the
            configuration.
        read_batches: Whether the batches to pass over are read from the dataset. False, where it begins with the next
            one, as the window makers' `epoch=backup.epochs, start_batch=backup.batches` does; `fit` needs
            `steps_per_epoch` then.

    Attributes:
        epochs: How many epochs are complete, according to the last backup.
        batches: How many batches of the next epoch are.

    Raises:
        ValueError: If `every_batches` or `every_seconds` is not positive; from `fit`, if it does not go on where
            `restore` said, or an epoch has another number of batches.

    Example:

    >>> import keras, numpy as np
    >>> model = keras.Sequential([keras.layers.Input((1,)), keras.layers.Dense(1)])
    >>> model.compile(loss="mse")
    >>> x = np.ones((8, 1))
    >>> backup = Backup("backup", every_batches=2)
    >>> backup.restore(model)
    0
    >>> history = model.fit(x, x, initial_epoch=0, epochs=2, verbose=0, callbacks=[backup])
    >>> backup.restore(model), backup.batches
    (2, 0)
    >>> history = model.fit(x, x, initial_epoch=2, epochs=5, verbose=0, callbacks=[backup])
    >>> history.epoch
    [2, 3, 4]
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        every_batches: int | None = None,
        every_seconds: float | None = None,
        callbacks: Sequence[keras.callbacks.Callback] = (),
        identity: Mapping[str, str] | None = None,
        read_batches: bool = True,
    ) -> None:
        super().__init__()
        for name, value in (("every_batches", every_batches), ("every_seconds", every_seconds)):
            if value is not None and not value > 0:
                raise ValueError(f"{name} must be positive, or None for backups after whole epochs, but is {value!r}.")
        self.folder = Path(folder)
        self.every_batches = every_batches
        self.every_seconds = every_seconds
        self.callbacks = list(callbacks)
        self.identity = dict(identity or {})
        self.read_batches = read_batches
        self._last: Path | None = None
        self._restored: tuple[dict[str, Any], dict[str, np.ndarray]] | None = None
        self._passing = False  # over the batches before the break

    @property
    def epochs(self) -> int:
        return self._place()[0]

    @property
    def batches(self) -> int:
        return self._place()[1]

    def restore(self, model: keras.Model) -> int:
        """Loads the last backup into a compiled model, if there is one.

        Returns:
            How many epochs are complete: what `fit` takes as `initial_epoch`.

        Raises:
            ValueError: If all backups are damaged, or the last one is of another model, or another `identity`.
        """
        self._restored, self._last, damaged = None, None, []
        for path in reversed(self._backups()):
            try:
                about, state = read_backup(path)
            except ValueError as error:
                damaged.append((path, error))
                continue
            self._check(path, about)
            try:
                restore_training_state(model, state, kinds=("model", "optimizer", "random"))
            except (KeyError, ValueError) as error:
                raise ValueError(
                    f"The backup {str(path)!r} is of another model: {error}. Build the model and the optimizer as they "
                    f"were, or delete {str(self.folder)!r} to train from the start."
                ) from error
            self._restored, self._last = (about, state), path
            for torn, error in damaged:
                warnings.warn(f"{error} Going on from {path.name!r}, the backup before it.", stacklevel=2)
                torn.unlink()
            return self.epochs
        if damaged:
            raise ValueError(f"{damaged[0][1]} Delete {str(self.folder)!r} to train from the start.") from damaged[0][1]
        return 0

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._passing, self._seconds = False, self.every_seconds or 0.0
        self._due = time.monotonic() + self._seconds
        # Where no epoch is left, callbacks still have their end to come, as one that puts the averaged weights in place.
        if self._restored is not None and self._restored[0]["epochs"] >= self.params.get("epochs", math.inf):
            self._go_on(self._restored[1], ("callbacks",))

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._epoch, self._saved_batch = epoch, 0
        if self._restored is None:
            return
        (about, state), self._restored = self._restored, None
        steps = self.params.get("steps")
        if epoch != about["epochs"]:
            raise ValueError(
                f"initial_epoch must be {about['epochs']}, as Backup.restore returned, but is {epoch}. Pass that, or "
                f"delete {str(self.folder)!r} to train from the start."
            )
        if not about["batches"]:
            self._go_on(state, ("callbacks",))
            return
        if steps and about["steps"] and steps != about["steps"]:
            raise ValueError(
                f"An epoch must have {about['steps']} batches, as before the break, but has {steps}. Give fit the data (and "
                f"steps_per_epoch) of then, or delete {str(self.folder)!r} to train from the start."
            )

        def go_on() -> None:
            self._passing, self._saved_batch = False, about["batches"]
            self._go_on(state, ("model", "optimizer", "metrics", "carried", "callbacks", "random"))

        self._passing = True
        fast_forward(self.model, about["batches"], self.read_batches, about["logs"], go_on)

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        super().on_train_batch_end(batch, logs)
        steps = self.params.get("steps")
        if self._passing or (steps and self._batches >= steps):
            return
        by_number = self.every_batches is not None and self._batches - self._saved_batch >= self.every_batches
        by_time = self.every_seconds is not None and time.monotonic() >= self._due
        if by_number or by_time or self.model.stop_training:
            self._save(self._epoch, self._batches, logs)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if self.epoch_is_complete and not self._passing:
            self._save(epoch + 1, 0, logs)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        if self._passing:  # stopped meanwhile
            self._passing, self.model.train_function = False, None

    def _save(self, epochs: int, batches: int, logs: dict[str, Any] | None) -> None:
        begin = time.monotonic()
        path = self.folder / _NAME.format(epochs, batches)
        about = {
            "epochs": epochs,
            "batches": batches,
            "steps": self.params.get("steps"),
            "logs": {name: float(value) for name, value in (logs or {}).items()},
            "identity": self.identity,
        }
        write_backup(path, about, training_state(self.model, self.callbacks))
        for other in self._backups():
            if other not in (path, self._last):
                other.unlink()
        self._last, self._saved_batch = path, batches
        end = time.monotonic()
        self._due = end + max(self._seconds, _SHARE * (end - begin))

    def _go_on(self, state: dict[str, np.ndarray], kinds: Sequence[str]) -> None:
        restore_training_state(self.model, state, self.callbacks, kinds)
        for callback in self.callbacks if "callbacks" in kinds else ():
            if hasattr(callback, "set_state"):
                callback.on_train_begin()

    def _check(self, path: Path, about: dict[str, Any]) -> None:
        was, now = about["identity"], self.identity
        names = [name for name in was | now if was.get(name) != now.get(name)]
        changed = [f"{name}: {now.get(name)!r}, was {was.get(name)!r}" for name in names]
        if changed:
            raise ValueError(
                f"The backup {str(path)!r} is of another training ({'; '.join(changed)}). Repeat it with what it had "
                f"then, or delete {str(self.folder)!r} to train from the start."
            )

    def _place(self) -> tuple[int, int]:
        backups = self._backups()
        return tuple(map(int, backups[-1].stem.split("_")[1::2])) if backups else (0, 0)

    def _backups(self) -> list[Path]:
        return sorted(self.folder.glob("epoch_*_batch_*.backup"))
