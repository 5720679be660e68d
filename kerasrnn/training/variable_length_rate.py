"""A learning rate that follows the windows' lengths."""

from typing import Any

from kerasrnn._backend import keras, tf


class VariableLengthRate(keras.callbacks.Callback):
    """Multiplies the learning rate of each step by its window's length over the usual one (Merity et al., 2018).

        rate of a step = learning_rate · length / num_steps

    It goes with `kerasrnn.data.variable_windows`: the loss is a mean over tokens, and with one rate for all lengths the
    tokens of short windows would count for more. The rate is scaled after clipping, as the paper does it, and within
    the training step's graph, which reads the length from the batch: with any optimizer, a schedule or
    a rate that other callbacks set (they see and set the unscaled one), mixed precision and `steps_per_execution`.

    `compile(jit_compile=True)` is possible, but XLA compiles a program for each length that occurs, about seventy with the
    paper's settings; without it one graph takes all.

    After an error in `fit` call `remove()` before the model is trained without this callback.

    Args:
        num_steps: The usual length, in tokens: the num_steps of `variable_windows`.

    Raises:
        ValueError: If `num_steps` is not positive; from `fit`, if the batches have no time axis.

    Example:

    >>> import keras, kerasrnn, numpy as np
    >>> model = kerasrnn.models.LanguageModel(kerasrnn.cells.GRUCell(4), vocabulary_size=5)
    >>> model.compile(keras.optimizers.SGD(1.0, global_clipnorm=0.25))
    >>> windows = kerasrnn.data.variable_windows(np.arange(900) % 5, batch_size=4, num_steps=30, seed=1)
    >>> history = model.fit(windows, verbose=0, callbacks=[VariableLengthRate(num_steps=30)])
    >>> float(model.optimizer.learning_rate)
    1.0

    Reference: Merity, Keskar and Socher, 2018, "Regularizing and Optimizing LSTM Language Models", section 5.
    """

    def __init__(self, num_steps: int) -> None:
        super().__init__()
        if isinstance(num_steps, bool) or not isinstance(num_steps, (int, float)) or not 0 < num_steps < float("inf"):
            raise ValueError(f"num_steps must be a positive number of tokens, but is {num_steps!r}.")
        self.num_steps = num_steps
        self._schedule: Any = None
        self._patched: Any = None

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self.remove()
        model, train_step = self.model, self.model.train_step
        optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)  # of mixed_float16's loss scaling
        is_variable = isinstance(optimizer.learning_rate, keras.Variable)
        if is_variable:
            rate = optimizer.learning_rate
        else:
            with model.distribute_strategy.scope():
                rate = tf.Variable(1.0, trainable=False)
            # Keras shows the schedule's present value only; the object itself is part of the configuration.
            self._schedule = keras.optimizers.schedules.deserialize(optimizer.get_config()["learning_rate"])
            optimizer.learning_rate = _Scaled(self._schedule, rate)

        def scaled_train_step(data: Any) -> Any:
            unscaled = tf.identity(tf.convert_to_tensor(rate)) if is_variable else tf.ones(())
            rate.assign(unscaled * tf.cast(_length(data), unscaled.dtype) / self.num_steps)
            results = train_step(data)
            rate.assign(unscaled)
            return results

        self._patched = model, optimizer
        model.train_step = scaled_train_step
        # It was made from the plain step just before callbacks are told that training begins.
        model.make_train_function(force=True)

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        self.remove()

    def remove(self) -> None:
        """Gives the model its plain training step back: needed only where an error ended `fit`."""
        if self._patched is None:
            return
        model, optimizer = self._patched
        del model.train_step
        model.train_function = None
        if self._schedule is not None:
            optimizer.learning_rate = self._schedule
        self._patched = self._schedule = None


@keras.saving.register_keras_serializable(package="kerasrnn")
class _Scaled(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule times a variable; what is saved and loaded of it is the schedule alone."""

    def __init__(self, schedule: Any, scale: Any) -> None:
        self.schedule = schedule
        self.scale = scale

    def __call__(self, step: Any) -> Any:
        return self.schedule(step) * self.scale

    def get_config(self) -> dict[str, Any]:
        return {"schedule": keras.optimizers.schedules.serialize(self.schedule)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        return keras.optimizers.schedules.deserialize(config["schedule"])


def _length(data: Any) -> Any:
    x = keras.tree.flatten(data)[0]
    if x.shape.rank is not None and x.shape.rank < 2:
        raise ValueError(
            "The batches must have a time axis, (batch, time), for a learning rate by their length, but have the shape "
            f"{x.shape}. Take VariableLengthRate off the callbacks."
        )
    return tf.shape(x)[1]
