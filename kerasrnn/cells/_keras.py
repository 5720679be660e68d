"""The one private class of Keras that cells need.

`keras.layers.RNN` prepares and resets dropout masks (one a sequence, the same at every step) only for subclasses of
this mix-in, which Keras does not export.
"""

from kerasrnn._backend import keras  # noqa: F401  (a clear error first, for other backends)
from keras.src.layers.rnn.dropout_rnn_cell import DropoutRNNCell as DropoutRNNCell
