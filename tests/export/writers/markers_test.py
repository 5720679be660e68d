"""Recurrences as markers: the shapes that they keep, what asks for them, and sequences that are no floats."""

import itertools

import numpy as np
import onnxruntime
import pytest
from zoo import NestedCell, converted

import kerasrnn
from kerasrnn import cells
from kerasrnn._backend import keras, tf
from kerasrnn.export import export_onnx, export_saved_model
from kerasrnn.export.writers._markers import recurrences_as_markers
from kerasrnn.export.writers._signatures import keras_functions, signatures_of

layers, ops = keras.layers, keras.ops
RECURRENT = {
    "LSTM": lambda **options: layers.LSTM(5, **options),
    "GRU": lambda **options: layers.GRU(5, **options),
    "SimpleRNN": lambda **options: layers.SimpleRNN(5, **options),
    "own cell": lambda **options: layers.RNN(NestedCell(2), **options),
    "stack": lambda **options: layers.RNN([layers.LSTMCell(4), NestedCell(2)], **options),
    "our LSTM": lambda **options: kerasrnn.layers.LSTM(5, **options),
    "our GRU": lambda **options: kerasrnn.layers.GRU(5, **options),
    "LayerNormLSTM": lambda **options: kerasrnn.layers.RNN(cells.LayerNormLSTMCell(5), **options),
    "MinGRU": lambda **options: kerasrnn.layers.RNN(cells.MinGRUCell(5), **options),
    "projection": lambda **options: kerasrnn.layers.RNN(cells.LSTMCell(5, projection=3), **options),
    "Bidirectional": lambda **options: layers.Bidirectional(layers.GRU(3, **options)),
}
OPTIONS = ("return_sequences", "return_state", "go_backwards", "zero_output_for_mask")


def check_numbers(model, batch, atol=2e-5):
    """The model's ONNX form, in onnxruntime, gives on a batch what the model itself gives."""
    forward, proto = converted(model)
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    given = [tf.constant(batch[spec.name]) for spec in forward.inputs]
    expected = keras.tree.flatten(model(keras.tree.pack_sequence_as(model.input, given)))
    for name, value, received in zip(forward.outputs, expected, session.run(forward.outputs, batch), strict=True):
        assert received.shape == value.shape
        np.testing.assert_allclose(received, value, atol=atol, err_msg=name)


def some(names, *fast):
    """Test cases, the others marked as slow."""
    return [pytest.param(name, marks=[] if name in fast else pytest.mark.slow) for name in names]


@pytest.mark.parametrize(("steps", "batch"), [(None, None), (1, None), (6, None), (6, 2), (None, 2), (1, 2)])
@pytest.mark.parametrize("name", some(RECURRENT, "LayerNormLSTM"))
def test_static_shapes_are_those_that_keras_has(name, steps, batch):
    for flags in ((), OPTIONS[:1], OPTIONS[:2], OPTIONS[1:3], OPTIONS[::3], OPTIONS):
        options = dict.fromkeys(flags, True)
        if name == "Bidirectional" and "go_backwards" in options:
            continue
        x = keras.Input((steps, 3), batch_size=batch, name="x")
        layer = RECURRENT[name](**options)
        model = keras.Model(x, layer(layers.Masking()(x) if "zero_output_for_mask" in options else x))
        with recurrences_as_markers(model) as markers:
            concrete = tf.function(model, [tf.TensorSpec((batch, steps, 3))]).get_concrete_function()
        assert markers or steps == 1
        assert [tuple(value.shape) for value in concrete.outputs] == [tuple(v.shape) for v in model.outputs], options


class PerStep(layers.Layer):
    """Somebody's own: a Python loop over the steps."""

    def call(self, h):
        return ops.concatenate([h[:, step] * (step + 1) for step in range(h.shape[1])], axis=-1)


class MeanOfSteps(layers.Layer):
    """Somebody's own: divides by the number of steps."""

    def call(self, h):
        return ops.sum(h, axis=1) / h.shape[1]


HOSTS = {
    "reshape": lambda h: ops.reshape(h, (-1, h.shape[1] * h.shape[2])),
    "Flatten": lambda h: layers.Dense(3)(layers.Flatten()(h)),
    "Permute": lambda h: layers.Dense(3)(layers.Permute((2, 1))(h)),
    "BatchNormalization": lambda h: layers.BatchNormalization(axis=1)(h),
    "LayerNormalization": lambda h: layers.LayerNormalization(axis=[1, 2])(h),
    "TimeDistributed": lambda h: PerStep()(layers.TimeDistributed(layers.Dense(3))(h)),
    "Conv1D": lambda h: layers.Dense(2)(layers.Flatten()(layers.Conv1D(3, 3)(h))),
    "RepeatVector": lambda h: PerStep()(layers.GRU(3, return_sequences=True)(layers.RepeatVector(h.shape[1])(h[:, -1]))),
    "loop over steps": lambda h: PerStep()(h),
    "mean of steps": lambda h: MeanOfSteps()(h),
    "Bidirectional": lambda h: PerStep()(layers.Bidirectional(layers.LSTM(2, return_sequences=True))(h)),
    "backwards": lambda h: PerStep()(layers.GRU(2, return_sequences=True, go_backwards=True)(h)),
    "unrolled": lambda h: PerStep()(layers.GRU(2, return_sequences=True, unroll=True)(h)),
    "attention": lambda h: PerStep()(layers.MultiHeadAttention(2, 3)(h, h)),
}


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("name", some(["LSTM", "stack", "our LSTM", "LayerNormLSTM"], "LSTM"))
def test_a_model_may_ask_for_the_number_of_steps(name, host):
    keras.utils.set_random_seed(0)
    x = keras.Input((6, 3), name="x")
    model = keras.Model(x, HOSTS[host](RECURRENT[name](return_sequences=True)(x)))
    check_numbers(model, {"x": np.random.default_rng(0).standard_normal((2, 6, 3)).astype("float32")})


class AddsCounts(layers.Layer):
    """Somebody's own cell, of integers that are divided as integers."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = self.state_size = self.output_size = units

    def call(self, inputs, states):
        new = 0.5 * states[0] + ops.cast(ops.sum(ops.cast(inputs, "int32") // 2, axis=-1, keepdims=True), "float32")
        return new, [new]


class OneHotRows(layers.Layer):
    """Somebody's own cell, which needs integers."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = self.state_size = self.output_size = units

    def call(self, inputs, states):
        new = 0.5 * states[0] + ops.sum(ops.one_hot(ops.cast(inputs, "int32"), self.units), axis=1)
        return new, [new]


NOT_FLOATS = {
    **RECURRENT,
    "counts": lambda **options: layers.RNN(AddsCounts(5), **options),
    "one-hot": lambda **options: layers.RNN(OneHotRows(5), **options),
}


FAST = {("GRU", "int32"), ("our LSTM", "uint8"), ("LayerNormLSTM", "bool"), ("counts", "int64"), ("one-hot", "uint8")}


@pytest.mark.parametrize("case", some(itertools.product(NOT_FLOATS, ("int32", "uint8", "bool", "int64")), *FAST), ids=" ".join)
def test_sequences_may_be_integers_or_booleans(case):
    """Piano rolls and one-hot rows: whole, and in pieces."""
    (name, dtype), random = case, np.random.default_rng(0)
    batch = {"x": random.integers(0, 2 if dtype == "bool" else 4, (3, 9, 3)).astype(dtype)}
    batch["x"][0, 2:4] = 0
    keras.utils.set_random_seed(0)
    x = keras.Input((None, 3), name="x", dtype=dtype)
    model = keras.Model(x, NOT_FLOATS[name](return_sequences=True)(layers.Masking()(x)))
    check_numbers(model, batch)
    signatures = signatures_of(model)
    assert ("step" in signatures) == (name != "Bidirectional")
    if "step" in signatures:
        whole, step = model(batch["x"]), keras_functions(signatures)["step"]
        states = {spec.name: np.zeros((3, spec.shape[-1]), "float32") for spec in signatures["step"].inputs[1:]}
        output = signatures["forward"].outputs[0]
        for part in (slice(0, 4), slice(4, 9)):
            found = step({"x": batch["x"][:, part], **states})
            np.testing.assert_allclose(found[output], whole[:, part], atol=1e-5)
            states = {state: found[f"next_{state}"] for state in states}


@pytest.mark.parametrize("state_dtype", ["float32", "int32"])
@pytest.mark.parametrize("name", ["GRU", "our GRU", "LayerNormLSTM"])
def test_states_given_to_a_layer_of_integers(name, state_dtype):
    x = keras.Input((None, 3), name="x", dtype="int32")
    layer = RECURRENT[name](return_state=True)
    states = [keras.Input((5,), name=f"state_{i}", dtype=state_dtype) for i in range(2 if "LSTM" in name else 1)]
    model = keras.Model([x, *states], layer(x, initial_state=states))
    random = np.random.default_rng(0)
    batch = {"x": random.integers(0, 3, (2, 4, 3)).astype("int32")}
    check_numbers(model, batch | {s.name: random.integers(-2, 3, (2, 5)).astype(state_dtype) for s in states})


@pytest.mark.parametrize("write", [export_onnx, export_saved_model])
def test_a_piano_roll_s_model_is_exported(write, tmp_path):
    x = keras.Input((None, 8), name="keys", dtype="bool")
    assert write(keras.Model(x, layers.Dense(8, name="next")(layers.GRU(4, return_sequences=True)(x))), tmp_path / "out").exists()
