"""The private classes of Keras that cells need.

`keras.layers.RNN` prepares and resets dropout masks (one a sequence, the same at every step) only for subclasses of
`DropoutRNNCell`. `AutocastScope` says in which precision a layer's variables are read; Keras opens it around a layer's call, and
the scan's own gradient runs outside of that.
"""

from kerasrnn._backend import keras  # noqa: F401  (a clear error first, for other backends)
from keras.src.backend.common.variables import AutocastScope as AutocastScope
from keras.src.layers.rnn.dropout_rnn_cell import DropoutRNNCell as DropoutRNNCell
