"""Averaged weights, from the moment on that training no longer improves."""

import math
from typing import Any

import numpy as np

from kerasrnn._backend import keras, tf
from kerasrnn.training.epoch_callback import EpochCallback


class NonMonotonicASGD(EpochCallback):
    """Averages the weights once the validation loss has stopped improving: NT-ASGD (Merity et al., 2018).

        after epoch t:   T = the present step k, if t > n and figure_t > min(figure_0, …, figure_(t−n−1))
        from then on:    average = Σ_(i=T…k) w_i / (k − T + 1)

    The paper's optimizer is SGD with a constant learning rate; the callback goes with any. Training goes on with the
    weights w themselves, while validation, what other callbacks save or show after the epoch, and the model once `fit`
    is over have the average. It is kept in float32 at least, and is updated in one graph after each batch; with
    `compile(steps_per_execution=s)` after every s-th.

    Args:
        monitor: The figure of an epoch to judge by, less being better.
        patience: n, how many of the latest figures the best is not sought among.

    Attributes:
        averaging: Whether the average has begun.
        steps_averaged: How many steps' weights it holds, those of step T included; 0 before.

    Raises:
        ValueError: If `patience` is out of range; from `fit`, if an epoch's figures lack `monitor`; from
            `set_state`, if the state is of another model.

    Example:

    >>> import keras, numpy as np
    >>> model = keras.Sequential([keras.layers.Input((1,)), keras.layers.Dense(1)])
    >>> model.compile(keras.optimizers.SGD(1.2), loss="mse")  # too high: it never settles
    >>> asgd = NonMonotonicASGD(monitor="loss", patience=1)
    >>> x = np.ones((8, 1))
    >>> history = model.fit(x, x, batch_size=2, epochs=4, verbose=0, callbacks=[asgd])
    >>> asgd.averaging, asgd.steps_averaged
    (True, 5)

    Reference: Merity, Keskar and Socher, 2018, "Regularizing and Optimizing LSTM Language Models", algorithm 1.
    """

    def __init__(self, monitor: str = "val_loss", patience: int = 5) -> None:
        super().__init__()
        if isinstance(patience, bool) or not hasattr(patience, "__index__") or patience < 1:
            raise ValueError(f"patience must be an integer of at least 1, but is {patience!r}. The paper takes 5.")
        self.monitor = monitor
        self.patience = int(patience)
        self.steps_averaged = 0
        self._figures: list[float] = []
        self._averages: list[tf.Variable] = []
        self._weights: list[tf.Tensor] | None = None  # training's own, while the model has the average
        self._state: dict[str, np.ndarray] | None = None
        self._in_fit = False

    @property
    def averaging(self) -> bool:
        return self.steps_averaged > 0

    def get_state(self) -> dict[str, np.ndarray]:
        """All that a resumed training needs besides the model's and the optimizer's own variables.

        Returns:
            `figures`, those of the epochs so far, (epochs,) float64; `steps_averaged`, int64; once averaging, for each
            trainable variable i `average_i`, and `weights_i`, which training goes on with.
        """
        if self._state is not None:
            return dict(self._state)
        state = {"figures": np.array(self._figures, "float64"), "steps_averaged": np.array(self.steps_averaged, "int64")}
        if self.averaging:
            weights = self._weights or [variable.value for variable in self.model.trainable_variables]
            state |= {f"average_{i}": average.numpy() for i, average in enumerate(self._averages)}
            state |= {f"weights_{i}": weight.numpy() for i, weight in enumerate(weights)}
        return state

    def set_state(self, state: dict[str, Any]) -> None:
        """Takes up what `get_state` returned; it reaches the model's weights at the start of `fit`."""
        missing = {"figures", "steps_averaged"} - state.keys()
        if missing:
            raise ValueError(f"state must be what get_state returned, but lacks {sorted(missing)}; it has {sorted(state)}.")
        self._state = {name: np.array(value) for name, value in state.items()}

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._in_fit = True
        if self._state is not None:
            self._restore(self._state)
            self._state = None

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if self._weights is not None:
            for variable, weight in zip(self.model.trainable_variables, self._weights, strict=True):
                variable.assign(weight)
            self._weights = None

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        super().on_train_batch_end(batch, logs)
        if self.averaging:
            self.steps_averaged += 1
            self._update(tf.constant(self.steps_averaged, tf.float64))

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        if self._in_fit:
            self._show_average()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._show_average()
        if not self.epoch_is_complete:
            return
        figures = logs or {}
        if self.monitor not in figures:
            raise ValueError(
                f"monitor must be one of the epoch's figures, {sorted(figures)}, but is {self.monitor!r}. "
                "Give fit(validation_data=…) with validation_freq=1, or NonMonotonicASGD(monitor='loss')."
            )
        figure = float(figures[self.monitor])
        earlier = [value for value in self._figures[: -self.patience] if not math.isnan(value)]
        if not self.averaging and earlier and figure > min(earlier):
            self._begin([variable.value for variable in self.model.trainable_variables], steps=1)
        self._figures.append(figure)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self._show_average()
        self._in_fit = False

    def _show_average(self) -> None:
        if self.averaging and self._weights is None:
            variables = self.model.trainable_variables
            self._weights = [tf.identity(variable.value) for variable in variables]
            for variable, average in zip(variables, self._averages, strict=True):
                variable.assign(tf.cast(average, variable.dtype))

    def _begin(self, averages: list[Any], steps: int) -> None:
        # In the model's scope, so that under a distribution strategy they lie where its variables lie.
        with self.model.distribute_strategy.scope():
            self._averages = [
                tf.Variable(tf.cast(average, keras.backend.result_type(variable.dtype, "float32")), trainable=False)
                for average, variable in zip(averages, self.model.trainable_variables, strict=True)
            ]
        self.steps_averaged = steps
        variables = self.model.trainable_variables

        def update(steps: Any) -> None:
            for average, variable in zip(self._averages, variables):
                average.assign_add((tf.cast(variable.value, average.dtype) - average) / tf.cast(steps, average.dtype))

        self._update = tf.function(update, input_signature=[tf.TensorSpec((), tf.float64)], autograph=False)

    def _restore(self, state: dict[str, np.ndarray]) -> None:
        variables, steps = self.model.trainable_variables, int(state["steps_averaged"])
        averages, weights = (
            [state[f"{name}_{i}"] for i in range(len(state)) if f"{name}_{i}" in state] for name in ("average", "weights")
        )
        expected = [tuple(variable.shape) for variable in variables] if steps else []
        for values in (averages, weights):
            if [value.shape for value in values] != expected:
                raise ValueError(
                    f"state must be of this model, with averages and weights of the shapes {expected}, but has "
                    f"{[value.shape for value in values]}. Restore the state that was saved with this model."
                )
        self._figures, self._averages, self._weights, self.steps_averaged = [*map(float, state["figures"])], [], None, steps
        if steps:
            for variable, weight in zip(variables, weights):
                variable.assign(weight)
            self._begin(averages, steps)
