import numpy as np
import pytest

from kerasrnn._backend import keras, tf
from kerasrnn.layers import EmbeddingDropout

VOCABULARY, WIDTH = 200, 3
IDS = np.random.default_rng(0).integers(0, VOCABULARY, (30, 40))
MATRIX = 1 + np.random.default_rng(1).random((VOCABULARY, WIDTH)).astype("float32")


def test_a_word_is_dropped_everywhere_or_nowhere_as_by_dropout_on_the_rows_of_the_matrix():
    y = EmbeddingDropout(0.25, VOCABULARY, seed=2)(tf.gather(MATRIX, IDS), IDS, training=True).numpy()
    kept = np.ones(VOCABULARY, bool)
    kept[IDS[(y == 0).all(axis=-1)]] = False
    np.testing.assert_allclose(y, (MATRIX * kept[:, None] / 0.75)[IDS], rtol=1e-6)
    assert 0.6 < kept.mean() < 0.9


@pytest.mark.parametrize("jit", [False, True])
def test_seeded_and_fresh_at_each_call_in_graphs_too(jit):
    def two_draws():
        layer = EmbeddingDropout(0.5, VOCABULARY, seed=7)
        run = tf.function(lambda ids: layer(tf.gather(MATRIX, ids), ids, training=True), jit_compile=jit)
        return run(IDS).numpy(), run(IDS).numpy()

    (first, second), (again, _) = two_draws(), two_draws()
    np.testing.assert_array_equal(first, again)
    assert (first != second).any()


def test_the_gradient_reaches_only_the_words_kept():
    matrix, ids = tf.Variable(MATRIX), np.array([[3, 4, 5, 3, 6]])
    with tf.GradientTape() as tape:
        y = EmbeddingDropout(0.5, VOCABULARY, seed=4)(tf.gather(matrix, ids), ids, training=True)
    gradient = tf.convert_to_tensor(tape.gradient(y, matrix)).numpy()
    kept = (y.numpy()[0] > 0).all(-1)
    expected = np.zeros_like(MATRIX)
    for token, k in zip(ids[0], kept):
        expected[token] += 2.0 * k
    np.testing.assert_allclose(gradient, expected)
    assert 0 < kept.sum() < 5


def test_nothing_at_inference_nor_at_rate_zero():
    x = tf.gather(MATRIX, IDS)
    np.testing.assert_array_equal(EmbeddingDropout(0.5, VOCABULARY)(x, IDS), x)
    np.testing.assert_array_equal(EmbeddingDropout(0.0, VOCABULARY)(x, IDS, training=True), x)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_keeps_the_compute_dtype(policy):
    layer = EmbeddingDropout(0.5, VOCABULARY, seed=1, dtype=policy)
    y = layer(tf.ones((2, 3, 4)), np.array([[1, 2, 3], [1, 2, 3]]), training=True)
    assert y.dtype == policy.removeprefix("mixed_")
    assert {*np.unique(tf.cast(y, "float32"))} <= {0.0, 2.0}


def test_saved_and_loaded_in_a_model_with_a_mask(tmp_path):
    inputs = keras.Input((None,), dtype="int32")
    x = EmbeddingDropout(0.3, 5, seed=5)(keras.layers.Embedding(5, 4, mask_zero=True)(inputs), inputs)
    model = keras.Model(inputs, keras.layers.GlobalAveragePooling1D()(x))  # which reads the mask
    ids = np.array([[1, 2, 0], [3, 0, 0]])
    expected = model(ids)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(ids), expected)
    assert [layer.get_config() for layer in loaded.layers] == [layer.get_config() for layer in model.layers]
    np.testing.assert_allclose(expected[1], model.layers[1].embeddings[3], rtol=1e-6)
    assert (model(ids, training=True) != expected).numpy().any()


@pytest.mark.parametrize("size", [0, -1, 2.5, None, True])
def test_bad_vocabulary_sizes(size):
    with pytest.raises(ValueError, match="vocabulary_size: expected a positive integer"):
        EmbeddingDropout(0.5, size)


def test_bad_rates():
    with pytest.raises(ValueError, match="rate: expected the share to drop"):
        EmbeddingDropout(1.0, 5)
