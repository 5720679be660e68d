"""Nested names, types left out, strings in, and outputs that are no floats."""

import numpy as np
import pytest

from kerasrnn._backend import keras, tf
from kerasrnn.export import export_onnx, export_saved_model, runtime
from kerasrnn.export.writers._model_io import forward_signature

layers, ops = keras.layers, keras.ops


def nested(structure):
    x = keras.Input((None, 4), name="x")
    h = layers.GRU(3)(x)
    return keras.Model(x, keras.tree.map_structure(lambda units: layers.Dense(units)(h), structure))


@pytest.mark.parametrize(
    ("structure", "names"),
    [
        ({"c": [2, 3]}, ["c_0", "c_1"]),
        ({"c": {"a": 2, "b": {"d": 1}}, "e": 3}, ["c_a", "c_b_d", "e"]),
        ({"c": (2, [3, 1])}, ["c_0", "c_1_0", "c_1_1"]),
        ({"a": 2, "b": 3}, ["a", "b"]),
    ],
)
def test_nested_outputs_are_named_by_their_place(structure, names):
    assert forward_signature(nested(structure)).outputs == names


def test_a_name_that_two_places_have_is_refused():
    with pytest.raises(ValueError, match="outputs: expected each name once; received.*Rename"):
        forward_signature(nested({"c_0": 2, "c": [3]}))


def test_nested_inputs_and_outputs_are_exported(tmp_path):
    a, b = keras.Input((None, 4), name="a"), keras.Input((None, 4), name="b")
    model = keras.Model({"c": [a, b]}, {"d": [layers.GRU(3)(a), layers.GRU(2)(b)]})
    x = np.random.default_rng(0).standard_normal((2, 5, 4)).astype("float32")
    received = runtime.load(export_onnx(model, tmp_path / "out")).forward(c_0=x, c_1=-x)
    for value, name in zip(model({"c": [x, -x]})["d"], ("d_0", "d_1"), strict=True):
        np.testing.assert_allclose(received[name], value, atol=1e-5)


@pytest.mark.parametrize("write", [export_onnx, export_saved_model])
def test_a_type_left_out_of_the_signature_is_asked_for(write, tmp_path):
    class Recurrent(keras.Model):
        def __init__(self):
            super().__init__()
            self.gru = layers.GRU(3)

        def call(self, x):
            return self.gru(x)

    model = Recurrent()
    model(np.zeros((1, 2, 4), "float32"))
    with pytest.raises(ValueError, match="input_signature: expected a type for the input 'x'; received dtype=None. Give it"):
        write(model, tmp_path / "out", input_signature=[keras.InputSpec(shape=(None, None, 4))])


def texts():
    x = keras.Input((1,), name="text", dtype="string")
    return keras.Model(x, layers.GRU(3)(layers.Embedding(6, 4)(layers.TextVectorization(vocabulary=["a", "b", "c"])(x))))


def words():
    x = keras.Input((None,), name="text", dtype="string")
    lookup = layers.StringLookup(vocabulary=["a", "b", "c"])
    return keras.Model(x, layers.GRU(3, return_sequences=True)(layers.Embedding(6, 4)(lookup(x))))


def tagger():
    x = keras.Input((None, 4), name="text")
    tags = layers.StringLookup(vocabulary=["noun", "verb"], invert=True)
    return keras.Model(x, tags(ops.argmax(layers.GRU(3, return_sequences=True)(x), axis=-1)))


@pytest.mark.parametrize("build", [texts, *(pytest.param(build, marks=pytest.mark.slow) for build in (words, tagger))])
def test_strings_in_and_out_without_samples(build, tmp_path):
    model = build()
    served = tf.saved_model.load(export_saved_model(model, tmp_path / "out")).signatures["forward"]
    text = {texts: [["a b c b"], ["c unheard-of"]], words: [["a", "b"], ["c", ""]], tagger: np.ones((2, 5, 4), "float32")}[build]
    expected, received = model(tf.constant(text)), next(iter(served(text=tf.constant(text)).values()))
    assert np.array_equal(expected, received) or np.allclose(expected, received, atol=1e-6)


def test_integers_and_booleans_out(tmp_path):
    x = keras.Input((None, 4), name="x")
    h = layers.GRU(3, return_sequences=True)(x)
    model = keras.Model(x, {"tag": ops.argmax(h, axis=-1), "sure": ops.max(h, axis=-1) > 0.1})
    values = np.random.default_rng(0).standard_normal((2, 5, 4)).astype("float32")
    received = runtime.load(export_onnx(model, tmp_path / "out")).forward(x=values)
    for name, value in model(values).items():
        np.testing.assert_array_equal(received[name], value)
