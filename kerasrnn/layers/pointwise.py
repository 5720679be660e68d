"""A cell's `pointwise` as the step of a scan, with the cell's own weights as arguments."""

from typing import Any

from kerasrnn._backend import keras, tf
from kerasrnn.cells._keras import AutocastScope
from kerasrnn.scan import Step


def step_and_weights(cell: Any, x: Any, states: list[Any]) -> tuple[Step, list[Any]]:
    """The step for `kerasrnn.scan.fused_scan`, and the weights that it reads.

    Args:
        cell: the cell.
        x: its projected inputs, (…, gates · units).
        states: its states, each (batch, …).
    """
    variables = _variables_read(cell, x, states)
    precision = cell.compute_dtype if cell.compute_dtype != cell.variable_dtype else None

    def step(x: Any, h: Any, states: list[Any], weights: list[Any], t: Any) -> tuple[Any, list[Any]]:
        # The scan's gradient loop would lose the gradients of weights that the step captures.
        scope = keras.StatelessScope()
        for variable, weight in zip(variables, weights):
            scope.add_update((variable, weight))
        with scope, AutocastScope(precision):
            return cell.pointwise(x, h, states)

    # In their own precision, in which the gradients of all steps are summed.
    with AutocastScope(None):
        return step, [tf.convert_to_tensor(v) for v in variables]


def _variables_read(cell: Any, x: Any, states: list[Any]) -> list[keras.Variable]:
    """The variables that `pointwise` reads, found by running it once on zeros."""
    read: list[keras.Variable] = []

    class Recorder(keras.StatelessScope):
        def get_current_value(self, variable: keras.Variable) -> Any:
            if all(variable is not v for v in read):
                read.append(variable)
            return super().get_current_value(variable)

    row = tf.zeros((1, x.shape[-1]), x.dtype)
    h = None if cell.recurrent_kernel is None else row
    with Recorder():
        cell.pointwise(row, h, [tf.zeros((1, s.shape[-1]), s.dtype) for s in states])
    return read
