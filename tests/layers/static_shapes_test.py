"""Shapes where no value is known yet: in graphs and for symbolic tensors, dimension by dimension as Keras has them."""

import keras
import numpy as np
import onnxruntime
import pytest
import tensorflow as tf
from families import OPTIONS, PAIRS, WRAPPERS, product, sampled

FEATURES = 3
SHAPES = [(None, None, FEATURES), (None, 10, FEATURES), (4, None, FEATURES), (4, 10, FEATURES), (None, 1, FEATURES)]
CASES = [
    (name, wrapper, options, shape, masked, mode)
    for name, wrapper, options, shape, masked, mode in product(
        PAIRS, WRAPPERS, OPTIONS, SHAPES, (False, True), ("symbolic", "graph", "graph with training")
    )
    if not (wrapper and "go_backwards" in options)
    and not ("unroll" in options and shape[1] is None)
    and not ("stateful" in options and shape[0] is None)
]


def static_shapes(layer, shape, masked, mode):
    def call(x, mask=None):
        given = {} if mask is None else {"mask": mask}
        return layer(x, training=True if mode == "graph with training" else None, **given)

    if mode == "symbolic":
        results = call(*[keras.KerasTensor(shape), keras.KerasTensor(shape[:2], dtype="bool")][: 1 + masked])
    else:
        layer.build(shape)
        signature = [tf.TensorSpec(shape), tf.TensorSpec(shape[:2], tf.bool)][: 1 + masked]
        results = tf.function(call, input_signature=signature).get_concrete_function().structured_outputs
    return [tuple(value.shape) for value in keras.tree.flatten(results)]


def check(name, wrapper, options, shape, masked, mode):
    ours, theirs = (static_shapes(WRAPPERS[wrapper](make(**options)), shape, masked, mode) for make in PAIRS[name])
    assert ours == theirs, (name, wrapper, options, shape, masked, mode)


@pytest.mark.parametrize("name", PAIRS)
def test_some_static_shapes_are_keras_s(name):
    for case in sampled((c for c in CASES if c[0] == name), 3, seed=len(name)):
        check(*case)
    check(name, "", {"return_sequences": True}, (None, 10, FEATURES), True, "graph")


@pytest.mark.slow
@pytest.mark.parametrize("name", PAIRS)
def test_all_static_shapes_are_keras_s(name):
    for case in CASES:
        if case[0] == name:
            check(*case)


@pytest.mark.parametrize("name", ["LSTM", "MinGRUCell", "LayerNormLSTMCell"])
@pytest.mark.parametrize("steps", [10, None])
def test_what_the_states_say_of_the_batch_is_kept(name, steps):
    found = []
    for make in PAIRS[name]:
        layer = make(return_sequences=True, return_state=True)
        layer.build((None, steps, FEATURES))
        states = [tf.TensorSpec((4, size)) for size in layer.state_size]

        def call(x, *states, layer=layer):
            return layer(x, initial_state=list(states))

        traced = tf.function(call, input_signature=[tf.TensorSpec((None, steps, FEATURES)), *states]).get_concrete_function()
        found.append([tuple(value.shape)[1:] for value in traced.structured_outputs])
    assert found[0] == found[1]


@pytest.mark.parametrize("make", PAIRS["LSTM"], ids=["ours", "keras"])
def test_layers_behind_see_the_number_of_steps(make):
    """Where the static shape is used: what Keras computes with it in `predict`, at any batch size."""
    x = tf.random.stateless_normal((7, 10, FEATURES), (0, 1))
    for behind in (
        [keras.layers.TimeDistributed(keras.layers.Dense(2))],
        [keras.layers.BatchNormalization(axis=1), keras.layers.Flatten(), keras.layers.Dense(2)],
        [keras.layers.Permute((2, 1)), keras.layers.Dense(3)],
        [make(return_sequences=True, unroll=True)],
    ):
        model = keras.Sequential([keras.Input((10, FEATURES)), make(return_sequences=True), *behind])
        expected = model(x)
        for rows in (1, 4, 7):
            given = model.predict(x[:rows], batch_size=rows, verbose=0)
            assert given.shape == (rows, *expected.shape[1:])
            tf.debugging.assert_near(given, expected[:rows], atol=1e-5)


@pytest.mark.parametrize("name", ["LSTM", "GRU", "SimpleRNN"])
def test_keras_s_own_onnx_export_of_a_fixed_length_is_loaded(name, tmp_path):
    make = PAIRS[name].ours
    model = keras.Sequential([keras.Input((10, FEATURES)), make(return_sequences=True), make(), keras.layers.Dense(2)])
    x = np.random.default_rng(0).standard_normal((3, 10, FEATURES)).astype("float32")
    expected = model.predict(x, verbose=0)
    model.export(tmp_path / "model.onnx", format="onnx", verbose=False)
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    (received,) = session.run(None, {session.get_inputs()[0].name: x})
    np.testing.assert_allclose(received, expected, atol=1e-6)
