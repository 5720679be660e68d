"""The full examination of a cell."""

from collections.abc import Callable
from typing import Any

from kerasrnn._backend import keras
from kerasrnn.testing import _sequences as sequences
from kerasrnn.testing import _serialisation as serialisation
from kerasrnn.testing import _step as step
from kerasrnn.testing._examination import run_examinations
from kerasrnn.testing._subject import CellSubject, reproducible
from kerasrnn.testing.report import Report

EXAMINATIONS = (
    step.contract,
    step.equations,
    step.rows,
    step.additive,
    step.dropout,
    sequences.gradients,
    sequences.loop,
    sequences.runs,
    sequences.precision,
    sequences.empty,
    serialisation.configuration,
    serialisation.saving,
)


def check_cell(
    cell: Any,
    reference: Callable[[Any, list[Any], dict[str, Any]], tuple[Any, Any]] | None = None,
    *,
    features: int = 3,
    batch_size: int = 3,
    num_steps: int = 6,
    seed: int = 0,
    verbose: bool = True,
) -> Report:
    """Examines a cell from every side: takes seconds, and raises one error that lists all that is wrong.

    | examination | finds |
    | --- | --- |
    | contract | sizes, shapes or types unlike what Keras asks of a cell; two weights of one name |
    | equations | a step unlike the NumPy reference, in float64 |
    | rows | a row of the batch that sees another |
    | additive | a cell that says it uses only x + h, and does not |
    | dropout | dropout that acts at inference, or not in training |
    | gradients | gradients of inputs, initial states or weights unlike finite differences, in float64 |
    | loop | a fused scan unlike Keras's loop, in outputs, states or gradients, under every kind of mask |
    | runs | eager, `tf.function` and XLA that disagree |
    | precision | mixed_float16 or mixed_bfloat16 that overflow, lose the dtype or leave float32's neighbourhood |
    | empty | no rows or no steps that fail, or that change the states |
    | configuration | arguments that `get_config` forgets |
    | saving | models or weights files that do not give back the same |

    The cell may be built or not and stays as it is: copies are made from its configuration, with other weights, all of
    them different. What does not apply to a cell (a plain Keras cell is welcome too) is reported as not run.

    Args:
        cell: the cell, `kerasrnn.cells.Cell` or any other layer that is a Keras cell.
        reference: the step in NumPy, `reference(inputs, states, weights) -> (output, new_states)`, on float64 arrays:
            inputs (batch, features), states a list of (batch, units), weights by their names.
        features: width of the inputs.
        batch_size: rows of the inputs, at least 2.
        num_steps: length of the sequences, at least 4.
        seed: seed of the weights and inputs.
        verbose: whether to print a line as each examination finishes.

    Returns:
        The `Report`: for each examination its outcome, largest difference, tolerance and time.

    Raises:
        CheckError: an examination failed; an AssertionError, which lists every failure and what to do about it.
        TypeError: `cell` is not an instance of a Keras layer.
        ValueError: a size is too small to show anything.

    Example:

    >>> import keras, kerasrnn, numpy as np
    >>> def elman(inputs, states, weights):
    ...     h = np.tanh(inputs @ weights["kernel"] + weights["bias"] + states[0] @ weights["recurrent_kernel"])
    ...     return h, [h]
    >>> report = kerasrnn.testing.check_cell(kerasrnn.cells.SimpleRNNCell(4), elman, verbose=False)
    >>> report["equations"].outcome, report["gradients"].difference < 1e-6
    ('passed', True)
    """
    if not isinstance(cell, keras.layers.Layer):
        raise TypeError(f"cell: expected an instance of a Keras layer, such as kerasrnn.cells.Cell; received {cell!r}")
    subject = CellSubject(cell, reference, features, batch_size, num_steps, seed)
    with reproducible(seed):
        return run_examinations(EXAMINATIONS, subject, verbose)
