import sys

import keras
import pytest

import kerasrnn
from kerasrnn.diagnostics import layer_speed

TINY = {"batch_size": 2, "num_steps": 5, "seconds": 0.001}


def built(layer):
    layer.build((2, None, 3))
    return layer


CASES = {
    "in_a_scan": (lambda: kerasrnn.layers.GRU(2), True, True),
    "with_options": (lambda: kerasrnn.layers.LSTM(2, zoneout=0.1, weight_drop=0.1, stateful=True), True, True),
    "linear": (lambda: kerasrnn.layers.RNN(kerasrnn.cells.MinGRUCell(2), go_backwards=True), True, True),
    "trained_states": (lambda: kerasrnn.layers.GRU(2, trainable_initial_state=True, return_state=True), True, True),
    "mixed_precision": (lambda: kerasrnn.layers.SimpleRNN(2, dtype="mixed_bfloat16"), True, True),
    "keras": (lambda: keras.layers.LSTM(2, return_sequences=True), False, True),
    "keras_cell": (lambda: keras.layers.RNN(keras.layers.GRUCell(2)), False, True),
    "nothing_faster": (lambda: kerasrnn.layers.GRU(2, reset_after=False), False, False),
}


@pytest.mark.parametrize("name", CASES)
def test_measures_both_and_leaves_the_layer(name):
    make, in_use, faster = CASES[name]
    layer = built(make())
    before = layer.get_weights()
    speed = layer_speed(layer, **TINY)
    assert (speed.batch_size, speed.num_steps, speed.in_use) == (2, 5, in_use)
    assert speed.plain_seconds > 0
    assert (speed.gain is not None) == faster
    if faster:
        assert speed.gain == pytest.approx(speed.plain_seconds / speed.fast_seconds)
    assert all((a == b).all() for a, b in zip(before, layer.get_weights(), strict=True))


def test_a_large_layer_is_measured_on_fewer_steps(monkeypatch):
    layer = built(kerasrnn.layers.SimpleRNN(9))  # of 9 · (3 + 9 + 1) weights
    for affordable, expected in {7: 7, 1: 4}.items():
        monkeypatch.setattr(sys.modules[layer_speed.__module__], "_MOST_FLOPS", affordable * 6 * 2 * 117)
        assert layer_speed(layer, batch_size=2, num_steps=20, seconds=0.001).num_steps == expected


@pytest.mark.parametrize("name", TINY)
def test_bad_arguments(name):
    with pytest.raises(ValueError, match=f"{name}: expected a positive number; received 0"):
        layer_speed(built(kerasrnn.layers.GRU(2)), **{**TINY, name: 0})


def test_a_layer_that_is_not_built():
    with pytest.raises(ValueError, match="expected a built layer; gru_x is not"):
        layer_speed(kerasrnn.layers.GRU(2, name="gru_x"))
