"""One step of each network: the equations, and nothing more."""

from kerasrnn.cells.cell import Cell
from kerasrnn.cells.gru import GRUCell
from kerasrnn.cells.ind_rnn import IndRNNCell
from kerasrnn.cells.layer_norm_lstm import LayerNormLSTMCell
from kerasrnn.cells.linear import LinearCell, MinGRUCell, RGLRUCell
from kerasrnn.cells.lstm import LSTMCell
from kerasrnn.cells.simple_rnn import SimpleRNNCell
from kerasrnn.cells.sru import SRUCell

__all__ = [
    "Cell",
    "GRUCell",
    "IndRNNCell",
    "LSTMCell",
    "LayerNormLSTMCell",
    "LinearCell",
    "MinGRUCell",
    "RGLRUCell",
    "SRUCell",
    "SimpleRNNCell",
]
