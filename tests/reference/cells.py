"""Each cell's step in NumPy, written from its paper's equations and from nothing else."""

import numpy as np


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def simple_rnn(inputs, h, kernel, recurrent_kernel, bias):
    """Elman (1990)."""
    return np.tanh(inputs @ kernel + h @ recurrent_kernel + bias)


def lstm(inputs, h, c, kernel, recurrent_kernel, bias):
    """Hochreiter and Schmidhuber (1997) with Gers's forget gate; gates in Keras's order i, f, c, o."""
    units = h.shape[-1]

    def gate(k):
        block = slice(k * units, (k + 1) * units)
        return inputs @ kernel[:, block] + h @ recurrent_kernel[:, block] + bias[block]

    i, f, g, o = sigmoid(gate(0)), sigmoid(gate(1)), np.tanh(gate(2)), sigmoid(gate(3))
    c = f * c + i * g
    return o * np.tanh(c), c


def gru(inputs, h, kernel, recurrent_kernel, bias, reset_after):
    """Cho et al. (2014), z keeping the old state as in Keras; reset_after as in cuDNN."""
    units = h.shape[-1]
    blocks = [slice(k * units, (k + 1) * units) for k in range(3)]
    input_bias, recurrent_bias = bias if reset_after else (bias, np.zeros_like(bias))
    x = [inputs @ kernel[:, b] + input_bias[b] for b in blocks]
    z = sigmoid(x[0] + h @ recurrent_kernel[:, blocks[0]] + recurrent_bias[blocks[0]])
    r = sigmoid(x[1] + h @ recurrent_kernel[:, blocks[1]] + recurrent_bias[blocks[1]])
    if reset_after:
        candidate = np.tanh(x[2] + r * (h @ recurrent_kernel[:, blocks[2]] + recurrent_bias[blocks[2]]))
    else:
        candidate = np.tanh(x[2] + (r * h) @ recurrent_kernel[:, blocks[2]])
    return z * h + (1 - z) * candidate
