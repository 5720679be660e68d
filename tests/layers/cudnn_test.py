"""cuDNN's path on a CPU: every condition of the decision, and the path itself with a stand-in for TensorFlow's op.

The stand-in is written from the documentation of cuDNN and of CudnnRNNV3: the order of the parameters, lengths, zeros
behind the end of a row. What it cannot show is that a GPU agrees.
"""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasrnn.cells import GRUCell, LSTMCell, SimpleRNNCell
from kerasrnn.layers import GRU, LSTM, RNN, cudnn

BATCH, TIME, FEATURES, UNITS = 3, 5, 2, 4
MASKS = {
    "none": None,
    "full": [[1, 1, 1, 1, 1]] * 3,
    "right": [[1, 1, 1, 0, 0], [1, 0, 0, 0, 0], [1, 1, 1, 1, 1]],
    "left": [[0, 0, 1, 1, 1], [1, 1, 1, 1, 1], [1, 1, 1, 1, 1]],
    "interior": [[1, 0, 1, 1, 1], [1, 1, 1, 1, 1], [1, 1, 1, 1, 1]],
    "empty row": [[0, 0, 0, 0, 0], [1, 1, 1, 1, 1], [1, 1, 1, 1, 1]],
}
FOR_CUDNN = {"none", "full", "right"}


def stand_in(calls):
    def cudnn_rnn_v3(*, input, input_h, input_c, params, sequence_lengths, rnn_mode, is_training, time_major):
        assert is_training and time_major
        calls.assign_add(1)
        units, features, gates = input_h.shape[-1], input.shape[-1], {"lstm": 4, "gru": 3}[rnn_mode]
        sizes = [features * units] * gates + [units * units] * gates + [units] * 2 * gates
        blocks = tf.split(params, sizes)
        W, R = ([tf.reshape(b, [units, -1]) for b in blocks[i * gates : (i + 1) * gates]] for i in (0, 1))
        bW, bR = blocks[2 * gates : 3 * gates], blocks[3 * gates :]
        h, c = input_h[0], input_c[0] if rnn_mode == "lstm" else None
        outputs = []
        for t in range(input.shape[0] or 1):
            x = [tf.matmul(input[t], w, transpose_b=True) + b for w, b in zip(W, bW)]
            r = [tf.matmul(h, w, transpose_b=True) + b for w, b in zip(R, bR)]
            if rnn_mode == "lstm":
                i, f, o = (tf.sigmoid(x[k] + r[k]) for k in (0, 1, 3))
                new_c = f * c + i * tf.tanh(x[2] + r[2])
                new_h = o * tf.tanh(new_c)
            else:
                reset, update = (tf.sigmoid(x[k] + r[k]) for k in (0, 1))
                new_h = update * h + (1 - update) * tf.tanh(x[2] + reset * r[2])
            goes_on = (t < sequence_lengths)[:, None]
            outputs.append(tf.where(goes_on, new_h, tf.zeros_like(new_h)))
            h = tf.where(goes_on, new_h, h)
            c = None if c is None else tf.where(goes_on, new_c, c)
        return tf.stack(outputs), h[None], tf.zeros_like(h[None]) if c is None else c[None], tf.zeros(()), tf.zeros(())

    return cudnn_rnn_v3


@pytest.fixture
def calls(monkeypatch):
    """A visible GPU, and a count of cuDNN's runs."""
    count = tf.Variable(0)
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: [kind] * (kind == "GPU"))
    monkeypatch.setattr(tf.raw_ops, "CudnnRNNV3", stand_in(count))
    return count


def results(layer, x, states, mask, wrap=tf.function):
    @wrap
    def run(x, states):
        with tf.GradientTape() as tape:
            tape.watch([x, states])
            outputs = tf.nest.flatten(layer(x, initial_state=states, mask=mask, training=True))
            loss = tf.add_n([tf.reduce_sum(tf.sin((1 + i) * o)) for i, o in enumerate(outputs)])
        return outputs, tape.gradient(loss, [x, *states, *(w.value for w in layer.trainable_weights)])

    return tf.nest.flatten(run(x, states))


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("options", [
    {"return_sequences": True}, {}, {"return_sequences": True, "go_backwards": True}, {"go_backwards": True},
    {"return_sequences": True, "zero_output_for_mask": True},
    {"return_sequences": True, "zero_output_for_mask": True, "go_backwards": True},
], ids=str)  # fmt: skip
@pytest.mark.parametrize("cell", [LSTMCell, GRUCell])
@pytest.mark.one_in(7)
def test_outputs_states_and_gradients_are_the_scan_s(cell, options, mask, calls):
    layers = [RNN(cell(UNITS), return_state=True, use_cudnn=use, **options) for use in (True, False)]
    random = np.random.default_rng(0)
    for layer in layers:
        layer.build((BATCH, TIME, FEATURES))
        layer.built = True
    weights = [random.standard_normal(w.shape) for w in layers[0].get_weights()]
    for layer in layers:
        layer.set_weights(weights)
    x = tf.constant(random.standard_normal((BATCH, TIME, FEATURES)), tf.float32)
    states = [tf.constant(random.standard_normal((BATCH, UNITS)), tf.float32) for _ in layers[0].state_size]
    given = None if MASKS[mask] is None else tf.constant(np.array(MASKS[mask], bool))
    ours = results(layers[0], x, states, given)
    assert calls.numpy() == (1 if mask in FOR_CUDNN else 0)
    expected = results(layers[1], x, states, given)
    assert calls.numpy() == (1 if mask in FOR_CUDNN else 0)
    for a, b in zip(ours, expected, strict=True):
        np.testing.assert_allclose(a, b, atol=2e-5)


@pytest.mark.parametrize("batch, steps", [(0, 3), (2, 0), (0, 0)])
def test_empty_inputs_take_the_scan(batch, steps, calls):
    layer = LSTM(UNITS, return_state=True)
    layer.build((None, None, FEATURES))
    run = tf.function(layer, input_signature=[tf.TensorSpec((None, steps or None, FEATURES))])
    output, *_ = run(tf.zeros((batch, steps, FEATURES)))
    assert (output.shape, calls.numpy()) == ((batch, UNITS), 0)


CONDITIONS = {
    "GPU": (True, False),
    "use_cudnn": ("auto", True, False),
    "activation": ("tanh", "relu"),
    "recurrent_activation": ("sigmoid", "hard_sigmoid"),
    "use_bias": (True, False),
    "recurrent_dropout": (0.0, 0.5),
    "unroll": (False, True),
    "dtype": ("float32", "mixed_bfloat16"),
    "option": ({}, {"truncate": 2}, {"checkpoint_steps": 2}, {"zoneout": 0.1}),
}


@pytest.mark.parametrize("cell", [LSTMCell, GRUCell, SimpleRNNCell])
def test_every_combination_of_conditions_decides_as_documented(cell, monkeypatch):
    gpu = []
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: gpu)
    count = 0
    for values in itertools.product(*CONDITIONS.values()):
        c = dict(zip(CONDITIONS, values))
        if c["unroll"] and c["option"]:
            continue  # refused when the layer is made
        gpu[:] = ["GPU:0"] * c["GPU"]
        names = ["activation", "use_bias", "recurrent_dropout", "dtype"]
        names += ["recurrent_activation"] * (cell is not SimpleRNNCell)
        options = {**{n: c[n] for n in ("use_cudnn", "unroll", "dtype")}, **c["option"]}
        layer = RNN(cell(UNITS, **{n: c[n] for n in names}), **options)
        unmet = [n for n, good in CONDITIONS.items() if n not in ("use_cudnn", "GPU") and c[n] != good[0]]
        unmet += ["GPU"] * (not c["GPU"]) + ["use_cudnn"] * (c["use_cudnn"] is False)
        obstacles = cudnn.cudnn_obstacles(layer)
        count += 1
        if cell is SimpleRNNCell:
            assert obstacles == ["cuDNN has no SimpleRNNCell like this one"]
            continue
        words = "; ".join(obstacles)
        assert len(obstacles) == len(unmet), (c, obstacles)
        for name in unmet:
            assert {"option": "is set", "dtype": "compute dtype"}.get(name, name) in words
    assert count == 2 * 3 * 2 * 2 * 2 * 2 * 2 * (4 + 1)


@pytest.mark.parametrize(
    ("cell", "obstacle"),
    [(GRUCell(3, reset_after=False), "reset_after is False"), (LSTMCell(3, peepholes=True), "peepholes is True"),
     (LSTMCell(3, projection=2), "cuDNN has no LSTMCell like this one"),
     (LSTMCell(3, dropout=0.5, implementation=1), "dropout draws one mask a gate (implementation=1)")],
)  # fmt: skip
def test_what_else_cudnn_cannot_run(cell, obstacle, calls):
    cell.build((None, 2))
    assert cudnn.cudnn_obstacles(RNN(cell)) == [obstacle]


def test_true_says_why_not_where_it_cannot():
    layer = GRU(3, use_cudnn=True, reset_after=False)
    layer_with_scan = LSTM(3, use_cudnn=True, activation="relu")
    with pytest.raises(ValueError, match="no GPU is visible; activation is not tanh.*Use 'auto'"):
        layer_with_scan(tf.zeros((1, 2, 2)))
    with pytest.raises(ValueError, match="use_cudnn=True was specified|reset_after is False"):
        layer(tf.zeros((1, 2, 2)))


def test_models_with_cudnn_are_not_compiled_by_xla_unasked(calls):
    model = keras.Sequential([keras.Input((TIME, FEATURES)), LSTM(3), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    assert not model.layers[0].supports_jit and model.jit_compile is False


def test_use_cudnn_survives_configuration_and_bidirectional():
    assert LSTM.from_config(LSTM(3, use_cudnn=False).get_config()).use_cudnn is False
    both = keras.layers.Bidirectional(GRU(3, use_cudnn=False))
    assert both.forward_layer.use_cudnn is both.backward_layer.use_cudnn is False


def test_dropout_goes_before_cudnn_s_products(calls):
    layer = LSTM(UNITS, dropout=0.5, seed=3)
    x = tf.ones((BATCH, TIME, FEATURES))
    once, twice = layer(x, training=True), layer(x, training=True)
    assert calls.numpy() == 2 and np.abs(once - twice).max() > 1e-4
    np.testing.assert_array_equal(layer(x), layer(x))
