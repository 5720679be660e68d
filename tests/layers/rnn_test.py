"""The layer against keras.layers.RNN: same weights in, same outputs, states and gradients out."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

import kerasrnn
from kerasrnn.cells import (
    Cell,
    GRUCell,
    IndRNNCell,
    LayerNormLSTMCell,
    LSTMCell,
    MinGRUCell,
    RGLRUCell,
    SimpleRNNCell,
    SRUCell,
)
from kerasrnn.layers import RNN

BATCH, TIME, FEATURES, UNITS = 3, 6, 5, 4

PAIRS = {
    "simple_rnn": (SimpleRNNCell, keras.layers.SimpleRNNCell),
    "lstm": (LSTMCell, keras.layers.LSTMCell),
    "gru": (GRUCell, keras.layers.GRUCell),
}
MASKS = {
    "none": None,
    "right": [[1, 1, 1, 1, 0, 0], [1, 1, 0, 0, 0, 0], [1, 1, 1, 1, 1, 1]],
    "left_interior_empty": [[0, 0, 1, 1, 1, 1], [1, 0, 1, 0, 0, 1], [0, 0, 0, 0, 0, 0]],
}
RUNS = {
    "eager": lambda f: f,
    "graph": tf.function,
    "xla": lambda f: tf.function(f, jit_compile=True),
}


def pair(name, cell_options=None, **options):
    """Our layer and Keras's with the same weights, all different."""
    random = np.random.default_rng(0)
    ours, theirs = (layer(cell(UNITS, **(cell_options or {})), **options)
                    for layer, cell in zip((RNN, keras.layers.RNN), PAIRS[name]))  # fmt: skip
    for layer in (ours, theirs):
        layer.build((BATCH, TIME, FEATURES))
        layer.built = True
    weights = [0.5 * random.standard_normal(w.shape).astype("float32") for w in ours.trainable_weights]
    for layer in (ours, theirs):
        for variable, value in zip(layer.trainable_weights, weights, strict=True):
            variable.assign(value)
    return ours, theirs


def results(layer, x, states, mask=None, training=True, wrap=tf.function):
    """Outputs, and the gradients of a loss that weighs each output differently."""

    @wrap
    def run(x, states):
        with tf.GradientTape() as tape:
            tape.watch([x, *states])
            outputs = tf.nest.flatten(layer(x, initial_state=states, mask=mask, training=training))
            loss = tf.add_n([
                tf.reduce_sum(tf.square(o) * tf.cast(i + 1, o.dtype)) for i, o in enumerate(outputs)
            ])  # fmt: skip
        return outputs, tape.gradient(loss, [x, *states, *(w.value for w in layer.trainable_weights)])

    return [[t.numpy() for t in part] for part in run(x, states)]


def inputs(state_size=(), seed=1):
    random = np.random.default_rng(seed)
    x = tf.constant(random.standard_normal((BATCH, TIME, FEATURES)), tf.float32)
    return x, [tf.constant(0.5 * random.standard_normal((BATCH, size)), tf.float32) for size in state_size]


def assert_equal(ours, theirs, tolerance=1e-5):
    for part_of_ours, part_of_theirs in zip(ours, theirs, strict=True):
        for a, b in zip(part_of_ours, part_of_theirs, strict=True):
            np.testing.assert_allclose(a, b, atol=tolerance * max(1, np.abs(b).max()))


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize(
    "options",
    [{}, {"return_sequences": True, "return_state": True}, {"go_backwards": True, "return_sequences": True},
     {"zero_output_for_mask": True, "return_sequences": True}],
    ids=["last", "sequences_and_states", "backwards", "zero_output_for_mask"],
)  # fmt: skip
@pytest.mark.parametrize("cell", PAIRS)
@pytest.mark.one_in(5)
def test_outputs_states_and_gradients_equal_keras_s(cell, options, mask):
    ours, theirs = pair(cell, **options)
    x, states = inputs(ours.state_size)
    mask = None if MASKS[mask] is None else tf.constant(np.array(MASKS[mask], bool))
    assert_equal(results(ours, x, states, mask), results(theirs, x, states, mask))


@pytest.mark.parametrize("training", [True, False], ids=["training", "inference"])
@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("cell", PAIRS)
@pytest.mark.one_in(5)
def test_every_way_of_running_gives_the_same(cell, run, training):
    ours, theirs = pair(cell, return_sequences=True, return_state=True)
    x, states = inputs(ours.state_size)
    expected = results(theirs, x, states)
    assert_equal(results(ours, x, states, training=training, wrap=RUNS[run]), expected)


@pytest.mark.parametrize("cell_options", [
    {"use_bias": False}, {"activation": "relu"}, {"activation": None}, {"implementation": 1}, {"unit_forget_bias": False},
    {"reset_after": False}, {"recurrent_activation": "hard_sigmoid"},
], ids=str)  # fmt: skip
def test_cell_options(cell_options):
    cell = {"unit_forget_bias": "lstm", "reset_after": "gru"}.get(next(iter(cell_options)), "gru")
    ours, theirs = pair(cell, cell_options, return_sequences=True)
    x, states = inputs(ours.state_size)
    assert_equal(results(ours, x, states), results(theirs, x, states))


def test_gradients_equal_finite_differences_in_float64():
    layer = RNN(GRUCell(3, dtype="float64"), return_sequences=True, dtype="float64")
    x = np.random.default_rng(0).standard_normal((2, 4, 3))
    layer.build(x.shape)
    layer.built = True

    def loss():
        return tf.reduce_sum(tf.sin(layer(tf.constant(x), training=True)))

    for variable in layer.trainable_weights:
        start = variable.numpy()
        direction = np.random.default_rng(1).standard_normal(start.shape)
        step = 1e-6
        variable.assign(start + step * direction)
        above = loss()
        variable.assign(start - step * direction)
        slope = (above - loss()) / (2 * step)
        variable.assign(start)
        with tf.GradientTape() as tape:
            value = loss()
        gradient = tape.gradient(value, variable.value)
        np.testing.assert_allclose(np.sum(gradient * direction), slope, rtol=1e-6)


class Peephole(Cell):
    """Gates that see the memory: weights of its own in pointwise."""

    gates = ("i", "f", "c", "o")
    state_names = ("h", "c")

    def build_pointwise(self):
        self.peephole = self.add_weight(shape=(3, self.units), name="peephole", initializer="random_normal")

    def pointwise(self, x, h, states):
        _, c = states
        p_i, p_f, p_o = ops.unstack(self.peephole)
        z_i, z_f, z_c, z_o = ops.split(x + h, 4, axis=-1)
        c = ops.sigmoid(z_f + p_f * c) * c + ops.sigmoid(z_i + p_i * c) * ops.tanh(z_c)
        h = ops.sigmoid(z_o + p_o * c) * ops.tanh(c)
        return h, [h, c]


class Normalised(Cell):
    """A layer within a cell, and an output unlike the state."""

    def build_pointwise(self):
        self.norm = keras.layers.LayerNormalization()
        self.norm.build((None, self.units))

    def pointwise(self, x, h, states):
        h = ops.tanh(self.norm(x + h))
        return 2.0 * h + 1.0, [h]


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("cell", [
    Peephole, Normalised, LayerNormLSTMCell, IndRNNCell, SRUCell, MinGRUCell, RGLRUCell,
    functools.partial(LSTMCell, peepholes=True), functools.partial(LSTMCell, projection=2, peepholes=True),
])  # fmt: skip
@pytest.mark.one_in(2)
def test_every_cell_s_scan_equals_its_plain_loop_in_all_gradients(cell, mask):
    ours = RNN(cell(UNITS), return_sequences=True, return_state=True)
    ours.build((BATCH, TIME, FEATURES))
    ours.built = True
    plain = keras.layers.RNN(ours.cell, return_sequences=True, return_state=True)
    x, states = inputs(ours.state_size)
    mask = None if MASKS[mask] is None else tf.constant(np.array(MASKS[mask], bool))
    assert_equal(results(ours, x, states, mask), results(plain, x, states, mask))


def test_a_cell_may_project_in_its_own_way():
    class Integrator(Cell):
        recurrent = False

        def build(self, input_shape):
            self.recurrent_kernel = None

        def project(self, inputs, masks=None):
            return 2.0 * inputs

        def pointwise(self, x, h, states):
            return x + states[0], [x + states[0]]

    x, _ = inputs()
    np.testing.assert_allclose(RNN(Integrator(FEATURES))(x), 2 * np.sum(x, axis=1), rtol=1e-5)


def test_a_cell_that_states_no_structure_takes_keras_s_loop():
    class Accumulate(keras.layers.Layer):
        state_size = FEATURES

        def call(self, inputs, states):
            return inputs + states[0], [inputs + states[0]]

    x, _ = inputs()
    np.testing.assert_allclose(RNN(Accumulate())(x), np.sum(x, axis=1), rtol=1e-5)
    stack = RNN([LSTMCell(3), GRUCell(4)])
    assert stack(x).shape == (BATCH, 4)


@pytest.mark.parametrize("cell_options", [{"dropout": 0.5}, {"recurrent_dropout": 0.5}, {"dropout": 0.4, "implementation": 1}],
                         ids=str)  # fmt: skip
def test_dropout_is_keras_s(cell_options):
    ours, theirs = pair("lstm", {**cell_options, "seed": 3}, return_sequences=True)
    x, states = inputs(ours.state_size)
    assert_equal(results(ours, x, states), results(theirs, x, states))
    assert np.abs(results(ours, x, states)[0][0] - results(ours, x, states)[0][0]).max() > 1e-3  # a new mask a call
    assert_equal(results(ours, x, states, training=False), results(theirs, x, states, training=False))


def test_stateful_carries_and_resets():
    ours, theirs = pair("lstm", stateful=True)
    x, _ = inputs()
    for layer in (ours, theirs):
        layer(x)
    np.testing.assert_allclose(ours(x), theirs(x), atol=1e-6)
    ours.reset_state()
    theirs.reset_state()
    np.testing.assert_allclose(ours(x), theirs(x), atol=1e-6)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_trains_in_bounds_of_keras_s(policy):
    x, _ = inputs()
    gradients = []
    ours, _ = pair("gru")
    weights = ours.get_weights()
    for layer_class, cell_class in ((RNN, GRUCell), (keras.layers.RNN, keras.layers.GRUCell)):
        layer = layer_class(cell_class(UNITS, dtype=policy), dtype=policy)
        layer.build(x.shape)
        layer.built = True
        layer.set_weights(weights)
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.cast(layer(x, training=True), tf.float32))
        gradients.append(tape.gradient(loss, [w.value for w in layer.trainable_weights]))
    for a, b in zip(*gradients):
        assert a.dtype == tf.float32
        np.testing.assert_allclose(a, b, atol=0.05 * np.abs(b).max())


def test_a_cell_of_another_precision_than_its_layer_is_refused():
    with pytest.raises(ValueError, match="dtype: expected the cell's, float32.* received mixed_bfloat16. Give the cell"):
        RNN(GRUCell(UNITS), dtype="mixed_bfloat16")
    RNN(GRUCell(UNITS, dtype="mixed_bfloat16"), dtype="mixed_bfloat16")


def test_inside_bidirectional_and_a_functional_model_that_fits():
    sequences = keras.Input((None, FEATURES))
    x = keras.layers.Bidirectional(RNN(LSTMCell(UNITS), return_sequences=True))(sequences)
    model = keras.Model(sequences, keras.layers.Dense(1)(RNN(GRUCell(UNITS))(x)))
    model.compile(keras.optimizers.Adam(0.03), "mse")
    data, targets = np.random.default_rng(0).standard_normal((32, TIME, FEATURES)), np.ones((32, 1))
    losses = model.fit(data, targets, epochs=8, verbose=0).history["loss"]
    assert losses[-1] < 0.8 * losses[0]


def test_save_and_load_whole_models_and_weights_with_keras_s_layer(tmp_path):
    def model(layer_class, cell_class):
        return keras.Sequential([keras.Input((None, FEATURES)), layer_class(cell_class(UNITS), name="rnn")])

    x, _ = inputs()
    ours, theirs = model(RNN, LSTMCell), model(keras.layers.RNN, keras.layers.LSTMCell)
    ours.save(tmp_path / "model.keras")
    np.testing.assert_array_equal(keras.models.load_model(tmp_path / "model.keras")(x), ours(x))
    for source, target in ((ours, theirs), (theirs, ours)):
        source.set_weights([np.random.default_rng(5).standard_normal(w.shape) for w in source.get_weights()])
        source.save_weights(tmp_path / "of.weights.h5")
        target.load_weights(tmp_path / "of.weights.h5")
        np.testing.assert_allclose(target(x), source(x), atol=1e-6)


def test_empty_batch():
    assert RNN(LSTMCell(UNITS))(tf.zeros((0, TIME, FEATURES))).shape == (0, UNITS)


def test_the_top_level_names_load_lazily():
    assert kerasrnn.layers.RNN is RNN
    with pytest.raises(AttributeError, match="nonsense"):
        kerasrnn.nonsense
