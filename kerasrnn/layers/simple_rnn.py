"""`keras.layers.SimpleRNN` in the fused scan."""

from kerasrnn._backend import keras
from kerasrnn.cells import SimpleRNNCell
from kerasrnn.layers._drop_in import DropIn


@keras.saving.register_keras_serializable(package="kerasrnn")
class SimpleRNN(DropIn, keras.layers.SimpleRNN):
    """`keras.layers.SimpleRNN` in the fused scan: same arguments, weights, names, saved weights and numbers.

    Takes the arguments of `keras.layers.SimpleRNN`, and those that `kerasrnn.layers.RNN` has beside Keras's
    (`truncate`, `checkpoint_steps`, `weight_drop`, `zoneout`, `trainable_initial_state`, `use_cudnn`).
    The equations are those of `kerasrnn.cells.SimpleRNNCell`.

    Call arguments:
        sequences: (batch, time, features).
        initial_state: list of states, each (batch, units); zeros by default.
        mask: (batch, time) booleans; a masked step leaves the states as they were.
        training: whether dropout and the like are applied.

    Returns:
        The outputs, (batch, time, units) or (batch, units); with `return_state` a list [outputs, *states].

    Example:

    >>> import keras, kerasrnn
    >>> model = keras.Sequential([keras.Input((None, 3)), kerasrnn.layers.SimpleRNN(8, return_sequences=True)])
    >>> model(keras.ops.ones((2, 5, 3))).shape
    TensorShape([2, 5, 8])
    """

    keras_layer = keras.layers.SimpleRNN
    keras_cell = keras.layers.SimpleRNNCell
    cell_class = SimpleRNNCell
    cell_name = "simple_rnn_cell"
