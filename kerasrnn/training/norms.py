"""How large gradients, weights, updates and states are while a model trains."""

import csv
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerasrnn._backend import keras, tf
from kerasrnn._files import read_csv, write_whole
from kerasrnn.training._apply_hook import Apply, ApplyHook, step_variable
from kerasrnn.training._recurrent_states import RecurrentStates
from kerasrnn.training._tensorboard import EventWriter


class Norms(keras.callbacks.Callback):
    """Writes norms and figures of every n-th step to a CSV file and for TensorBoard.

        gradient        ‖g‖ = (Σ g_i²)^½, before clipping and without the loss's scale, of all weights
        gradient/L      the same, of layer L's weights
        weight/L        ‖w‖
        update/L        ‖w' − w‖ / ‖w‖, of a step; near 1e-3 is usual, far more means a rate that is too high
        state/L/s       mean over the batch's rows of ‖s‖, a recurrent layer's state after the batch's last time step

    The figures are those that `fit` shows, such as loss and perplexity, means since the epoch began. All is computed
    in the training step itself, with jit_compile too, and in steps between these only a condition is. TensorBoard gets
    each epoch's figures, validation's included, as well. After an error in `fit` call `remove()`.

    Args:
        csv_path: The file to write; it has columns epoch, batch (both from 1) and step. Rows that a resumed training
            computes again are dropped. None for no file.
        log_dir: The folder for TensorBoard, which need not be installed. None for none.
        every_batches: n. 1 writes all steps; reading the weights each time then costs a few percent of small models.

    Attributes:
        last: The last norms and figures, by name.

    Raises:
        ValueError: If `every_batches` is not positive.

    Example:

    >>> import keras, kerasrnn
    >>> model = kerasrnn.models.LanguageModel(kerasrnn.cells.GRUCell(4), vocabulary_size=9)
    >>> model.compile()
    >>> windows = kerasrnn.data.strided_windows(range(9), batch_size=1, num_steps=2, seed=1)
    >>> norms = Norms("norms.csv", every_batches=1)
    >>> history = model.fit(windows, verbose=0, callbacks=[norms])
    >>> sorted(name for name in norms.last if "/" not in name)
    ['gradient', 'loss', 'perplexity']
    >>> [name for name in norms.last if "rnn_0" in name]
    ['gradient/rnn_0', 'weight/rnn_0', 'update/rnn_0', 'state/rnn_0/h']
    """

    def __init__(
        self,
        csv_path: str | os.PathLike[str] | None = None,
        log_dir: str | os.PathLike[str] | None = None,
        every_batches: int = 100,
    ) -> None:
        super().__init__()
        if not every_batches >= 1:
            raise ValueError(f"every_batches must be a positive integer, but is {every_batches!r}.")
        self.csv_path = None if csv_path is None else Path(csv_path)
        self.every_batches = every_batches
        self.last: dict[str, float] = {}
        self._events = None if log_dir is None else EventWriter(log_dir)
        self._hook = ApplyHook(self._around)
        self._states: RecurrentStates | None = None
        self._columns: list[str] = []

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.remove()
        self._states = RecurrentStates(self.model)
        variables = self.model.trainable_variables
        owners = {id(v): layer.name for layer in self.model.layers for v in layer.trainable_variables}
        self._owners = [owners.get(id(variable), variable.name) for variable in variables]
        self._places = {id(variable): place for place, variable in enumerate(variables)}
        self._due = step_variable(self.model, False)
        self._squares = step_variable(self.model, tf.zeros(len(variables)))
        self._state_norms = step_variable(self.model, tf.zeros(len(self._states.names)))
        self._columns = []
        self._hook.install(self.model)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._epoch = epoch

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        due = batch % self.every_batches < self.model.steps_per_execution
        self._before = None
        if due:
            self._before = [tf.identity(variable.value) for variable in self.model.trainable_variables]
            self._iteration = int(np.asarray(self.model.optimizer.iterations))
            self._due.assign(True)

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        if self._before is None:
            return
        self._due.assign(False)
        step = int(np.asarray(self.model.optimizer.iterations))
        if step == self._iteration:  # a batch that a resumed training passes over
            return
        self.last = {**self._norms(), **{name: float(value) for name, value in (logs or {}).items()}}
        self._before = None
        if self._events is not None:
            self._events.scalars(self.last, step)
        if self.csv_path is not None:
            self._write({"epoch": self._epoch + 1, "batch": batch + 1, "step": step, **self.last})

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if self._events is not None:
            self._events.scalars({f"epoch_{name}": value for name, value in (logs or {}).items()}, epoch + 1)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self.remove()

    def remove(self) -> None:
        """Gives the model its plain training step back: needed only where an error ended `fit`."""
        self._hook.remove()
        if self._states is not None:
            self._states.remove()
            self._states = None
        if self._events is not None:
            self._events.close()

    def _around(self, apply: Apply, gradients: Sequence[Any], variables: Sequence[Any], loss: Any) -> None:
        states = self._states.norms()
        scale = getattr(self.model.optimizer, "dynamic_scale", None)
        scale = tf.ones(()) if scale is None else tf.convert_to_tensor(scale)

        def measure() -> tf.Tensor:
            squares = [tf.zeros(())] * len(self._places)
            for variable, gradient in zip(variables, gradients):
                if gradient is not None:
                    values = tf.cast(tf.convert_to_tensor(gradient), tf.float32) / scale
                    squares[self._places[id(variable)]] = tf.reduce_sum(tf.square(values))
            self._squares.assign(tf.stack(squares))
            if states:
                self._state_norms.assign(tf.stack(states))
            return tf.constant(0)

        tf.cond(self._due, measure, lambda: tf.constant(0))
        apply(gradients, variables)

    def _norms(self) -> dict[str, float]:
        weights = [np.asarray(value, "float64") for value in self._before]
        updates = [np.asarray(v, "float64") - w for v, w in zip(self.model.trainable_variables, weights)]
        squares = self._squares.numpy()
        sums: dict[str, np.ndarray] = {}
        for owner, *values in zip(self._owners, squares, map(_square, weights), map(_square, updates)):
            sums[owner] = sums.get(owner, 0) + np.array(values)
        norms = {"gradient": float(squares.sum() ** 0.5)}
        for name, (gradient, weight, update) in sums.items():
            norms[f"gradient/{name}"], norms[f"weight/{name}"] = gradient**0.5, weight**0.5
            norms[f"update/{name}"] = (update / weight) ** 0.5 if weight else float("nan")
        states = self._state_norms.numpy()
        # The states that a model carries are also to be had where documents begin within a batch.
        if carried := getattr(self.model, "carried_states", None):
            states = [np.linalg.norm(np.asarray(state, "float32"), axis=-1).mean() for state in carried.get().values()]
        norms |= {f"state/{name}": value for name, value in zip(self._states.names, states)}
        return {name: float(value) for name, value in norms.items()}

    def _write(self, row: dict[str, Any]) -> None:
        """Adds a row; at the first, drops those that the file has from that step on."""
        if not self._columns:
            rows = [old for old in _read(self.csv_path) if int(old["step"]) < row["step"]]
            self._columns = list(dict.fromkeys([*(rows[0] if rows else ()), *row]))

            def write(beside: Path) -> None:
                with beside.open("w", newline="", encoding="utf-8") as file:
                    writer = csv.DictWriter(file, self._columns, restval="nan")
                    writer.writeheader()
                    writer.writerows(rows)

            write_whole(self.csv_path, write)
        with self.csv_path.open("a", newline="", encoding="utf-8") as file:
            csv.DictWriter(file, self._columns, restval="nan").writerow(row)


def _square(value: np.ndarray) -> float:
    return float(np.square(value).sum())


def _read(path: Path) -> list[dict[str, str]]:
    return read_csv(path) if path.exists() else []
