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


def peephole_lstm(inputs, h, c, kernel, recurrent_kernel, bias, peephole):
    """Gers and Schmidhuber (2000): i and f see the old memory, o the new one."""
    z_i, z_f, z_c, z_o = np.split(inputs @ kernel + h @ recurrent_kernel + bias, 4, axis=-1)
    new_c = sigmoid(z_f + peephole[1] * c) * c + sigmoid(z_i + peephole[0] * c) * np.tanh(z_c)
    return sigmoid(z_o + peephole[2] * new_c) * np.tanh(new_c), new_c


def projected_lstm(inputs, h, c, kernel, recurrent_kernel, bias, projection_kernel):
    """Sak et al. (2014), without their optional non-recurrent projection."""
    z_i, z_f, z_c, z_o = np.split(inputs @ kernel + h @ recurrent_kernel + bias, 4, axis=-1)
    c = sigmoid(z_f) * c + sigmoid(z_i) * np.tanh(z_c)
    return (sigmoid(z_o) * np.tanh(c)) @ projection_kernel, c


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


def normalised(v, epsilon=1e-5):
    return (v - v.mean(axis=-1, keepdims=True)) / np.sqrt(v.var(axis=-1, keepdims=True) + epsilon)


def layer_norm_lstm(inputs, h, c, kernel, recurrent_kernel, bias, gains, memory_gain, memory_bias):
    """Ba et al. (2016), equations of the LSTM in their appendix; gates in Keras's order i, f, c, o."""
    z = gains[0] * normalised(inputs @ kernel) + gains[1] * normalised(h @ recurrent_kernel) + bias
    i, f, g, o = np.split(z, 4, axis=-1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(memory_gain * normalised(c) + memory_bias), c


def ind_rnn(inputs, h, kernel, bias, recurrent_weights):
    """Li et al. (2018)."""
    return np.maximum(inputs @ kernel + bias + recurrent_weights * h, 0)


def sru(inputs, c, kernel, bias, peephole):
    """Lei et al. (2018), equations 1 to 4; the columns are f, r, the candidate and the highway."""
    x_f, x_r, x, highway = np.split(inputs @ kernel + bias, 4, axis=-1)
    f, r = sigmoid(x_f + peephole[0] * c), sigmoid(x_r + peephole[1] * c)
    c = f * c + (1 - f) * x
    return r * c + (1 - r) * highway, c


def min_gru(inputs, h, kernel, bias):
    """Feng et al. (2024)."""
    z, candidate = np.split(inputs @ kernel + bias, 2, axis=-1)
    return (1 - sigmoid(z)) * h + sigmoid(z) * candidate


def rg_lru(inputs, h, kernel, bias, decay):
    """De et al. (2024), equations 1 to 4."""
    r, i, x = np.split(inputs @ kernel + bias, 3, axis=-1)
    a = np.exp(-8 * np.log1p(np.exp(decay)) * sigmoid(r))
    return a * h + np.sqrt(1 - a**2) * (sigmoid(i) * x)
