"""What the layer can do beside keras.layers.RNN: truncation, recomputation, noise, no steps, trained initial states."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasrnn.cells import GRUCell, LSTMCell, MinGRUCell, SimpleRNNCell
from kerasrnn.layers import RNN

BATCH, TIME, FEATURES, UNITS = 2, 7, 3, 4
X = np.random.default_rng(0).standard_normal((BATCH, TIME, FEATURES))
RUNS = {"eager": lambda f: f, "graph": tf.function, "xla": lambda f: tf.function(f, jit_compile=True)}


def layer_of(cell, dtype="float64", **options):
    layer = RNN(cell(UNITS, dtype=dtype), dtype=dtype, **{"return_sequences": True, **options})
    layer.build(X.shape)
    layer.built = True
    random = np.random.default_rng(1)
    layer.set_weights([random.standard_normal(w.shape) if w.dtype.kind == "f" else w for w in layer.get_weights()])
    return layer


def gradients(layer, wrap=tf.function, x=X, **call):
    @wrap
    def run(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            outputs = tf.nest.flatten(layer(x, training=True, **call))
            loss = tf.add_n([tf.reduce_sum(tf.sin(o)) for o in outputs])
        return outputs, tape.gradient(loss, [x, *(w.value for w in layer.trainable_weights)])

    return tf.nest.flatten(run(tf.constant(x)))


def assert_all_close(ours, theirs, **tolerance):
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, **{"atol": 1e-12, **tolerance})


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("k", [1, 2, 3, 7, 100])
@pytest.mark.parametrize("options", [{"return_state": True}, {"return_sequences": False}], ids=str)
@pytest.mark.parametrize("cell", [LSTMCell, GRUCell])
@pytest.mark.one_in(7)
def test_recomputation_changes_nothing(cell, options, k, masked):
    mask = tf.constant(np.random.default_rng(2).random((BATCH, TIME)) < 0.6) if masked else None
    expected = gradients(layer_of(cell, **options), mask=mask)
    assert_all_close(gradients(layer_of(cell, checkpoint_steps=k, **options), mask=mask), expected)


@pytest.mark.parametrize("k", [1, 3, 7, 100])
@pytest.mark.parametrize("cell", [LSTMCell, GRUCell])
@pytest.mark.one_in(3)
def test_recomputation_under_xla(cell, k):
    expected = gradients(layer_of(cell))
    assert_all_close(gradients(layer_of(cell, checkpoint_steps=k), RUNS["xla"]), expected, atol=1e-9)


@pytest.mark.parametrize("truncate", [1, 2, 3, 7, 50])
def test_truncation_is_a_stop_of_the_gradient_between_segments(truncate):
    layer = layer_of(LSTMCell, truncate=truncate, return_state=True)

    def explicit(x, training):
        states = layer.get_initial_state(BATCH)
        outputs = []
        for t in range(TIME):
            if t and t % truncate == 0:
                states = [tf.stop_gradient(s) for s in states]
            output, states = layer.cell(x[:, t], states)
            outputs.append(output)
        return tf.stack(outputs, axis=1), *states

    explicit.trainable_weights = layer.trainable_weights
    assert_all_close(gradients(layer), gradients(explicit))


def test_truncation_is_off_at_inference_and_leaves_the_values():
    cut, full = layer_of(GRUCell, truncate=2), layer_of(GRUCell)
    np.testing.assert_array_equal(cut(X, training=True), full(X, training=True))
    x = tf.constant(X)
    for layer in (cut, full):
        with tf.GradientTape() as tape:
            tape.watch(x)
            last = layer(x, training=False)[:, -1]
        assert np.abs(tape.gradient(last, x)[:, 0]).max() > 1e-6


def test_randomized_truncation_is_unbiased_and_of_its_mean_length():
    full = gradients(layer_of(SimpleRNNCell))
    layer = layer_of(SimpleRNNCell, truncate=3, truncation="randomized", seed=5)

    @tf.function
    def kernel_gradient(x):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.sin(layer(x, training=True)))
        return tape.gradient(loss, layer.cell.recurrent_kernel.value)

    draws = np.stack([kernel_gradient(X) for _ in range(3000)])
    standard_error = draws.std(axis=0) / np.sqrt(len(draws))
    assert np.all(standard_error > 0)
    assert np.all(np.abs(draws.mean(axis=0) - full[3]) < 5 * standard_error)
    cut = layer_of(SimpleRNNCell, truncate=3)
    assert np.any(np.abs(gradients(cut)[3] - full[3]) > 5 * standard_error)  # which plain truncation is not


def test_weight_drop_is_one_dropout_of_the_kernel_a_batch():
    layer = layer_of(GRUCell, weight_drop=0.5, seed=3)
    start = layer.seed_generator.state.numpy()
    received = gradients(layer)
    again = gradients(layer)
    assert np.abs(received[0] - again[0]).max() > 1e-3
    layer.seed_generator.state.assign(start)
    assert_all_close(gradients(layer), received)

    plain = layer_of(GRUCell)
    dropped = keras.random.dropout(plain.cell.recurrent_kernel, 0.5, seed=keras.random.SeedGenerator(3))
    np.testing.assert_array_equal(layer(X, training=False), plain(X))
    plain.cell.recurrent_kernel.assign(dropped)
    np.testing.assert_allclose(received[0], gradients(plain)[0], atol=1e-12)
    scale = np.where(dropped == 0, 0, 2.0)
    np.testing.assert_allclose(received[3], scale * gradients(plain)[3], atol=1e-12)


@pytest.mark.parametrize("cell", [LSTMCell, GRUCell])
def test_zoneout_keeps_units_and_is_its_mean_at_inference(cell):
    layer = layer_of(cell, zoneout=0.4, seed=3, return_state=True)
    one_step = tf.constant(np.random.default_rng(0).standard_normal((2000, 1, FEATURES)))
    start = [tf.constant(np.random.default_rng(i).standard_normal((2000, UNITS))) for i, _ in enumerate(layer.state_size)]
    outputs, *states = layer(one_step, initial_state=start, training=True)
    plain_outputs, *plain_states = layer_of(cell, return_state=True)(one_step, initial_state=start)
    for old, new, plain in zip(start, states, plain_states):
        kept = np.asarray(new == old)
        assert abs(kept.mean() - 0.4) < 0.02
        np.testing.assert_allclose(new, np.where(kept, old, plain))
    np.testing.assert_array_equal(outputs[:, 0], states[0])  # the output is the state
    _, *mean_states = layer(one_step, initial_state=start, training=False)
    for old, mean, plain in zip(start, mean_states, plain_states):
        np.testing.assert_allclose(mean, 0.4 * old + 0.6 * plain)


def test_zoneout_s_gradient_sees_the_same_draw():
    layer = layer_of(GRUCell, zoneout=0.5, seed=3)
    start = layer.seed_generator.state.numpy()

    def loss(x):
        layer.seed_generator.state.assign(start)
        return tf.reduce_sum(tf.sin(layer(tf.constant(x), training=True)))

    layer.seed_generator.state.assign(start)
    gradient = gradients(layer)[1]
    direction = np.random.default_rng(1).standard_normal(X.shape)
    slope = (loss(X + 1e-6 * direction) - loss(X - 1e-6 * direction)) / 2e-6
    np.testing.assert_allclose(np.sum(gradient * direction), slope, rtol=1e-6)
    layer.seed_generator.state.assign(start)
    twice = [layer(X, training=True) for _ in range(2)]
    assert np.abs(twice[0] - twice[1]).max() > 1e-3
    # Another step is another draw, in this call and in the next.
    assert np.abs(twice[0][:, 1:] - twice[1][:, :-1]).max() > 1e-3


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("batch, steps", [(0, 5), (3, 0), (0, 0)])
@pytest.mark.parametrize("options", [{}, {"checkpoint_steps": 2}, {"return_sequences": False}], ids=str)
def test_no_rows_and_no_steps(options, batch, steps, run):
    layer = layer_of(GRUCell, return_state=True, **options)
    state = tf.ones((batch, UNITS), tf.float64)

    def call(x, state):
        with tf.GradientTape() as tape:
            tape.watch(state)
            output, last = layer(x, initial_state=[state], training=True)
        return output, last, tape.gradient(last, [state, layer.cell.kernel.value], unconnected_gradients="zero")

    output, last, (d_state, d_kernel) = RUNS[run](call)(tf.zeros((batch, steps, FEATURES), tf.float64), state)
    assert output.shape == ((batch, UNITS) if options.get("return_sequences") is False else (batch, steps, UNITS))
    assert np.all(d_kernel == 0)
    if steps == 0:
        np.testing.assert_array_equal(last, state)
        np.testing.assert_array_equal(d_state, tf.ones_like(state))


def test_no_steps_in_a_graph_of_any_length():
    layer = layer_of(LSTMCell, dtype="float32")
    layer.cell.dropout = 0.5
    run = tf.function(lambda x: layer(x, training=True), [tf.TensorSpec((None, None, FEATURES))])
    assert run(tf.zeros((2, 0, FEATURES))).shape == (2, 0, UNITS)
    assert run(tf.zeros((0, 3, FEATURES))).shape == (0, 3, UNITS)
    model = keras.Sequential([keras.Input((None, FEATURES)), layer])
    assert model.predict(np.zeros((2, 0, FEATURES)), verbose=0).shape == (2, 0, UNITS)


def test_trainable_initial_states(tmp_path):
    layer = layer_of(LSTMCell, trainable_initial_state=True, return_sequences=False)
    names = [w.name for w in layer.trainable_weights]
    assert names[:2] == ["initial_state_0", "initial_state_1"]
    given = [tf.tile(w[None], [BATCH, 1]) for w in layer.get_weights()[:2]]
    np.testing.assert_allclose(layer(X), layer(X, initial_state=given))
    _, _, d_h, d_c, *_ = gradients(layer)
    assert np.abs(d_h).max() > 1e-6 and np.abs(d_c).max() > 1e-6
    model = keras.Sequential([keras.Input((None, FEATURES)), layer])
    model.save(tmp_path / "model.keras")
    np.testing.assert_array_equal(keras.models.load_model(tmp_path / "model.keras")(X), model(X))


def test_options_are_in_the_configuration_only_when_used():
    options = {"truncate": 5, "truncation": "randomized", "checkpoint_steps": 9, "weight_drop": 0.1, "zoneout": 0.2, "seed": 4}
    config = RNN(GRUCell(3), **options).get_config()
    assert {name: config[name] for name in options} == options
    assert RNN.from_config(dict(config)).get_config() == config
    assert keras.layers.RNN.from_config(RNN(GRUCell(3)).get_config()).cell.units == 3


@pytest.mark.parametrize(
    ("options", "name"),
    [({"truncate": 0}, "truncate"), ({"truncate": 2.5}, "truncate"), ({"truncation": "sliding"}, "truncation"),
     ({"checkpoint_steps": -1}, "checkpoint_steps"), ({"weight_drop": 1.0}, "weight_drop"), ({"zoneout": -0.1}, "zoneout"),
     ({"truncate": 3, "unroll": True}, "truncate"), ({"trainable_initial_state": True, "stateful": True}, "stateful=False"),
      ({"nonsense": 1}, "nonsense")],
    ids=str,
)  # fmt: skip
def test_bad_options_are_refused_by_name(options, name):
    with pytest.raises(ValueError, match=name):
        RNN(GRUCell(3), **options)


def test_options_need_a_cell_that_fits():
    with pytest.raises(ValueError, match="zoneout: needs a cell"):
        RNN(keras.layers.GRUCell(3), zoneout=0.1)


def test_wrong_shapes_are_named():
    layer = layer_of(LSTMCell)
    with pytest.raises(ValueError, match="mask: expected shape"):
        layer(X, mask=tf.ones((BATCH, TIME + 1), tf.bool))
    with pytest.raises(ValueError, match="initial_state: expected 2 of shapes"):
        layer(X, initial_state=[tf.zeros((BATCH, UNITS))])
    with pytest.raises(ValueError, match="initial_state: expected 2 of shapes"):
        layer(X, initial_state=[tf.zeros((BATCH + 1, UNITS))] * 2)
    with pytest.raises(ValueError, match="sequences: expected 3 features.*received 4"):
        layer(tf.zeros((BATCH, TIME, FEATURES + 1)))
    with pytest.raises(ValueError, match="state_size"):
        RNN(keras.layers.Dense(3))


def test_wrong_dtypes_are_named_and_numbers_are_taken():
    layer = layer_of(LSTMCell)
    for dtype in (tf.string, tf.complex64):
        wrong = tf.cast(tf.ones((BATCH, TIME)), dtype) if dtype != tf.string else tf.fill((BATCH, TIME), "x")
        with pytest.raises(ValueError, match=f"mask: expected real numbers or booleans; received dtype {dtype.name}"):
            layer(X, mask=wrong)
        with pytest.raises(ValueError, match=f"initial_state: expected real numbers.*received dtype {dtype.name}"):
            layer(X, initial_state=[wrong[:, :UNITS]] * 2)
    whole, real = (layer(X, initial_state=[tf.ones((BATCH, UNITS), d)] * 2) for d in (tf.int32, tf.float64))
    np.testing.assert_array_equal(whole, real)


def test_a_weight_that_is_not_a_number_reaches_every_output():
    layer = layer_of(LSTMCell)
    layer.cell.recurrent_kernel.assign(np.full((UNITS, 4 * UNITS), np.nan))
    assert np.isnan(layer(X)).all()  # h · recurrent_kernel is NaN at the first step already: 0 · NaN


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.one_in(3)
def test_stateful_trains_in_mixed_precision(policy, jit_compile):
    keras.utils.set_random_seed(0)
    layer = RNN(LSTMCell(UNITS, dtype=policy), stateful=True, dtype=policy)
    model = keras.Sequential([keras.Input(batch_shape=(BATCH, TIME, FEATURES)), layer])
    model.compile(keras.optimizers.SGD(1.0), "mse", jit_compile=jit_compile)
    losses = model.fit(X, np.ones((BATCH, UNITS)), batch_size=BATCH, epochs=8, verbose=0).history["loss"]
    assert losses[-1] < 0.7 * losses[0]
    before = model.predict(X, batch_size=BATCH, verbose=0)
    assert np.abs(model.predict(X, batch_size=BATCH, verbose=0).astype("float32") - before).max() > 0  # the state went on


@pytest.mark.parametrize("run", ["graph", "xla"])
@pytest.mark.parametrize("cell", [LSTMCell, GRUCell, MinGRUCell])
@pytest.mark.one_in(5)
def test_second_derivatives_are_those_of_an_unrolled_loop(cell, run):
    layer = layer_of(cell)
    unrolled = keras.layers.RNN(layer.cell, return_sequences=True, unroll=True, dtype="float64")

    def second(layer):
        def derivative(x):
            kernel = unrolled.cell.kernel.value
            with tf.GradientTape() as outer:
                outer.watch(x)
                with tf.GradientTape() as inner:
                    inner.watch(x)
                    loss = tf.reduce_sum(tf.sin(layer(x, training=True)))
                steepness = tf.reduce_sum(tf.square(inner.gradient(loss, x)))
            return outer.gradient(steepness, [x, kernel])

        return RUNS[run](derivative)(tf.constant(X))

    assert_all_close(second(layer), second(unrolled), rtol=1e-9)
