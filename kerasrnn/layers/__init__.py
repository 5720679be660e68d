"""Recurrent layers: keras.layers.RNN and what is built on it, over the fused scan."""

from kerasrnn.layers.from_torch import from_torch
from kerasrnn.layers.gru import GRU
from kerasrnn.layers.lstm import LSTM
from kerasrnn.layers.rnn import RNN
from kerasrnn.layers.simple_rnn import SimpleRNN

__all__ = ["GRU", "LSTM", "RNN", "SimpleRNN", "from_torch"]
