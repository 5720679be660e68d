"""Recurrent layers: keras.layers.RNN and what is built on it, over the fused scan."""

from kerasrnn.layers.activity_regularization import TemporalActivityRegularization
from kerasrnn.layers.embedding_dropout import EmbeddingDropout
from kerasrnn.layers.from_torch import from_torch
from kerasrnn.layers.gru import GRU
from kerasrnn.layers.locked_dropout import LockedDropout
from kerasrnn.layers.lstm import LSTM
from kerasrnn.layers.rnn import RNN
from kerasrnn.layers.simple_rnn import SimpleRNN

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "EmbeddingDropout",
    "LockedDropout",
    "SimpleRNN",
    "TemporalActivityRegularization",
    "from_torch",
]
