"""The recurrent Jacobian and Lyapunov exponents: by NumPy on linear networks, by finite differences on others."""

import keras
import numpy as np
import pytest
from diagnostics.networks import Transposed

import kerasrnn
from kerasrnn.diagnostics import lyapunov_exponents, recurrent_jacobian

FEATURES, ROWS = 3, 2


def model_of(layer, steps):
    return keras.Sequential([keras.Input((steps, FEATURES)), layer])


def linear(matrix, steps):
    recurrent = Transposed(matrix)
    return model_of(kerasrnn.layers.SimpleRNN(len(matrix), activation=None, recurrent_initializer=recurrent), steps)


def sequences(steps):
    return np.random.default_rng(0).normal(size=(ROWS, steps, FEATURES)).astype("float32")


@pytest.mark.parametrize("size", [4, 160], ids=["exact", "krylov"])
def test_linear_network(size):
    matrix = np.random.default_rng(1).normal(size=(size, size)) / size**0.5
    matrix[0, 0] += 2  # one eigenvalue and one singular value well apart, as Krylov's methods like it
    (found,) = recurrent_jacobian(linear(matrix, 5), sequences(5), positions=2)
    assert found.exact == (size == 4) and found.positions.tolist() == [0, 4]
    np.testing.assert_allclose(found.singular_values, np.linalg.norm(matrix, 2), rtol=1e-5)
    np.testing.assert_allclose(found.spectral_radii, np.abs(np.linalg.eigvals(matrix)).max(), rtol=1e-5)


def test_complex_and_clustered_eigenvalues_of_a_large_network():
    rotation = np.linalg.qr(np.random.default_rng(1).normal(size=(160, 160)))[0]
    (found,) = recurrent_jacobian(linear(0.9 * rotation, 3), sequences(3), positions=1)
    np.testing.assert_allclose(found.singular_values, 0.9, rtol=1e-5)
    np.testing.assert_allclose(found.spectral_radii, 0.9, rtol=0.05)


def test_lstm_by_finite_differences():
    keras.utils.set_random_seed(0)
    layer = kerasrnn.layers.LSTM(3, recurrent_initializer=keras.initializers.RandomNormal(stddev=1.0))
    model, x = model_of(layer, 4), sequences(4)[:1].astype("float64")
    (found,) = recurrent_jacobian(model, x.astype("float32"), positions=4)
    kernel, recurrent, bias = (np.asarray(w, "float64") for w in layer.get_weights())

    def step(state, x_t):
        h, c = np.split(state, 2)
        i, f, g, o = np.split(x_t @ kernel + h @ recurrent + bias, 4)
        c = c / (1 + np.exp(-f)) + np.tanh(g) / (1 + np.exp(-i))
        return np.concatenate([np.tanh(c) / (1 + np.exp(-o)), c])

    state = np.zeros(6)
    for t, x_t in enumerate(x[0]):
        jacobian = np.stack([(step(state + d, x_t) - step(state - d, x_t)) / 2e-6 for d in 1e-6 * np.eye(6)], axis=1)
        assert found.singular_values[t] == pytest.approx(np.linalg.norm(jacobian, 2), rel=1e-4)
        assert found.spectral_radii[t] == pytest.approx(np.abs(np.linalg.eigvals(jacobian)).max(), rel=1e-4)
        state = step(state, x_t)


def test_masked_steps_change_nothing():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4, FEATURES)), keras.layers.Masking(), keras.layers.GRU(3)])
    x = sequences(4)[:1]
    x[:, 2:] = 0
    (found,) = recurrent_jacobian(model, x, positions=4)
    np.testing.assert_allclose(found.singular_values[2:], 1, rtol=1e-6)
    assert (found.singular_values[:2] < 1).all()


def normal_matrix(eigenvalues):
    rotation = np.linalg.qr(np.random.default_rng(1).normal(size=(len(eigenvalues),) * 2))[0]
    return rotation @ np.diag(eigenvalues) @ rotation.T


@pytest.mark.parametrize(
    ("matrix", "steps"),
    [(normal_matrix([1.2, -0.8, 0.4, 0.2]), 60),
     (np.linalg.qr(np.random.default_rng(2).normal(size=(4, 4)))[0], 12),
     (np.array([[1.1, 3.0], [0.0, 0.3]]), 60)],
    ids=["symmetric", "rotation", "not_normal"],
)  # fmt: skip
def test_exponents_of_a_linear_network(matrix, steps):
    (found,) = lyapunov_exponents(linear(matrix, steps), sequences(steps), burn_in=steps * 2 // 3)
    expected = np.sort(np.log(np.abs(np.linalg.eigvals(matrix))))[::-1]
    np.testing.assert_allclose(found.exponents, expected, atol=1e-5)
    assert found.steps == steps - steps * 2 // 3


def test_exponents_are_finite_where_a_step_wipes_out():
    (found,) = lyapunov_exponents(linear(np.zeros((3, 3)), 4), sequences(4))
    np.testing.assert_allclose(found.exponents, np.log(1e-30))


def test_chaos_has_a_positive_exponent():
    def largest(gain):
        keras.utils.set_random_seed(0)
        recurrent = keras.initializers.RandomNormal(stddev=gain / 8)
        layer = keras.layers.SimpleRNN(
            64, kernel_initializer="zeros", recurrent_initializer=recurrent, bias_initializer=recurrent
        )
        return lyapunov_exponents(model_of(layer, 60), sequences(60), exponents=1, rows=1)[0].exponents[0]

    assert largest(0.5) < 0 < largest(3.0)


@pytest.mark.parametrize(
    ("function", "options", "words"),
    [(recurrent_jacobian, {"positions": 0}, "positions"), (lyapunov_exponents, {"exponents": 0}, "exponents"),
     (lyapunov_exponents, {"burn_in": -1}, "burn_in"), (lyapunov_exponents, {"burn_in": 5}, "fewer than the 5 steps")],
    ids=["positions", "exponents", "negative", "too_long"],
)  # fmt: skip
def test_bad_input_is_named(function, options, words):
    with pytest.raises(ValueError, match=words):
        function(linear(np.eye(2), 5), sequences(5), **options)
