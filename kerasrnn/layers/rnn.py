"""The recurrent layer: `keras.layers.RNN`, with the fused scan where the cell allows it."""

from collections.abc import Callable
from typing import Any

from kerasrnn._backend import keras, tf
from kerasrnn.scan import fused_scan

ops = keras.ops


@keras.saving.register_keras_serializable(package="kerasrnn")
class RNN(keras.layers.RNN):
    """A cell over time: `keras.layers.RNN`, about twice as fast for cells that state their structure.

    Arguments, call arguments, weights, saved files and results are those of `keras.layers.RNN`. Cells of
    `kerasrnn.cells` (and any subclass of `kerasrnn.cells.Cell`) run in the fused scan; other cells,
    recurrent dropout in training and `unroll=True` run in Keras's own loop.

    Args:
        cell: a cell, or a list of cells for a stack within one layer (which takes Keras's loop).
        return_sequences: whether to return the outputs of all steps, (batch, time, units), or the last only.
        return_state: whether to return the last states after the output.
        go_backwards: whether to read the sequence from its end; outputs then come in that order.
        stateful: whether the states after a batch start the next one.
        unroll: whether to unroll the loop (needs a fixed number of steps).
        zero_output_for_mask: whether outputs at masked steps are zero, instead of the last unmasked one.
        **kwargs: as in `keras.layers.Layer`.

    Call arguments:
        sequences: (batch, time, features).
        initial_state: list of states, each (batch, units); zeros by default.
        mask: (batch, time) booleans; a masked step leaves the states as they were.
        training: whether dropout is applied.

    Returns:
        The outputs, (batch, time, units) or (batch, units); with `return_state` a list [outputs, *states].

    Raises:
        ValueError: the cell has no `state_size`, or the batch of a stateful layer changes its size.

    Example:

    >>> import keras, kerasrnn
    >>> layer = kerasrnn.layers.RNN(kerasrnn.cells.LSTMCell(8), return_sequences=True)
    >>> layer(keras.ops.ones((2, 5, 3))).shape
    TensorShape([2, 5, 8])
    """

    def inner_loop(self, sequences: Any, initial_state: Any, mask: Any = None, training: bool = False) -> Any:
        if not self._fits_scan(training):
            return super().inner_loop(sequences, initial_state, mask=mask, training=training)
        mask = keras.tree.flatten(mask)[0] if mask is not None else None
        dropout_mask = self.cell.get_dropout_mask(sequences[:, 0]) if training and self.cell.dropout else None
        if not tf.executing_eagerly():
            return self._scan(sequences, list(initial_state), mask, dropout_mask, training)
        # Eagerly, tf.while_loop under a tape fails on nested states; one cached function a layer, and faster.
        if not hasattr(self, "_scan_function"):
            self._scan_function = _untracked(tf.function(self._scan, reduce_retracing=True))
        return self._scan_function(sequences, list(initial_state), mask, dropout_mask, bool(training))

    def _fits_scan(self, training: bool) -> bool:
        return (
            getattr(self.cell, "has_one_recurrent_product", False)
            and not self.unroll
            and not (training and self.cell.recurrent_dropout)
        )

    def _scan(self, sequences: Any, initial_state: list[Any], mask: Any, dropout_mask: Any, training: bool) -> Any:
        cell = self.cell
        x = tf.transpose(sequences, [1, 0, 2])
        mask = None if mask is None else tf.transpose(tf.cast(mask, bool))
        if self.go_backwards:
            x, mask = tf.reverse(x, [0]), None if mask is None else tf.reverse(mask, [0])
        x = cell.project(tf.cast(x, cell.compute_dtype), dropout_mask)
        variables = _variables_read_by_pointwise(cell, x, initial_state)

        def step(x: Any, h: Any, states: list[Any], weights: list[Any]) -> Any:
            # The weights as arguments: gradients of captured ones would be lost.
            scope = keras.StatelessScope()
            for variable, weight in zip(variables, weights):
                scope.add_update((variable, tf.cast(weight, cell.compute_dtype)))
            with scope:
                return cell.pointwise(x, h, states)

        outputs, states = fused_scan(
            step,
            x,
            tf.convert_to_tensor(cell.recurrent_kernel),
            initial_state,
            [tf.convert_to_tensor(v) for v in variables],
            additive=cell.additive,
            mask=mask,
            output_size=cell.output_size,
            keep_for_gradient=training,
        )
        if mask is not None and self.zero_output_for_mask:
            outputs = tf.where(mask[:, :, None], outputs, tf.zeros((), outputs.dtype))
        last_output = outputs[-1]
        outputs = tf.transpose(outputs, [1, 0, 2]) if self.return_sequences else last_output[:, None]
        return last_output, outputs, states


def _variables_read_by_pointwise(cell: Any, x: Any, states: list[Any]) -> list[keras.Variable]:
    """The cell's weights that `pointwise` reads, found by running it once on zeros."""

    class Recorder(keras.StatelessScope):
        def get_current_value(self, variable: keras.Variable) -> Any:
            if all(variable is not v for v in read):
                read.append(variable)
            return super().get_current_value(variable)

    read: list[keras.Variable] = []
    row = tf.zeros((1, x.shape[-1]), x.dtype)
    with Recorder():
        cell.pointwise(row, row, [tf.zeros((1, s.shape[-1]), s.dtype) for s in states])
    return read


def _untracked(function: Callable[..., Any]) -> Callable[..., Any]:
    """A plain function around a tf.function, which Keras would otherwise track and try to save."""
    return lambda *args: function(*args)
