"""A place between a training step's gradient and the optimizer, within the step's graph."""

from collections.abc import Callable, Sequence
from typing import Any

from kerasrnn._backend import keras, tf

Apply = Callable[[Sequence[Any], Sequence[Any]], None]


class ApplyHook:
    """Calls a function in the place of the optimizer's `apply`, from `install` to `remove`.

    It is called as around(apply, gradients, variables, loss): the optimizer's own `apply`, what that takes, and the loss
    without its scale, or None where the training step has its own way. The gradients are scaled as the loss is.

    Args:
        around: The function. It is traced with the training step.
    """

    def __init__(self, around: Callable[[Apply, list[Any], list[Any], Any], None]) -> None:
        self._around = around
        self._model: keras.Model | None = None

    def install(self, model: keras.Model) -> None:
        """Within `fit`, in `on_train_begin`: the training step is traced again."""
        self.remove()
        self._model, optimizer = model, model.optimizer
        if not optimizer.built:
            optimizer.build(model.trainable_variables)
        apply, scale_loss, seen = optimizer.apply, optimizer.scale_loss, []

        def scale(loss: Any) -> Any:
            seen[:] = [loss]
            return scale_loss(loss)

        def hooked(gradients: Sequence[Any], variables: Sequence[Any] | None = None) -> None:
            variables = model.trainable_variables if variables is None else variables
            self._around(apply, list(gradients), list(variables), seen.pop() if seen else None)

        # In __dict__, past Keras's tracking: it is no part of the optimizer.
        vars(optimizer).update(apply=hooked, scale_loss=scale)
        self._optimizer = optimizer
        # It was made from the plain step just before callbacks are told that training begins.
        model.make_train_function(force=True)

    def remove(self) -> None:
        """Gives the optimizer back: needed only where an error ended `fit`."""
        if self._model is None:
            return
        vars(self._optimizer).pop("apply", None)
        vars(self._optimizer).pop("scale_loss", None)
        self._model.train_function = None
        self._model = None


def step_variable(model: keras.Model, value: Any) -> Any:
    """A variable that a hook sets within a step: the first replica's value counts, as all see the same gradient."""
    with model.distribute_strategy.scope():
        return tf.Variable(
            value, trainable=False, synchronization=tf.VariableSynchronization.ON_READ,
            aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
        )  # fmt: skip


def dense(gradient: Any) -> Any:
    """The values of a gradient, which an embedding's has for some rows only."""
    return gradient.values if isinstance(gradient, tf.IndexedSlices) else gradient
