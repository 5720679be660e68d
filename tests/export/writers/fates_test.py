"""What would become of each layer, without an export; and that the export then does so."""

import keras
import pytest
import tensorflow as tf

import kerasrnn
from kerasrnn.export import layer_fates
from kerasrnn.export.writers._convert import convert
from kerasrnn.export.writers._model_io import forward_signature


def mixed():
    x = keras.Input((None, 3), name="x")
    y = keras.layers.Masking()(x)
    y = keras.layers.Bidirectional(keras.layers.GRU(2, return_sequences=True, name="gru"), name="both")(y)
    y = kerasrnn.layers.RNN(kerasrnn.cells.MinGRUCell(2), return_sequences=True, name="linear")(y)
    return keras.Model(x, keras.layers.RNN([keras.layers.LSTMCell(2), keras.layers.GRUCell(2)], name="stack")(y))


FATES = {
    "forward_gru": "native GRU, masked steps left out",
    "backward_gru": "native GRU, masked steps left out",
    "linear": "Scan, masked steps left out",
    "stack": "native LSTM, masked steps left out; native GRU, masked steps left out",
}


def test_every_fate():
    model = mixed()
    assert layer_fates(model) == FATES
    assert layer_fates(model, quantize="int8") == {
        name: fate.replace("LSTM", "LSTM in 8 bits").replace("native GRU", "Scan, its products in 8 bits").replace(
            "Scan, masked", "Scan, its products in 8 bits, masked"
        )
        for name, fate in FATES.items()
    }  # fmt: skip


def test_a_loop_of_its_own_takes_the_general_path():
    model = keras.Sequential([keras.Input((None, 4, 1)), keras.layers.ConvLSTM1D(2, 3, name="images")])
    assert layer_fates(model) == {"images": "general path, slow, as its loop or its states are its own"}


class Viterbi(keras.layers.Layer):
    """The best score of a path that ends in each tag, step by step: a loop of somebody's own."""

    def build(self, shape):
        self.transitions = self.add_weight(shape=(shape[-1], shape[-1]), name="transitions")

    def call(self, x):
        scores = tf.transpose(x, [1, 0, 2])
        found = tf.TensorArray(tf.float32, tf.shape(scores)[0], element_shape=(None, x.shape[-1]))

        def body(t, best, found):
            best = tf.reduce_max(best[:, :, None] + self.transitions, axis=1) + scores[t]
            return t + 1, best, found.write(t, best)

        *_, found = tf.while_loop(lambda t, *_: t < tf.shape(scores)[0], body, (0, tf.zeros_like(x[:, 0]), found))
        return tf.transpose(found.stack(), [1, 0, 2])

    def compute_output_shape(self, shape):
        return shape


def mapped(x):
    return tf.map_fn(lambda row: tf.cumsum(row) * 2.0, x)


LOOPS = {
    "viterbi": lambda: Viterbi(name="loop"),
    "two": lambda: keras.Sequential([Viterbi(name="loop"), Viterbi(name="second")]),
    "map": lambda: keras.layers.Lambda(mapped, output_shape=(None, 6), name="loop"),
}


@pytest.mark.parametrize("name", LOOPS)
def test_any_other_loop_is_named(name):
    x = keras.Input((None, 3), name="x")
    h = keras.layers.Bidirectional(kerasrnn.layers.LSTM(3, return_sequences=True))(x)
    model, found = keras.Model(x, LOOPS[name]()(h)), {}
    forward = forward_signature(model)
    convert(model, forward.function, forward.inputs, fates=found)
    slow = {layer for layer, fate in found.items() if fate.startswith("general path, slow, as it runs a loop")}
    assert slow == ({"loop", "second"} if name == "two" else {"loop"})
    assert len(found) == 2 + len(slow) and layer_fates(model) == found


def test_a_language_model_of_mixed_precision():
    options = {"dtype": "mixed_bfloat16"}
    model = kerasrnn.models.LanguageModel([kerasrnn.cells.LSTMCell(4, **options)], vocabulary_size=5, **options)
    (fate,) = layer_fates(model).values()
    assert fate == "native LSTM"
    assert model.recurrent_layers[0].compute_dtype == "bfloat16"


def test_a_conversion_does_as_was_told():
    model, found = mixed(), {}
    forward = forward_signature(model)
    convert(model, forward.function, forward.inputs, fates=found)
    assert found == FATES


def test_bad_arguments():
    with pytest.raises(TypeError, match="model: expected a keras.Model"):
        layer_fates("runs/moby")
    with pytest.raises(ValueError, match="quantize: expected one of int8, float16, or None; received 'int4'"):
        layer_fates(mixed(), quantize="int4")
    x = keras.Input(batch_shape=(2, None, 3))
    with pytest.raises(ValueError, match="keeps: expected stateful=False"):
        layer_fates(keras.Model(x, kerasrnn.layers.GRU(2, stateful=True, name="keeps")(x)))
