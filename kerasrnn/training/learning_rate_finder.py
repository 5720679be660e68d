"""A learning rate to begin with, from one short sweep."""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from kerasrnn._backend import keras, tf
from kerasrnn._files import write_whole
from kerasrnn.training.training_state import restore_training_state, training_state

_DIVERGED = 4.0  # times the lowest loss
_MARGIN = 10.0  # from the rate at which the loss stops falling


@dataclass(frozen=True)
class LearningRates:
    """What a sweep of the learning rate found.

    Attributes:
        rates: The rate of each step, (steps,).
        losses: The loss of each step's batch, before the step, (steps,).
        smoothed: Their exponential average, (steps,).
        suggestion: A tenth of the rate with the lowest smoothed loss: it falls fast there, and is far from rising.
    """

    rates: np.ndarray
    losses: np.ndarray
    smoothed: np.ndarray
    suggestion: float

    def plot(self, path: str | os.PathLike[str] | None = None) -> Figure:
        """Draws loss against rate, and writes that to a file if one is named.

        Returns:
            A matplotlib figure, outside pyplot's global state.
        """
        figure = Figure(figsize=(7, 4.2), layout="constrained")
        axes = figure.add_subplot(xlabel="learning rate", ylabel="loss", xscale="log")
        axes.plot(self.rates, self.losses, color="tab:blue", alpha=0.3, linewidth=0.8, label="of a batch")
        axes.plot(self.rates, self.smoothed, color="tab:blue", label="smoothed")
        axes.axvline(self.suggestion, color="tab:orange", linestyle=":", label=f"suggestion: {self.suggestion:.2g}")
        axes.grid(alpha=0.3)
        axes.legend()
        if path is not None:
            write_whole(Path(path), lambda beside: figure.savefig(beside, dpi=150))
        return figure


def find_learning_rate(
    model: keras.Model,
    dataset: Any,
    lowest: float = 1e-6,
    highest: float = 10.0,
    steps: int = 100,
    smoothing: float = 0.9,
) -> LearningRates:
    """Trains for a few batches with a rate that grows exponentially, and says how far it could (Smith, 2017).

        rate_k = lowest · (highest / lowest)^(k / (steps − 1))
        smoothed_k = (1 − s) Σ_(i≤k) s^(k−i) loss_i / (1 − s^(k+1))        s = smoothing
        suggestion = the rate of the lowest smoothed loss / 10

    It stops early once the smoothed loss is four times its lowest value, or no number. The optimizer's schedule is set
    aside for the sweep. Afterwards the model is as before: weights, optimizer with its rate or schedule, metrics, seeds
    and carried states. The sweep is a starting point, not an optimum: without a warm-up take a little less.

    Args:
        model: A compiled model.
        dataset: A `tf.data.Dataset` of batches, begun anew when it ends; or what else `fit` takes, with `steps` batches.
        lowest: The first rate.
        highest: The last one.
        steps: How many batches.
        smoothing: s, in [0, 1).

    Returns:
        Rates, losses and the suggestion.

    Raises:
        ValueError: If an argument is outside its range, or the loss does not fall anywhere.

    Example:

    >>> import keras, numpy as np
    >>> model = keras.Sequential([keras.layers.Input((1,)), keras.layers.Dense(1)])
    >>> model.compile(keras.optimizers.SGD(1e-3), loss="mse")
    >>> x = np.linspace(-1, 1, 64)[:, None]
    >>> dataset = tf.data.Dataset.from_tensor_slices((x, 3 * x)).shuffle(64, seed=1).batch(16)
    >>> found = find_learning_rate(model, dataset, steps=50)
    >>> 0.02 < found.suggestion < 0.5
    True
    >>> round(float(model.optimizer.learning_rate), 6)
    0.001

    Reference: Smith, 2017, "Cyclical Learning Rates for Training Neural Networks", section 3.3.
    """
    if not 0 < lowest < highest < math.inf:
        raise ValueError(f"lowest and highest must be positive and in that order, but are {lowest!r} and {highest!r}.")
    if isinstance(steps, bool) or not hasattr(steps, "__index__") or steps < 10:
        raise ValueError(f"steps must be an integer of at least 10, but is {steps!r}. Take 100.")
    if not 0 <= smoothing < 1:
        raise ValueError(f"smoothing must be in [0, 1), but is {smoothing!r}. Take 0.9.")
    rates = np.geomspace(lowest, highest, steps)
    state = training_state(model)
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)  # of mixed_float16's loss scaling
    schedule = None
    if not isinstance(optimizer.learning_rate, keras.Variable):
        # Keras shows the schedule's present value only; the object itself is part of the configuration.
        schedule = keras.optimizers.schedules.deserialize(optimizer.get_config()["learning_rate"])
        rate = tf.Variable(lowest, trainable=False, dtype=tf.float32)
        optimizer.learning_rate = _Swept(rate)
    else:
        rate = optimizer.learning_rate
    sweep = _Sweep(rate, rates, smoothing)
    data = dataset.repeat() if isinstance(dataset, tf.data.Dataset) else dataset
    try:
        model.train_function = None  # it has the schedule in its graph
        model.fit(data, steps_per_epoch=steps, epochs=1, verbose=0, callbacks=[sweep], shuffle=False)
    finally:
        if schedule is not None:
            optimizer.learning_rate = schedule
        model.train_function = None
        model.reset_metrics()
        model.stop_training = False
        restore_training_state(model, state, kinds=("model", "optimizer", "carried", "random"))
    return _result(rates, sweep.losses, sweep.smoothed, smoothing)


def _result(rates: np.ndarray, losses: Sequence[float], smoothed: Sequence[float], smoothing: float) -> LearningRates:
    count, average = len(losses), np.array(smoothed, "float64")
    # The average of few batches is noise.
    first = min(round(1 / (1 - smoothing)), count // 4)
    lowest = first + int(np.argmin(np.where(np.isfinite(average), average, np.inf)[first:]))
    if not average[lowest] < average[first]:
        raise ValueError(
            f"The loss must fall at some rate between lowest and highest, but does not from {rates[first]:.2g} to "
            f"{rates[count - 1]:.2g}. Pass a smaller lowest and more steps, or look at the data."
        )
    return LearningRates(rates[:count], np.array(losses), average, float(rates[lowest] / _MARGIN))


class _Sweep(keras.callbacks.Callback):
    """Sets the rates, and takes down each batch's own loss."""

    def __init__(self, rate: Any, rates: np.ndarray, smoothing: float) -> None:
        super().__init__()
        self._rate, self._rates, self._smoothing, self._average = rate, rates, smoothing, 0.0
        self.losses: list[float] = []
        self.smoothed: list[float] = []

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self.model.reset_metrics()  # fit shows the mean since the last reset
        self._rate.assign(self._rates[batch])

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        loss = float((logs or {})["loss"])
        self._average = self._smoothing * self._average + (1 - self._smoothing) * loss
        self.losses.append(loss)
        self.smoothed.append(self._average / (1 - self._smoothing ** len(self.losses)))
        if not math.isfinite(loss) or self.smoothed[-1] > _DIVERGED * min(self.smoothed):
            self.model.stop_training = True


@keras.saving.register_keras_serializable(package="kerasrnn")
class _Swept(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule that is a variable."""

    def __init__(self, rate: Any) -> None:
        self.rate = rate

    def __call__(self, step: Any) -> Any:
        return tf.convert_to_tensor(self.rate)

    def get_config(self) -> dict[str, Any]:
        return {}
