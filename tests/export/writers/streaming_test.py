"""Models with masks, as they are exported: whole, in pieces and by rows they give what Keras gives."""

import itertools

import numpy as np
import pytest
from masked_models import FEATURES, HEADS, LAYERS, SOURCES, STYLES, UNITS, build, check_against_keras, hard_inputs

from kerasrnn import cells
from kerasrnn._backend import keras
from kerasrnn.export import export_onnx, export_saved_model, read_manifest, runtime
from kerasrnn.export.writers._signatures import signatures_of
from kerasrnn.layers import GRU, LSTM, RNN

layers, ops = keras.layers, keras.ops
FAST = {(4, 2), (6, 0), (3, 1), (5, 3), (1, 4), (0, 3)}


def cases():
    """Every layer under every mask; heads, styles and formats in turn, so that each layer and each mask meets every one."""
    for (i, layer), (j, source) in itertools.product(enumerate(LAYERS), enumerate(SOURCES)):
        head, style, saved = list(HEADS)[(i + j) % 4], STYLES[(i + 2 * j + i * j) % 3], (i + 2 * j) % 4 == 3
        title = " ".join([layer, source, head, style, "saved_model" if saved else "onnx"])
        yield pytest.param(layer, source, head, style, saved, id=title, marks=[] if (i, j) in FAST else pytest.mark.slow)


@pytest.mark.parametrize(("layer", "source", "head", "style", "saved"), list(cases()))
@pytest.mark.one_in(3)
def test_a_masked_model_gives_what_keras_gives(layer, source, head, style, saved, tmp_path):
    model, signature, parts = build(layer, source, head, style)
    folder = (export_saved_model if saved else export_onnx)(model, tmp_path / "out", input_signature=signature)
    assert "step" in read_manifest(folder)["signatures"], read_manifest(folder)["no_step"]
    assert any(check["note"] == "masked steps" for check in read_manifest(folder)["parity"]["checks"])
    check_against_keras(folder, model, hard_inputs(parts.source, np.random.default_rng(3)))


def start_at_a_half(layer_class):
    class StartsAtAHalf(layer_class):
        """A cell of somebody's own, with its own initial states."""

        def get_initial_state(self, batch_size=None):
            zeros = super().get_initial_state(batch_size)
            return [state + 0.5 for state in (zeros if isinstance(zeros, (list, tuple)) else [zeros])]

    return StartsAtAHalf


INITIAL = {
    "trained LSTM": lambda: RNN(cells.LSTMCell(UNITS), return_sequences=True, trainable_initial_state=True),
    "trained GRU": lambda: GRU(UNITS, return_sequences=True, trainable_initial_state=True),
    "trained LayerNormLSTM": lambda: RNN(cells.LayerNormLSTMCell(UNITS), return_sequences=True, trainable_initial_state=True),
    "own keras GRU cell": lambda: layers.RNN(start_at_a_half(layers.GRUCell)(UNITS), return_sequences=True),
    "own LSTM cell": lambda: RNN(start_at_a_half(cells.LSTMCell)(UNITS), return_sequences=True),
    "own keras LSTM layer": lambda: start_at_a_half(layers.LSTM)(UNITS, return_sequences=True),
    "stack of own": lambda: RNN([start_at_a_half(cells.GRUCell)(3), cells.GRUCell(UNITS)], return_sequences=True),
}
FAST_INITIAL = ("trained LSTM", "own keras GRU cell")


@pytest.mark.parametrize("saved", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["onnx", "saved_model"])
@pytest.mark.parametrize("masked", [True, pytest.param(False, marks=pytest.mark.slow)], ids=["masked", "unmasked"])
@pytest.mark.parametrize("kind", [pytest.param(k, marks=[] if k in FAST_INITIAL else pytest.mark.slow) for k in INITIAL])
def test_initial_states_are_kept(kind, masked, saved, tmp_path):
    keras.utils.set_random_seed(1)
    x = keras.Input((None, FEATURES), name="x")
    h = layers.Masking()(x) if masked else x
    model = keras.Model({"x": x}, {"score": layers.Dense(2)(INITIAL[kind]()(h))})
    random = np.random.default_rng(2)
    model.set_weights([w + 0.3 * random.standard_normal(w.shape).astype(w.dtype) for w in model.get_weights()])
    folder = (export_saved_model if saved else export_onnx)(model, tmp_path / "out")
    manifest = read_manifest(folder)
    assert manifest["version"] == 4 and any("initial" in state for state in manifest["states"])
    inputs = {"x": random.standard_normal((4, 11, FEATURES)).astype("float32")}
    inputs["x"][0, :3], inputs["x"][1, -4:], inputs["x"][3] = 0, 0, 0
    check_against_keras(folder, model, inputs)
    if not saved:
        session = runtime.load(folder)
        outputs, states = session.feed(x=inputs["x"][:, :6])
        rest, _ = session.feed(states, x=inputs["x"][:, 6:])
        received = np.concatenate([outputs["score"], rest["score"]], axis=1)
        np.testing.assert_allclose(received, model(inputs)["score"], atol=2e-5)


class OfChance(layers.SimpleRNNCell):
    def get_initial_state(self, batch_size=None):
        return keras.random.normal((batch_size, self.units))


class OfTheBatch(layers.SimpleRNNCell):
    def get_initial_state(self, batch_size=None):
        return ops.ones((batch_size, self.units)) * ops.cast(batch_size, "float32")


@pytest.mark.parametrize("cell", [OfChance, OfTheBatch])
def test_initial_states_that_depend_on_more_than_weights_are_refused(cell):
    model = keras.Sequential([keras.Input((None, FEATURES)), layers.RNN(cell(3), name="recurrent")])
    reason = signatures_of(model)["forward"].no_step
    assert reason == "recurrent begins from states that depend on more than its weights, as on chance or the batch"


FIXED = {
    "LSTM": lambda: LSTM(UNITS, return_sequences=True),
    "keras GRU": lambda: layers.GRU(UNITS),
    "unrolled": lambda: layers.GRU(UNITS, return_sequences=True, unroll=True),
    "unrolled LSTM": lambda: LSTM(UNITS, unroll=True),
}


@pytest.mark.parametrize("masked", [True, pytest.param(False, marks=pytest.mark.slow)], ids=["masked", "unmasked"])
@pytest.mark.parametrize("kind", [pytest.param(k, marks=[] if k == "LSTM" else pytest.mark.slow) for k in FIXED])
def test_a_model_of_a_fixed_length_has_a_step_of_any(kind, masked, tmp_path):
    keras.utils.set_random_seed(1)
    x = keras.Input((11, FEATURES), name="x")
    layer = FIXED[kind]()
    h = layer(layers.Masking()(x) if masked else x)
    model = keras.Model({"x": x}, {"score": layers.TimeDistributed(layers.Dense(2))(h) if layer.return_sequences else h})
    folder = export_onnx(model, tmp_path / "out")
    signatures = read_manifest(folder)["signatures"]
    assert signatures["forward"]["inputs"][0]["shape"] == [None, 11, FEATURES]
    assert signatures["step"]["inputs"][0]["shape"] == [None, None, FEATURES]
    inputs = {"x": np.random.default_rng(2).standard_normal((4, 11, FEATURES)).astype("float32")}
    inputs["x"][0, :3], inputs["x"][1, -4:], inputs["x"][3] = 0, 0, 0
    check_against_keras(folder, model, inputs)
