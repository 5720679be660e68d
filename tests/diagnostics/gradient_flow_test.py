"""The gradient by lag: by the closed form of linear networks, and by the layers' own gradients from states on the way."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from diagnostics.networks import Transposed

import kerasrnn
from kerasrnn.diagnostics import gradient_flow, half_life

STEPS, FEATURES, UNITS, ROWS = 9, 3, 4, 2


def sequences(steps=STEPS, dtype="float32"):
    return np.random.default_rng(0).normal(size=(ROWS, steps, FEATURES)).astype(dtype)


def linear(matrix, layer=keras.layers.SimpleRNN, **options):
    """h_t = A h_(t−1) + kernelᵀ x_t."""
    options = {"return_sequences": True, "use_bias": False, **options}
    return layer(len(matrix), activation=None, recurrent_initializer=Transposed(matrix), **options)


def norms_of(matrix, gradients, lags):
    """The mean over rows of ‖(Aᵀ)^k g‖ for k = 0 … lags."""
    result = []
    for _ in range(lags + 1):
        result.append(np.linalg.norm(gradients, axis=1).mean())
        gradients = gradients @ matrix
    return np.array(result)


@pytest.mark.parametrize("layer", [keras.layers.SimpleRNN, kerasrnn.layers.SimpleRNN], ids=["keras", "kerasrnn"])
@pytest.mark.parametrize("kind", ["full", "rotation", "nilpotent"])
def test_closed_form_of_a_linear_network(layer, kind):
    matrix = {
        "full": np.random.default_rng(1).normal(size=(UNITS, UNITS)) / 2,
        "rotation": np.linalg.qr(np.random.default_rng(1).normal(size=(UNITS, UNITS)))[0],
        "nilpotent": np.eye(UNITS, k=1),
    }[kind]
    model = keras.Sequential([keras.Input((STEPS, FEATURES)), linear(matrix, layer)])
    x = sequences()
    (flow,) = gradient_flow(model, x, positions=3)
    assert flow.positions.tolist() == [4, 6, 8]
    outputs = np.asarray(model(x), "float64")
    for t, found in zip(flow.positions, flow.by_position):
        expected = norms_of(matrix, outputs[:, t], t)  # the gradient of ½ ‖h_t‖² is h_t
        np.testing.assert_allclose(found[: t + 1], expected, rtol=1e-5, atol=1e-6)
        assert np.isnan(found[t + 1 :]).all()
    np.testing.assert_allclose(flow.norms, np.nanmean(flow.by_position, axis=0), rtol=1e-12)


def test_closed_form_with_targets_and_an_output_layer():
    matrix = 0.9 * np.linalg.qr(np.random.default_rng(1).normal(size=(UNITS, UNITS)))[0]
    model = keras.Sequential([keras.Input((STEPS, FEATURES)), linear(matrix, return_sequences=False), keras.layers.Dense(2)])
    x, y = sequences(), np.ones((ROWS, 2), "float32")
    model.compile("sgd", "mse")
    (flow,) = gradient_flow(model, x, y)
    errors = np.asarray(model(x), "float64") - y
    expected = norms_of(matrix, errors @ np.asarray(model.layers[-1].kernel, "float64").T, STEPS - 1)
    np.testing.assert_allclose(flow.norms, expected, rtol=1e-5)
    assert flow.half_life == pytest.approx(np.log(2) / -np.log(0.9), rel=1e-4)
    (named,) = gradient_flow(model, x, y, loss=lambda targets, outputs: tf.reduce_mean((targets - outputs) ** 2, -1), lags=3)
    np.testing.assert_allclose(named.norms, expected[:4], rtol=1e-5)


def test_half_lives_of_a_network_that_keeps_and_one_that_grows():
    for scale, expected in ((1.0, np.inf), (1.1, np.inf), (0.5, 1.0)):
        model = keras.Sequential([keras.Input((STEPS, FEATURES)), linear(scale * np.eye(UNITS)[::-1])])
        (flow,) = gradient_flow(model, sequences(), positions=1)
        assert flow.half_life == pytest.approx(expected, rel=1e-5)


CELLS = {
    "lstm": lambda: kerasrnn.layers.LSTM(UNITS, return_sequences=True, return_state=True),
    "keras_lstm": lambda: keras.layers.LSTM(UNITS, return_sequences=True, return_state=True),
    "keras_gru": lambda: keras.layers.GRU(UNITS, return_sequences=True, return_state=True),
    "sru": lambda: kerasrnn.layers.RNN(kerasrnn.cells.SRUCell(UNITS), return_sequences=True, return_state=True),
    "projection": lambda: kerasrnn.layers.RNN(
        kerasrnn.cells.LSTMCell(UNITS, projection=2, peepholes=True), return_sequences=True, return_state=True
    ),
    "zoneout": lambda: kerasrnn.layers.RNN(
        kerasrnn.cells.GRUCell(UNITS), zoneout=0.3, return_sequences=True, return_state=True
    ),
    "backwards": lambda: keras.layers.GRU(UNITS, go_backwards=True, return_sequences=True, return_state=True),
    "stack": lambda: keras.layers.RNN(
        [keras.layers.LSTMCell(UNITS), keras.layers.GRUCell(2)], return_sequences=True, return_state=True
    ),
}


@pytest.mark.parametrize("masked", [False, True], ids=["whole", "masked"])
@pytest.mark.parametrize("kind", CELLS)
def test_as_the_layer_s_own_gradient_from_a_state_on_the_way(kind, masked):
    keras.utils.set_random_seed(0)
    layer, x = CELLS[kind](), tf.constant(sequences())
    inputs = keras.Input((STEPS, FEATURES))
    mask = np.ones((ROWS, STEPS), bool)
    if masked:
        mask[0, 6:] = mask[1, 2] = False
    model = keras.Model(inputs, layer(inputs, mask=keras.ops.convert_to_tensor(mask))[0])
    (flow,) = gradient_flow(model, x, positions=1)

    def run(first, last, **options):
        """The layer's steps from `first` to before `last`, in its own order."""
        steps = slice(STEPS - last, STEPS - first) if kind == "backwards" else slice(first, last)
        return layer(x[:, steps], mask=tf.constant(mask[:, steps]), **options)

    # A layer begun at a masked step gives zeros, not its states: from where row 0 is still read.
    for lag in (4, 6) if masked else (1, 3, 6):
        start = STEPS - lag  # the states after `start` steps are those of step t − lag, t = STEPS − 1
        _, *states = run(0, start)
        with tf.GradientTape() as tape:
            tape.watch(keras.tree.flatten(states))
            last = run(start, STEPS, initial_state=states)[0][:, -1]
            loss = tf.reduce_sum(last**2) / 2
        gradients = [g.numpy() for g in tape.gradient(loss, keras.tree.flatten(states))]
        expected = np.sqrt(sum((g**2).sum(axis=1) for g in gradients)).mean()
        assert flow.norms[lag] == pytest.approx(expected, rel=1e-4, abs=1e-7), lag


def test_halves_of_a_bidirectional_layer_look_into_the_past_and_the_future():
    matrix = 0.7 * np.linalg.qr(np.random.default_rng(1).normal(size=(UNITS, UNITS)))[0]
    model = keras.Sequential([keras.Input((STEPS, FEATURES)), keras.layers.Bidirectional(linear(matrix))])
    forward, backward = gradient_flow(model, sequences(), positions=3)
    assert (forward.positions.tolist(), backward.positions.tolist()) == ([4, 6, 8], [0, 2, 4])
    outputs = np.asarray(model(sequences()), "float64")
    np.testing.assert_allclose(forward.by_position[0, :5], norms_of(matrix, outputs[:, 4, :UNITS], 4), rtol=1e-5)
    np.testing.assert_allclose(backward.by_position[-1, :5], norms_of(matrix, outputs[:, 4, UNITS:], 4), rtol=1e-5)


def test_language_model_of_two_layers():
    keras.utils.set_random_seed(0)
    cells = [kerasrnn.cells.LSTMCell(4), kerasrnn.cells.GRUCell(5)]
    model = kerasrnn.models.LanguageModel(cells, vocabulary_size=7)
    model.compile()
    ids = np.random.default_rng(0).integers(0, 7, (3, 9))
    lower, upper = gradient_flow(model, ids[:, :-1], ids[:, 1:])
    assert (lower.name, upper.name) == ("rnn_0", "rnn_1")
    assert lower.norms.shape == upper.norms.shape == (8,) and (lower.norms > 0).all() and (upper.norms > 0).all()


def test_model_is_left_as_it_was():
    layer = keras.layers.LSTM(UNITS, stateful=True, return_sequences=True)
    model = keras.Sequential([keras.Input((STEPS, FEATURES), batch_size=ROWS), layer])
    model(sequences())
    before = [keras.ops.convert_to_numpy(state).copy() for state in layer.states]
    gradient_flow(model, sequences(), rows=1)
    assert "inner_loop" not in vars(layer) and not tf.config.functions_run_eagerly()
    for old, new in zip(before, layer.states):
        np.testing.assert_array_equal(old, keras.ops.convert_to_numpy(new))


def built(*layers, steps=STEPS):
    return keras.Sequential([keras.Input((steps, FEATURES)), *layers])


def not_finite():
    model = built(keras.layers.GRU(2))
    model.layers[0].cell.kernel.assign(np.full((FEATURES, 6), np.nan))
    return model


@pytest.mark.parametrize(
    ("model", "x", "options", "words"),
    [(lambda: built(keras.layers.Dense(2)), sequences(), {}, ["model", "recurrent layer", "dense"]),
     (lambda: keras.Sequential([keras.layers.GRU(2)]), sequences(), {}, ["model", "built", "Call it on a batch"]),
     (lambda: built(keras.layers.GRU(2), steps=None), sequences(1), {}, ["at least 2 steps", "received 1"]),
     (not_finite, sequences(), {}, ["finite weights", "kernel", "18"]),
     (lambda: built(keras.layers.GRU(2)), sequences() * np.nan, {}, ["inputs", "NaN"]),
     (lambda: built(keras.layers.GRU(2)), sequences()[:0], {}, ["inputs", "row"]),
     (lambda: built(keras.layers.GRU(2)), sequences(), {"lags": 0}, ["lags", "received 0"]),
     (lambda: built(keras.layers.GRU(2)), sequences(), {"rows": 0}, ["rows", "received 0"]),
     (lambda: built(keras.layers.GRU(2)), sequences(), {"targets": np.ones((ROWS, 2))}, ["loss", "not compiled"]),
     (lambda: built(keras.layers.GRU(2)), sequences(), {"loss": "mse"}, ["targets", "received None"]),
     (lambda: built(keras.layers.GRU(2)), sequences(), {"loss": np.ones(2)}, ["received ndarray", "(inputs, targets)"])],
    ids=["no_rnn", "not_built", "one_step", "weights", "nan", "no_rows", "lags", "rows", "no_loss", "no_targets",
         "targets_as_loss"],
)  # fmt: skip
def test_bad_input_is_named(model, x, options, words):
    with pytest.raises(ValueError) as caught:
        gradient_flow(model(), x, **options)
    assert all(word in str(caught.value) for word in words), caught.value


def test_a_layer_is_no_model():
    with pytest.raises(TypeError, match="keras.Sequential"):
        gradient_flow(keras.layers.GRU(2), sequences())


@pytest.mark.parametrize(
    ("norms", "expected"),
    [([5.0, *0.8 ** np.arange(9)], np.log(2) / -np.log(0.8)), ([1, 1, 1], np.inf), ([1, 2, 4], np.inf), ([1, 0, 0], 0.0),
     ([1, 0.25], 0.5), ([1, np.nan, 1], np.inf)],
    ids=["lag_0_apart", "constant", "grows", "nothing", "two", "nan"],
)  # fmt: skip
def test_half_life(norms, expected):
    assert half_life(np.array(norms, "float64")) == pytest.approx(expected)
