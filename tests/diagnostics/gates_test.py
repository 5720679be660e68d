"""The share of saturated gates, by the papers' equations in NumPy."""

import keras
import numpy as np
import pytest

import kerasrnn
from kerasrnn.cells import IndRNNCell, LayerNormLSTMCell, LSTMCell, MinGRUCell, RGLRUCell, SimpleRNNCell, SRUCell
from kerasrnn.diagnostics import saturated_gates

STEPS, FEATURES, UNITS, ROWS = 6, 3, 5, 4
WIDE = keras.initializers.RandomNormal(stddev=1.5)


def sequences():
    return np.random.default_rng(0).normal(size=(ROWS, STEPS, FEATURES)).astype("float32")


def found_of(layer, x=None):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((STEPS, FEATURES)), layer])
    (gates,) = saturated_gates(model, sequences() if x is None else x)
    return gates


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def at_limits(values, low):
    return np.mean(values < low), np.mean(values > 0.95)


@pytest.mark.parametrize("layers", [keras.layers, kerasrnn.layers], ids=["keras", "kerasrnn"])
def test_lstm(layers):
    layer = layers.LSTM(UNITS, kernel_initializer=WIDE, recurrent_initializer=WIDE)
    found = found_of(layer)
    kernel, recurrent, bias = layer.get_weights()
    h = c = np.zeros((ROWS, UNITS))
    values = {gate: [] for gate in "ifco"}
    for x in sequences().transpose(1, 0, 2):
        z = dict(zip("ifco", np.split(x @ kernel + h @ recurrent + bias, 4, axis=1)))
        gates = {gate: np.tanh(z[gate]) if gate == "c" else sigmoid(z[gate]) for gate in "ifco"}
        c = gates["f"] * c + gates["i"] * gates["c"]
        h = gates["o"] * np.tanh(c)
        for gate, value in gates.items():
            values[gate].append(value)
    for gate in "ifco":
        low, high = at_limits(np.stack(values[gate]), -0.95 if gate == "c" else 0.05)
        assert (found.low[gate], found.high[gate]) == pytest.approx((low, high)) and low + high > 0
        assert found.shares[gate] == pytest.approx(low + high)
    assert found.share == pytest.approx(np.mean([*found.shares.values()]))


@pytest.mark.parametrize("reset_after", [True, False])
@pytest.mark.parametrize("layers", [keras.layers, kerasrnn.layers], ids=["keras", "kerasrnn"])
def test_gru(layers, reset_after):
    wide = {"kernel_initializer": WIDE, "recurrent_initializer": WIDE, "bias_initializer": WIDE}
    layer = layers.GRU(UNITS, reset_after=reset_after, **wide)
    found = found_of(layer)
    kernel, recurrent, bias = layer.get_weights()
    input_bias, recurrent_bias = bias if reset_after else (bias, np.zeros(3 * UNITS))
    h, values = np.zeros((ROWS, UNITS)), {gate: [] for gate in "zrh"}
    for x in sequences().transpose(1, 0, 2):
        x_z, x_r, x_h = np.split(x @ kernel + input_bias, 3, axis=1)
        h_z, h_r, h_h = np.split(h @ recurrent + recurrent_bias, 3, axis=1)
        z, r = sigmoid(x_z + h_z), sigmoid(x_r + h_r)
        candidate = np.tanh(x_h + (r * h_h if reset_after else (r * h) @ recurrent[:, 2 * UNITS :]))
        h = z * h + (1 - z) * candidate
        for gate, value in zip("zrh", (z, r, candidate)):
            values[gate].append(value)
    for gate in "zrh":
        low, high = at_limits(np.stack(values[gate]), -0.95 if gate == "h" else 0.05)
        assert (found.low[gate], found.high[gate]) == pytest.approx((low, high)) and low + high > 0


CELLS = {
    "simple": (lambda: SimpleRNNCell(UNITS, kernel_initializer=WIDE), "h"),
    "keras_simple": (lambda: keras.layers.SimpleRNNCell(UNITS, kernel_initializer=WIDE), "h"),
    "peepholes": (lambda: LSTMCell(UNITS, peepholes=True, kernel_initializer=WIDE), "ifco"),
    "layer_norm": (lambda: LayerNormLSTMCell(UNITS), "ifco"),
    "ind_rnn": (lambda: IndRNNCell(UNITS, activation="tanh", kernel_initializer=WIDE), "h"),
    "sru": (lambda: SRUCell(UNITS, kernel_initializer=WIDE), "fr"),
    "min_gru": (lambda: MinGRUCell(UNITS, kernel_initializer=WIDE), "z"),
    "rg_lru": (lambda: RGLRUCell(UNITS, kernel_initializer=WIDE), "ri"),
    "stack": (lambda: [keras.layers.GRUCell(2), SimpleRNNCell(UNITS)], ["0.z", "0.r", "0.h", "1.h"]),
}


@pytest.mark.parametrize("kind", CELLS)
def test_gates_have_the_cell_s_names(kind):
    cell, gates = CELLS[kind]
    found = found_of(kerasrnn.layers.RNN(cell()))
    assert [*found.shares] == [*gates] and all(0 <= share <= 1 for share in found.shares.values())


@pytest.mark.parametrize("name", ["simple", "keras_simple", "ind_rnn"])
def test_the_candidate_of_a_simple_network_is_its_output(name):
    layer = kerasrnn.layers.RNN(CELLS[name][0](), return_sequences=True)
    found = found_of(layer)
    low, high = at_limits(keras.ops.convert_to_numpy(layer(sequences())), -0.95)
    assert (found.low["h"], found.high["h"]) == pytest.approx((low, high)) and low + high > 0


def test_peepholes_and_layer_norm_give_the_cell_s_own_output():
    for kind in ("peepholes", "layer_norm"):
        cell, x = CELLS[kind][0](), sequences()[:, 0]
        cell.build(x.shape)
        states = [np.random.default_rng(i).normal(size=(ROWS, UNITS)).astype("float32") for i in (1, 2)]
        from kerasrnn.diagnostics.gates import _gates

        gates = {gate: values for gate, (values, _) in _gates(cell, x, states).items()}
        _, (_, c) = cell(x, states)
        np.testing.assert_allclose(gates["f"] * states[1] + gates["i"] * gates["c"], c, rtol=1e-5, atol=1e-6)


class OtherCell(SimpleRNNCell):
    def pointwise(self, x, h, states):
        h = keras.ops.tanh(x - h)
        return h, [h]


@pytest.mark.parametrize(
    "cell", [lambda: OtherCell(UNITS), lambda: SimpleRNNCell(UNITS, activation="relu")], ids=["own_equations", "no_limits"]
)
def test_gates_that_cannot_be_seen(cell):
    assert found_of(kerasrnn.layers.RNN(cell())) is None


def test_masked_steps_do_not_count():
    x = sequences()
    x[:, 3:] = 0
    layer = keras.layers.GRU(UNITS, kernel_initializer=WIDE)
    whole = keras.Sequential([keras.Input((None, FEATURES)), keras.layers.Masking(), layer])
    (masked,), (short,) = saturated_gates(whole, x), saturated_gates(whole, x[:, :3])
    assert masked.shares == pytest.approx(short.shares) and masked.share > 0
