"""LSTM, GRU and SimpleRNN against keras.layers's over a grid of options: outputs, states and all gradients."""

import keras
import numpy as np
import tensorflow as tf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import kerasrnn

MASKS = ("none", "full", "right", "left", "interior", "empty row")


def mask_of(kind, batch, steps, random):
    lengths = random.integers(1, steps + 1, batch)[:, None]
    t = np.arange(steps)
    masks = {
        "full": np.ones((batch, steps), bool),
        "right": t < lengths,
        "left": t >= steps - lengths,
        "interior": random.random((batch, steps)) < 0.6,
        "empty row": (t < lengths) & (np.arange(batch) > 0)[:, None],
    }
    return None if kind == "none" else tf.constant(masks[kind])


def results(layer, x, states, mask, training):
    @tf.function
    def run(x, states):
        with tf.GradientTape() as tape:
            tape.watch([x, states])
            outputs = tf.nest.flatten(layer(x, initial_state=states or None, mask=mask, training=training))
            loss = tf.add_n([tf.reduce_sum(tf.sin((1 + i) * o)) for i, o in enumerate(outputs)])
        return outputs, tape.gradient(loss, [x, *states, *(w.value for w in layer.trainable_weights)])

    return tf.nest.flatten(run(x, states))


@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_outputs_states_and_gradients_equal_keras_s(data):
    name = data.draw(st.sampled_from(["LSTM", "GRU", "SimpleRNN"]))
    batch, steps, features, units = (data.draw(st.integers(1, high), label) for label, high in
                                     [("batch", 4), ("time", 7), ("features", 4), ("units", 5)])  # fmt: skip
    booleans = ["use_bias", "return_sequences", "return_state", "go_backwards", "zero_output_for_mask"]
    booleans += {"LSTM": ["unit_forget_bias"], "GRU": ["reset_after"], "SimpleRNN": []}[name]
    options = {option: data.draw(st.booleans(), option) for option in booleans}
    options["activation"] = data.draw(st.sampled_from(["tanh", "relu", "softsign", None]), "activation")
    if name != "SimpleRNN":
        options["recurrent_activation"] = data.draw(st.sampled_from(["sigmoid", "hard_sigmoid"]), "recurrent_activation")
        options["implementation"] = data.draw(st.sampled_from([1, 2]), "implementation")
    kind, training = data.draw(st.sampled_from(MASKS), "mask"), data.draw(st.booleans(), "training")
    random = np.random.default_rng(data.draw(st.integers(0, 99), "seed"))

    ours, theirs = (getattr(layers, name)(units, dtype="float64", **options) for layers in (kerasrnn.layers, keras.layers))
    for layer in (ours, theirs):
        layer.build((batch, steps, features))
    weights = [0.7 * random.standard_normal(w.shape) for w in theirs.trainable_weights]
    for layer in (ours, theirs):
        assert [w.name for w in layer.trainable_weights] == [w.name for w in theirs.trainable_weights]
        for variable, value in zip(layer.trainable_weights, weights, strict=True):
            variable.assign(value)
    x = tf.constant(random.standard_normal((batch, steps, features)))
    num_states = data.draw(st.sampled_from([0, 2 if name == "LSTM" else 1]), "states given")
    states = [tf.constant(random.standard_normal((batch, units))) for _ in range(num_states)]
    mask = mask_of(kind, batch, steps, random)
    for a, b in zip(results(ours, x, states, mask, training), results(theirs, x, states, mask, training), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9)
