"""`keras.layers.LSTM` in the fused scan."""

from kerasrnn._backend import keras
from kerasrnn.cells import LSTMCell
from kerasrnn.layers._drop_in import DropIn


@keras.saving.register_keras_serializable(package="kerasrnn")
class LSTM(DropIn, keras.layers.LSTM):
    """`keras.layers.LSTM` in the fused scan: same arguments, weights, names, saved weights and numbers.

    Takes the arguments of `keras.layers.LSTM`, and those that `kerasrnn.layers.RNN` has beside Keras's
    (`truncate`, `checkpoint_steps`, `weight_drop`, `zoneout`, `trainable_initial_state`, `use_cudnn`).
    The equations are those of `kerasrnn.cells.LSTMCell`.

    Call arguments:
        sequences: (batch, time, features).
        initial_state: list of states, each (batch, units); zeros by default.
        mask: (batch, time) booleans; a masked step leaves the states as they were.
        training: whether dropout and the like are applied.

    Returns:
        The outputs, (batch, time, units) or (batch, units); with `return_state` a list [outputs, *states].

    Example:

    >>> import keras, kerasrnn
    >>> model = keras.Sequential([keras.Input((None, 3)), kerasrnn.layers.LSTM(8, return_sequences=True)])
    >>> model(keras.ops.ones((2, 5, 3))).shape
    TensorShape([2, 5, 8])
    """

    keras_layer = keras.layers.LSTM
    keras_cell = keras.layers.LSTMCell
    cell_class = LSTMCell
    cell_name = "lstm_cell"
