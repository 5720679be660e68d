"""Every path and every reason, by the layers that take and have it."""

import keras
import numpy as np
import pytest

import kerasrnn
from kerasrnn.cells import GRUCell, LSTMCell, MinGRUCell, SimpleRNNCell
from kerasrnn.diagnostics import layer_paths
from kerasrnn.diagnostics.paths import drop_in, recurrent_layers

ours, theirs = kerasrnn.layers, keras.layers
NO_GPU = "no cuDNN: no GPU is visible"


@keras.saving.register_keras_serializable("paths_test")
class TheirCell(theirs.Layer):
    """Somebody's own cell."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = self.state_size = self.output_size = units

    def call(self, inputs, states):
        return states[0] + 1, [states[0] + 1]

    def get_config(self):
        return {**super().get_config(), "units": self.units}


@keras.saving.register_keras_serializable("paths_test")
class TwoProducts(SimpleRNNCell):
    """A cell of ours that says that the scans cannot run it."""

    has_one_recurrent_product = False


@keras.saving.register_keras_serializable("paths_test")
class TheirLoop(ours.RNN):
    """Somebody's own loop."""

    def inner_loop(self, sequences, initial_state, mask=None, training=False):
        return super().inner_loop(sequences, initial_state, mask=mask, training=training)


CASES = {
    "LSTM": (lambda: ours.LSTM(2), "fused scan", [NO_GPU]),
    "GRU": (lambda: ours.GRU(2), "fused scan", [NO_GPU]),
    "SimpleRNN": (lambda: ours.SimpleRNN(2), "fused scan", ["no cuDNN: cuDNN has no SimpleRNNCell"]),
    "our_RNN": (lambda: ours.RNN(LSTMCell(2)), "fused scan", [NO_GPU]),
    "dropout": (
        lambda: ours.LSTM(2, dropout=0.1, recurrent_dropout=0.1),
        "fused scan",
        [NO_GPU, "no cuDNN: recurrent_dropout is not 0", "no cuDNN: dropout draws one mask a gate"],
    ),
    "options": (
        lambda: ours.LSTM(2, zoneout=0.1, truncate=3, use_cudnn=False),
        "fused scan",
        [NO_GPU, "no cuDNN: use_cudnn is False", "no cuDNN: truncate is set", "no cuDNN: zoneout is set"],
    ),
    "linear": (lambda: ours.RNN(MinGRUCell(2)), "linear scan", ["no cuDNN: cuDNN has no MinGRUCell"]),
    "linear_dropout": (lambda: ours.RNN(MinGRUCell(2, dropout=0.1)), "linear scan", ["no cuDNN: cuDNN has no MinGRUCell"]),
    "linear_zoneout": (
        lambda: ours.RNN(MinGRUCell(2), zoneout=0.1),
        "fused scan",
        ["no linear scan: zoneout is not 0", "no cuDNN: cuDNN has no MinGRUCell"],
    ),
    "unroll": (
        lambda: ours.LSTM(2, unroll=True),
        "plain loop",
        ["no scan: unroll is True; leave it out", NO_GPU, "no cuDNN: unroll is True"],
    ),
    "reset_before": (
        lambda: ours.GRU(2, reset_after=False),
        "plain loop",
        ["no scan: reset_after is False", NO_GPU, "no cuDNN: reset_after is False"],
    ),
    "two_products": (lambda: ours.RNN(TwoProducts(2)), "plain loop", ["no scan: TwoProducts has more than one product"]),
    "stack": (
        lambda: ours.RNN([LSTMCell(2), GRUCell(3)]),
        "plain loop",
        ["no scan: it is a stack of 2 cells; make each a layer"],
    ),
    "their_cell": (
        lambda: ours.RNN(TheirCell(2)),
        "plain loop",
        ["no scan: TheirCell does not state its structure; derive it from kerasrnn.cells.Cell"],
    ),
    "keras_cell": (
        lambda: ours.RNN(theirs.LSTMCell(2)),
        "plain loop",
        ["no scan: its cell is Keras's own; put kerasrnn.cells.LSTMCell in its place"],
    ),
    "their_loop": (lambda: TheirLoop(SimpleRNNCell(2)), "plain loop", ["no scan: TheirLoop has a loop of its own"]),
    "keras_LSTM": (
        lambda: theirs.LSTM(2),
        "plain loop",
        ["no scan: it is Keras's own LSTM; put kerasrnn.layers.LSTM in its place", NO_GPU],
    ),
    "keras_GRU": (
        lambda: theirs.GRU(2, reset_after=False, unroll=True),
        "plain loop",
        [
            "no scan: unroll is True",
            "no scan: it is Keras's own GRU; put kerasrnn.layers.GRU in its place",
            "no scan: reset_after is False",
            NO_GPU,
            "no cuDNN: unroll is True",
            "no cuDNN: reset_after is False",
        ],
    ),
    "keras_SimpleRNN": (
        lambda: theirs.SimpleRNN(2),
        "plain loop",
        ["no scan: it is Keras's own SimpleRNN; put kerasrnn.layers.SimpleRNN in its place"],
    ),
    "keras_RNN": (
        lambda: theirs.RNN(SimpleRNNCell(2)),
        "plain loop",
        ["no scan: it is a keras.layers.RNN; put kerasrnn.layers.RNN in its place"],
    ),
    "keras_RNN_of_keras_cell": (
        lambda: theirs.RNN(theirs.GRUCell(2)),
        "plain loop",
        ["no scan: it is a keras.layers.RNN;", "no scan: its cell is Keras's own; put kerasrnn.cells.GRUCell"],
    ),
    "keras_stack": (
        lambda: theirs.RNN([theirs.LSTMCell(2), theirs.LSTMCell(2)]),
        "plain loop",
        ["no scan: it is a keras.layers.RNN;", "no scan: it is a stack of 2 cells"],
    ),
    "images": (lambda: theirs.ConvLSTM1D(2, 3), "plain loop", ["no scan: the states of ConvLSTM1D are images"]),
}


@pytest.mark.parametrize("name", CASES)
def test_path_and_reasons(name):
    make, path, reasons = CASES[name]
    (found,) = layer_paths(make())
    assert found.path == path
    assert len(found.reasons) == len(reasons)
    assert all(reason.startswith(words) for reason, words in zip(found.reasons, reasons)), found.reasons


@pytest.mark.parametrize("name", [name for name, (_, path, _) in CASES.items() if path != "plain loop"])
def test_what_is_said_to_scan_calls_no_loop_of_keras(name, monkeypatch):
    monkeypatch.setattr(keras.layers.RNN, "inner_loop", lambda *_, **__: pytest.fail("the plain loop ran"))
    assert CASES[name][0]()(np.ones((2, 3, 4), "float32")).shape == (2, 2)


@pytest.mark.parametrize("layers", [ours, theirs], ids=["ours", "keras"])
@pytest.mark.parametrize("name", ["LSTM", "GRU"])
def test_on_a_gpu_lstm_and_gru_take_cudnn(layers, name, monkeypatch):
    monkeypatch.setattr("kerasrnn.layers.cudnn.tf.config.list_logical_devices", lambda kind=None: [kind])
    free, bound = getattr(layers, name)(2, dropout=0.1), getattr(layers, name)(2, activation="relu")
    assert [(path.path, path.reasons) for path in layer_paths(free)] == [("cuDNN", ())]
    assert layer_paths(bound)[0].reasons[-1] == "no cuDNN: activation is not tanh"
    assert layer_paths(bound)[0].path == ("fused scan" if layers is ours else "plain loop")


def test_names_in_nested_models_and_wrappers():
    shared = ours.GRU(3, name="shared", return_sequences=True)
    inner = keras.Sequential([keras.Input((None, 3)), theirs.LSTM(3, name="lstm", return_sequences=True)], name="inner")
    x = keras.Input((None, 3))
    y = theirs.Bidirectional(ours.LSTM(3, name="lstm", return_sequences=True), merge_mode="sum", name="both")(x)
    y = shared(inner(shared(y)))
    y = theirs.TimeDistributed(ours.SimpleRNN(3, name="rows"), name="each")(theirs.Reshape((-1, 3, 1))(y))
    found = layer_paths(keras.Model(x, y, name="outer"))
    assert {path.layer: path.path for path in found} == {
        "both/forward_lstm": "fused scan",
        "both/backward_lstm": "fused scan",
        "shared": "fused scan",
        "inner/lstm": "plain loop",
        "each/rows": "fused scan",
    }
    assert len(found) == 5


def test_layers_of_one_name_are_told_apart():
    class Two(keras.Model):
        def __init__(self):
            super().__init__()
            self.layers_of_it = [ours.GRU(2, name="same"), ours.RNN(MinGRUCell(2), name="same")]

    assert [path.layer for path in layer_paths(Two())] == ["same", "same (2)"]


def test_a_language_model_is_seen_through():
    model = kerasrnn.models.LanguageModel([LSTMCell(4), MinGRUCell(4)], vocabulary_size=5)
    assert [(path.cell, path.path) for path in layer_paths(model)] == [
        ("LSTMCell", "fused scan"),
        ("MinGRUCell", "linear scan"),
    ]


@pytest.mark.parametrize("name", [name for name, (_, path, _) in CASES.items() if path == "plain loop"])
def test_the_layer_to_put_in_its_place_computes_the_same_in_a_scan(name):
    shape = (2, 5, 6, 3) if name == "images" else (2, 5, 3)
    layer, inputs = CASES[name][0](), np.random.default_rng(0).normal(size=shape).astype("float32")
    outputs = layer(inputs)
    twin = drop_in(layer)
    if name in ("reset_before", "two_products", "stack", "their_cell", "their_loop", "keras_GRU", "keras_stack", "images"):
        assert twin is None
        return
    twin.build(inputs.shape)
    twin.set_weights(layer.get_weights())
    assert layer_paths(twin)[0].path == "fused scan"
    np.testing.assert_allclose(twin(inputs), outputs, atol=1e-6)


def test_bad_models():
    with pytest.raises(TypeError, match="model: expected a Keras model or layer; received a str"):
        layer_paths("runs/moby")
    with pytest.raises(ValueError, match="plain has none"):
        recurrent_layers(keras.Sequential([theirs.Dense(2)], name="plain"))
