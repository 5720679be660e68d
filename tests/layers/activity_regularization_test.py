import numpy as np
import pytest

from kerasrnn._backend import keras, tf
from kerasrnn.layers import TemporalActivityRegularization

H = np.random.default_rng(0).standard_normal((3, 6, 4)).astype("float32")
DROPPED = H * (np.random.default_rng(1).random((3, 1, 4)) < 0.5) * 2
MASK = np.array([[1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0], [0, 1, 0, 1, 1, 0]], bool)


def by_hand(alpha, beta, mask):
    """The sums, term by term."""
    squares, changes = [], []
    for b, row in enumerate(mask):
        for t, counts in enumerate(row):
            if counts:
                squares.extend(float(v) ** 2 for v in DROPPED[b, t])
                if t + 1 < len(row) and row[t + 1]:
                    changes.extend((float(v) - float(w)) ** 2 for v, w in zip(H[b, t], H[b, t + 1]))
    return alpha * np.mean(squares) + beta * np.mean(changes)


@pytest.mark.parametrize("jit", [False, True])
@pytest.mark.parametrize("mask", [None, MASK], ids=["no mask", "mask"])
def test_the_penalties_are_the_papers(mask, jit):
    layer = TemporalActivityRegularization(alpha=2.0, beta=0.7)

    @tf.function(jit_compile=jit)
    def penalty():
        assert layer(DROPPED, H, mask=mask, training=True) is not None
        return sum(layer.losses)

    expected = by_hand(2.0, 0.7, np.ones((3, 6), bool) if mask is None else mask)
    assert float(penalty()) == pytest.approx(expected, rel=1e-5)


def test_the_gradient_is_that_of_the_means():
    h = tf.constant(H)
    layer = TemporalActivityRegularization(alpha=3.0, beta=0.5)
    with tf.GradientTape() as tape:
        tape.watch(h)
        layer(h, training=True)
        loss = sum(layer.losses)
    change = np.diff(H, axis=1)
    expected = 3.0 * 2 * H / H.size
    expected[:, 1:] += 0.5 * 2 * change / change.size
    expected[:, :-1] -= 0.5 * 2 * change / change.size
    np.testing.assert_allclose(tape.gradient(loss, h), expected, rtol=1e-4, atol=1e-7)


def test_windows_of_one_step_and_rows_of_no_step_give_no_nan():
    layer = TemporalActivityRegularization(2.0, 1.0)
    layer(H[:, :1], training=True)
    assert float(layer.losses[0]) == pytest.approx(2 * np.mean(H[:, :1] ** 2), rel=1e-5)
    layer = TemporalActivityRegularization(2.0, 1.0)
    layer(H, mask=np.zeros((3, 6), bool), training=True)
    assert float(layer.losses[0]) == 0.0


def test_nothing_at_inference_nor_without_weights():
    for layer, training in ((TemporalActivityRegularization(), False), (TemporalActivityRegularization(0, 0), True)):
        np.testing.assert_array_equal(layer(DROPPED, H, training=training), DROPPED)
        assert layer.losses == []


def test_float16_outputs_are_summed_in_float32():
    layer = TemporalActivityRegularization(1.0, 0.0, dtype="mixed_float16")
    y = layer(tf.fill((10, 100, 100), 3.0), training=True)
    assert y.dtype == "float16"
    assert layer.losses[0].dtype == "float32"
    assert float(layer.losses[0]) == pytest.approx(9.0)


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_fit_adds_it_to_the_training_loss_alone_and_reads_keras_s_mask(policy, tmp_path):
    inputs = keras.Input((None,), dtype="int32")
    x = keras.layers.Embedding(6, 4, mask_zero=True, dtype=policy)(inputs)
    x = TemporalActivityRegularization(2.0, 1.0, dtype=policy)(x, x)
    model = keras.Model(inputs, keras.layers.Dense(1, kernel_initializer="zeros", dtype="float32")(x))
    model.compile(keras.optimizers.SGD(0.0), loss="mse")
    ids, y = np.array([[1, 2, 3, 0]]), np.zeros((1, 4, 1))
    h = model.layers[1].embeddings.numpy()[[1, 2, 3]]
    expected = 2 * np.mean(h**2) + np.mean(np.diff(h, axis=0) ** 2)
    history = model.fit(ids, y, validation_data=(ids, y), verbose=0).history
    assert history["loss"][0] == pytest.approx(expected, rel=1e-5 if policy == "float32" else 1e-2)
    assert history["val_loss"][0] == 0.0
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert [layer.get_config() for layer in loaded.layers] == [layer.get_config() for layer in model.layers]


@pytest.mark.parametrize("arguments", [{"alpha": -1}, {"beta": float("nan")}, {"beta": "1"}, {"alpha": None}])
def test_bad_weights(arguments):
    with pytest.raises(ValueError, match=f"{next(iter(arguments))}: expected a weight of at least 0; received"):
        TemporalActivityRegularization(**arguments)
