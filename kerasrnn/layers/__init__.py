"""Recurrent layers: keras.layers.RNN and what is built on it, over the fused scan."""

from kerasrnn.layers.rnn import RNN

__all__ = ["RNN"]
