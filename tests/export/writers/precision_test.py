"""Models of half and mixed precision leave as float32, however they are nested; and are as they were afterwards."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasrnn
from kerasrnn.export import export_onnx, export_saved_model, runtime
from kerasrnn.export.writers._model_io import forward_signature
from kerasrnn.export.writers._precision import in_float32

layers, ops = keras.layers, keras.ops
OPTIONS = {"recurrent_initializer": "glorot_uniform", "return_sequences": True}  # bfloat16 has no QR decomposition
HALF = ("float16", "bfloat16", "mixed_float16", "mixed_bfloat16")


class Wrapped(keras.layers.Layer):
    """Somebody's own, with layers within."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.parts = [layers.GRU(3, **OPTIONS), {"dense": layers.Dense(4)}]

    def build(self, shape):
        self.parts[0].build(shape)
        self.parts[1]["dense"].build((*shape[:-1], 3))

    def call(self, x):
        return self.parts[1]["dense"](self.parts[0](x)) * ops.cast(2.0, self.compute_dtype)


def nested_sequential():
    return keras.Sequential([keras.Sequential([layers.Dense(4, "tanh"), layers.GRU(3, **OPTIONS)]), layers.LayerNormalization()])


def normalised():
    layer = layers.Normalization()
    layer.adapt(np.random.default_rng(0).standard_normal((50, 4)) * [1, 2, 3, 4] + [5, 6, 7, 8])
    return layer


PARTS = {
    "GRU": lambda: layers.GRU(3, **OPTIONS),
    "Sequential": lambda: keras.Sequential([layers.Dense(4, "tanh"), layers.GRU(3, **OPTIONS)]),
    "Sequential of Sequential": nested_sequential,
    "Sequential with Input": lambda: keras.Sequential([keras.Input((None, 4)), layers.LSTM(3, **OPTIONS)]),
    "Bidirectional": lambda: layers.Bidirectional(layers.LSTM(2, **OPTIONS)),
    "TimeDistributed": lambda: layers.TimeDistributed(keras.Sequential([layers.Dense(4), layers.BatchNormalization()])),
    "stack": lambda: layers.RNN(
        [layers.GRUCell(3, recurrent_initializer="zeros"), layers.SimpleRNNCell(3, recurrent_initializer="zeros")],
        return_sequences=True,
    ),
    "our LSTM": lambda: kerasrnn.layers.LSTM(3, **OPTIONS),
    "LayerNormLSTM": lambda: kerasrnn.layers.RNN(
        kerasrnn.cells.LayerNormLSTMCell(3, recurrent_initializer="zeros"), return_sequences=True
    ),
    "own layer": Wrapped,
    "Normalization": normalised,
    "attention and convolution": lambda: keras.Sequential([layers.Conv1D(4, 2, padding="causal"), layers.BatchNormalization()]),
}


def made(part, policy):
    """A functional model around a part, made under a policy; an input of float32."""
    before = keras.config.dtype_policy()
    keras.utils.set_random_seed(0)
    keras.config.set_dtype_policy(policy)
    try:
        x = keras.Input((None, 4), name="x", dtype="float32")
        model = keras.Model(x, layers.Dense(2, name="y")(PARTS[part]()(x)))
    finally:
        keras.config.set_dtype_policy(before)
    return model


def dtypes(model):
    return [(w.dtype, w.path) for w in model.weights] + [(v.compute_dtype, v.variable_dtype) for v in model._flatten_layers()]


def half_operations(function):
    definition = function.get_concrete_function().graph.as_graph_def()
    nodes = [*definition.node, *(node for f in definition.library.function for node in f.node_def)]
    half = {tf.float16.as_datatype_enum, tf.bfloat16.as_datatype_enum}
    return [node.name for node in nodes if half & {value.type for value in node.attr.values()}]


# One policy a part in every run, and all of them in the long one.
CASES = [
    pytest.param(part, policy, marks=[] if i % len(HALF) == j else pytest.mark.slow)
    for i, part in enumerate(PARTS)
    for j, policy in enumerate(HALF)
]


@pytest.mark.parametrize(("part", "policy"), CASES)
def test_nothing_is_left_in_half_precision(part, policy):
    model, same = made(part, policy), made(part, "float32")
    same.set_weights([np.asarray(w, np.float32) for w in model.get_weights()])
    for layer in same.layers:
        if isinstance(layer, layers.Normalization):
            layer.finalize_state()
    before, x = dtypes(model), np.random.default_rng(1).standard_normal((2, 5, 4)).astype("float32")
    in_half = np.asarray(model(x), np.float32)
    with in_float32(model):
        traced = forward_signature(model).traced()
        assert half_operations(traced) == []
        np.testing.assert_allclose(traced(tf.constant(x))["y"], same(x), atol=2e-6 if part != "Normalization" else 1e-5)
    assert dtypes(model) == before
    np.testing.assert_array_equal(np.asarray(model(x), np.float32), in_half)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", pytest.param("float16", marks=pytest.mark.slow)])
@pytest.mark.parametrize("write", [export_onnx, export_saved_model])
@pytest.mark.parametrize("part", ["Sequential", pytest.param("our LSTM", marks=pytest.mark.slow)])
def test_it_is_exported_as_float32(part, write, policy, tmp_path):
    model = made(part, policy)
    folder = write(model, tmp_path / "out")
    x = np.random.default_rng(1).standard_normal((2, 5, 4)).astype("float32")
    if write is export_onnx:
        received = runtime.load(folder).forward(x=x)["y"]
    else:
        received = tf.saved_model.load(folder).signatures["forward"](x=tf.constant(x))["y"]
    with in_float32(model):
        np.testing.assert_allclose(received, model(x), atol=1e-5)


def test_a_sequential_without_an_input_takes_float32(tmp_path):
    model = keras.Sequential([layers.GRU(3, dtype="mixed_bfloat16"), layers.Dense(2, dtype="float32", name="y")])
    model(np.zeros((1, 2, 4), "float32"))
    assert runtime.load(export_onnx(model, tmp_path / "out")).forward(**{model.inputs[0].name: np.ones((1, 2, 4), "float32")})
