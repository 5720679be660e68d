"""Models of one batch size: exported with the one that `keras.Input` fixes, and with any where the model takes any."""

import numpy as np
import pytest

import kerasrnn
from kerasrnn._backend import keras, tf
from kerasrnn.export import export_onnx, export_saved_model, runtime
from kerasrnn.export.writers._model_io import forward_signature

layers, ops = keras.layers, keras.ops


class Table(layers.Layer):
    """Somebody's own: a weight for each row."""

    def build(self, shape):
        self.table = self.add_weight(shape=(8, 1, 1), name="table")

    def call(self, x):
        return x * self.table


HELD = {
    "initial state": lambda x: layers.GRU(5, return_sequences=True)(x, initial_state=ops.ones((8, 5))),
    "our initial state": lambda x: kerasrnn.layers.GRU(5)(x, initial_state=ops.ones((8, 5))),
    "reshape": lambda x: layers.Dense(2)(ops.reshape(layers.GRU(5, return_sequences=True)(x), (8, 30))),
    "a weight a row": lambda x: layers.LSTM(5, return_sequences=True)(Table()(x)),
    "unstack": lambda x: ops.stack([*map(ops.negative, ops.unstack(layers.GRU(3)(x), 8))]),
}
FREE = {
    "GRU": lambda x: layers.GRU(5, return_sequences=True)(x),
    "Bidirectional": lambda x: layers.Bidirectional(layers.LSTM(3))(x),
    "our LSTM": lambda x: kerasrnn.layers.LSTM(3, return_sequences=True)(x),
    "TimeDistributed": lambda x: layers.TimeDistributed(layers.Dense(2))(layers.GRU(3, return_sequences=True)(x)),
}


def model_of(part, rows):
    keras.utils.set_random_seed(0)
    x = keras.Input((6, 4), batch_size=rows, name="x")
    return keras.Model(x, part(x))


@pytest.mark.parametrize("name", [pytest.param(n, marks=[] if i < 3 else pytest.mark.slow) for i, n in enumerate(HELD)])
def test_the_batch_that_the_input_fixes_is_exported(name, tmp_path):
    model = model_of(HELD[name], 8)
    assert forward_signature(model).inputs[0].shape == (8, 6, 4)
    session = runtime.load(export_onnx(model, tmp_path / "out"))
    x = np.random.default_rng(1).standard_normal((8, 6, 4)).astype("float32")
    (received,) = session.forward(x=x).values()
    np.testing.assert_allclose(received, model(x), atol=1e-5)
    assert {check["batch"] for check in session.manifest["parity"]["checks"]} == {8}
    with pytest.raises(ValueError, match=r"x: expected shape \(8, 6, 4\).*received \(3, 6, 4\)"):
        session.forward(x=x[:3])


def test_a_saved_model_has_that_batch_too(tmp_path):
    model = model_of(HELD["a weight a row"], 8)
    served = tf.saved_model.load(export_saved_model(model, tmp_path / "out")).signatures["forward"]
    x = np.random.default_rng(1).standard_normal((8, 6, 4)).astype("float32")
    np.testing.assert_allclose(*served(x=tf.constant(x)).values(), model(x), atol=1e-5)


def test_a_step_has_that_batch_too(tmp_path):
    x = keras.Input((None, 4), batch_size=8, name="x")
    model = keras.Model(x, layers.GRU(3, return_sequences=True)(Table()(x)))
    session = runtime.load(export_onnx(model, tmp_path / "out"))
    values = np.random.default_rng(1).standard_normal((8, 6, 4)).astype("float32")
    first, states = session.feed(x=values[:, :2])
    second, _ = session.feed(states, x=values[:, 2:])
    (output,) = first
    np.testing.assert_allclose(np.concatenate([first[output], second[output]], axis=1), model(values), atol=1e-5)


def test_masked_steps_are_proven_at_that_batch(tmp_path):
    x = keras.Input((None, 4), batch_size=8, name="x")
    model = keras.Model(x, layers.GRU(3, return_sequences=True)(layers.Masking()(Table()(x))))
    session = runtime.load(export_onnx(model, tmp_path / "out"))
    checks = session.manifest["parity"]["checks"]
    masked = {(check["signature"], check["batch"]) for check in checks if check["note"] == "masked steps"}
    assert masked == {("forward", 8), ("step", 8)}


@pytest.mark.parametrize("name", FREE)
def test_a_model_that_takes_any_number_of_rows_is_exported_so(name):
    assert forward_signature(model_of(FREE[name], 8)).inputs[0].shape == (None, 6, 4)


@pytest.mark.parametrize("write", [export_onnx, export_saved_model])
@pytest.mark.parametrize(
    "name", ["our initial state", *(pytest.param(n, marks=pytest.mark.slow) for n in ("initial state", "a weight a row"))]
)
def test_where_the_input_does_not_fix_it_the_remedy_is_named(name, write, tmp_path):
    with pytest.raises(ValueError, match=r"any number of rows; on 1 to 3 rows it fails: .*8.*keras.Input\(batch_size=8"):
        write(model_of(HELD[name], None), tmp_path / "out")


def test_samples_of_too_few_rows_are_refused(tmp_path):
    with pytest.raises(ValueError, match="samples: expected 8 rows, which the model's Input fixes"):
        export_onnx(model_of(HELD["reshape"], 8), tmp_path / "out", samples=np.zeros((3, 6, 4), "float32"))
