import numpy as np
import pytest

from kerasrnn._backend import keras, tf
from kerasrnn.layers import LockedDropout


def test_one_mask_a_row_and_feature_for_all_steps():
    dropped = LockedDropout(0.4, seed=3)(tf.ones((50, 7, 40)), training=True).numpy()
    np.testing.assert_array_equal(dropped, np.repeat(dropped[:, :1], 7, axis=1))
    mask = dropped[:, 0] > 0
    np.testing.assert_allclose(dropped[:, 0][mask], 1 / 0.6, rtol=1e-6)
    assert abs(mask.mean() - 0.6) < 4 * np.sqrt(0.24 / mask.size)
    assert len({row.tobytes() for row in mask}) == 50  # each row has its own


def test_the_gradient_has_the_same_mask():
    x = tf.Variable(np.random.default_rng(0).standard_normal((2, 5, 8)), dtype=tf.float32)
    with tf.GradientTape() as tape:
        y = LockedDropout(0.5, seed=1)(x, training=True)
    np.testing.assert_allclose(tape.gradient(y, x) * x, y, rtol=1e-6)


@pytest.mark.parametrize("jit", [False, True])
def test_seeded_and_fresh_at_each_call_in_graphs_too(jit):
    x = tf.ones((2, 3, 64))

    def two_draws():
        layer = LockedDropout(0.5, seed=7)
        run = tf.function(lambda: layer(x, training=True), jit_compile=jit)
        return run().numpy(), run().numpy()

    (first, second), (again, _) = two_draws(), two_draws()
    np.testing.assert_array_equal(first, again)
    assert (first != second).any()
    if not jit:  # XLA has other random numbers
        np.testing.assert_array_equal(first, LockedDropout(0.5, seed=7)(x, training=True))


def test_nothing_at_inference_nor_at_rate_zero():
    x = tf.ones((2, 3, 4))
    assert LockedDropout(0.5)(x) is x
    layer = LockedDropout(0.0)
    assert layer(x, training=True) is x
    assert layer.variables == []


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_keeps_the_compute_dtype(policy):
    y = LockedDropout(0.5, seed=1, dtype=policy)(tf.ones((2, 3, 4)), training=True)
    assert y.dtype == policy.removeprefix("mixed_")
    assert {*np.unique(tf.cast(y, "float32"))} <= {0.0, 2.0}


def test_saved_and_loaded_in_a_model_with_a_mask(tmp_path):
    inputs = keras.Input((None,), dtype="int32")
    x = keras.layers.Embedding(5, 4, mask_zero=True)(inputs)
    x = LockedDropout(0.3, seed=5)(x)
    model = keras.Model(inputs, keras.layers.GlobalAveragePooling1D()(x))  # which reads the mask
    ids = np.array([[1, 2, 0], [3, 0, 0]])
    expected = model(ids)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(ids), expected)
    assert loaded.layers[2].get_config() == model.layers[2].get_config()
    np.testing.assert_allclose(expected[1], model.layers[1].embeddings[3], rtol=1e-6)


@pytest.mark.parametrize("rate", [-0.1, 1.0, "0.5", None, True, float("nan")])
def test_bad_rates(rate):
    with pytest.raises(ValueError, match="rate: expected the share to drop, in \\[0, 1\\); received"):
        LockedDropout(rate)


def test_bad_inputs():
    with pytest.raises(ValueError, match="expected ndim=3, found ndim=2"):
        LockedDropout(0.5)(tf.ones((2, 3)))
