"""A small training that can be killed at any moment and repeated: `python resumed_training.py FOLDER KIND EVENTS`."""

import itertools
import os
import signal
import sys

import numpy as np

from kerasrnn._backend import keras
from kerasrnn.cells import GRUCell
from kerasrnn.data import document_streams, strided_windows
from kerasrnn.models import LanguageModel
from kerasrnn.training import Backup, EpochSeed, NonMonotonicASGD, StopAtNaN

EPOCHS = 3
KINDS = ("windows", "streams")
_TOKEN_IDS = np.random.default_rng(0).integers(0, 9, 500)


class Killed(BaseException):
    """Stands for the end of the process: no callback, and nothing after `fit`, sees it."""


class Kill(keras.callbacks.Callback):
    """Ends it after so many events: batches, and ends of epochs before and after their backup."""

    def __init__(self, after=None, kill=None):
        super().__init__()
        self.left = itertools.count() if after is None else itertools.count(after, -1)
        self.kill = kill

    def event(self, *arguments, **keywords):
        if next(self.left) == 1 and self.kill:
            self.kill()

    on_train_batch_begin = on_train_batch_end = on_epoch_begin = on_epoch_end = on_test_begin = event


def killed_here():
    raise Killed


def killed_for_good():
    os.kill(os.getpid(), signal.SIGKILL)


def train(folder, kind, kill=None, read_batches=False, every_batches=3):
    """Trains from the beginning or goes on; returns all that the training ends with."""
    keras.utils.set_random_seed(1)
    stateful = kind == "streams"
    model = LanguageModel(GRUCell(4), vocabulary_size=9, dropout=0.3, weight_drop=0.2, stateful=stateful)
    schedule = keras.optimizers.schedules.CosineDecay(0.05, 40)
    optimizer = keras.optimizers.Adam(schedule, global_clipnorm=1.0, use_ema=True, ema_overwrite_frequency=7)
    model.compile(optimizer)

    def data(**passes):
        if stateful:
            documents = np.split(_TOKEN_IDS, [90, 101, 300])
            return document_streams(documents, batch_size=3, num_steps=14, seed=3, **passes)
        return strided_windows(_TOKEN_IDS, batch_size=3, num_steps=14, seed=3, **passes)

    asgd = NonMonotonicASGD(patience=1)
    stopping = keras.callbacks.EarlyStopping("val_perplexity", patience=9)
    backup = Backup(folder, every_batches=every_batches, callbacks=[asgd, stopping], read_batches=read_batches)
    epoch = backup.restore(model)
    start = 0 if read_batches else backup.batches
    history = model.fit(
        data(epoch=epoch, start_batch=start, epochs=None),
        steps_per_epoch=int(data(epochs=1).cardinality()),
        validation_data=data(epoch=99),
        initial_epoch=epoch,
        epochs=EPOCHS,
        shuffle=False,
        verbose=0,
        callbacks=[StopAtNaN(), EpochSeed(0), asgd, stopping, *([kill] if kill else []), backup],
    )
    state = {f"model/{i}": np.asarray(v) for i, v in enumerate(model.variables)}
    state |= {f"optimizer/{i}": np.asarray(v) for i, v in enumerate(model.optimizer.variables)}
    state |= {f"asgd/{name}": value for name, value in asgd.get_state().items()}
    state |= {f"carried/{name}": value for name, value in (model.carried_states.get() if stateful else {}).items()}
    state["last loss"] = np.array(history.history["loss"][-1]) if history.epoch else np.array(np.nan)
    return state


if __name__ == "__main__":
    folder, kind, after = sys.argv[1:]
    train(folder, kind, Kill(int(after), killed_for_good))
    print("finished")
