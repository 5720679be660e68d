import numpy as np
import pytest

from kerasrnn._backend import keras, tf
from kerasrnn.cells import GRUCell
from kerasrnn.layers import GRU, TemporalActivityRegularization
from kerasrnn.metrics import Perplexity
from kerasrnn.models import LanguageModel
from kerasrnn.models.sampled_softmax import (
    SampledSoftmaxTraining,
    log_uniform_candidates,
    sampled_softmax_losses,
)

VOCABULARY, UNITS = 30, 4
RANDOM = np.random.default_rng(0)
H = RANDOM.standard_normal((2, 5, UNITS)).astype("float32")
Y = RANDOM.integers(0, VOCABULARY, (2, 5))
KERNEL = RANDOM.standard_normal((VOCABULARY, UNITS)).astype("float32")
BIAS = RANDOM.standard_normal(VOCABULARY).astype("float32")


def full_losses(h, y, kernel, bias):
    return tf.nn.sparse_softmax_cross_entropy_with_logits(y, tf.einsum("btu,vu->btv", h, kernel) + bias)


def gradients(losses, *arguments, **options):
    variables = [tf.constant(H), tf.constant(KERNEL), tf.constant(BIAS)]
    with tf.GradientTape() as tape:
        tape.watch(variables)
        h, kernel, bias = variables
        if options.get("vocabulary_axis"):
            kernel = tf.transpose(kernel)
        value = tf.reduce_mean(losses(h, Y, kernel, bias, *arguments, **options))
    return [value.numpy(), *(tf.convert_to_tensor(g).numpy() for g in tape.gradient(value, variables))]


@pytest.mark.parametrize("vocabulary_axis", [0, 1])
def test_of_all_sampled_loss_and_gradients_are_the_full_softmaxs(vocabulary_axis):
    ours = gradients(sampled_softmax_losses, VOCABULARY, (1, 2), vocabulary_axis=vocabulary_axis)
    for a, b in zip(ours, gradients(full_losses), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("vocabulary_axis", [0, 1])
def test_the_loss_is_that_computed_by_hand(vocabulary_axis):
    ids, log_q = (value.numpy() for value in log_uniform_candidates(8, VOCABULARY, (3, 4)))
    expected = np.zeros(Y.shape)
    for place in np.ndindex(Y.shape):
        scores, y = KERNEL @ H[place] + BIAS, Y[place]
        z = np.exp(scores[y]) + sum(np.exp(scores[i]) / np.exp(q) for i, q in zip(ids, log_q) if i != y)
        expected[place] = np.log(z) - scores[y]
    assert np.isin(Y, ids).any() and not np.isin(Y, ids).all()
    kernel = KERNEL if vocabulary_axis == 0 else KERNEL.T
    ours = sampled_softmax_losses(H, Y, kernel, BIAS, 8, (3, 4), vocabulary_axis=vocabulary_axis)
    np.testing.assert_allclose(ours, expected, rtol=1e-5)


def test_the_gradients_mean_approaches_the_full_one_the_more_are_sampled():
    full, distances = gradients(full_losses), []
    run = tf.function(lambda n, seed: gradients_in_graph(n, seed))
    for num_sampled in (3, 10, 25, VOCABULARY):
        draws = [run(num_sampled, tf.constant([7, i])) for i in range(100)]
        means = [np.mean([draw[part] for draw in draws], axis=0) for part in range(3)]
        distances.append(sum(np.square(mean - g).sum() for mean, g in zip(means, full[1:])))
    assert distances == sorted(distances, reverse=True)
    assert distances[-1] < 1e-10 and distances[-2] < 0.05 * distances[0]


def gradients_in_graph(num_sampled, seed):
    variables = [tf.constant(H), tf.constant(KERNEL), tf.constant(BIAS)]
    with tf.GradientTape() as tape:
        tape.watch(variables)
        value = tf.reduce_mean(sampled_softmax_losses(variables[0], Y, *variables[1:], num_sampled, seed))
    return [tf.convert_to_tensor(g) for g in tape.gradient(value, variables)]


@pytest.mark.parametrize("num_sampled", [1, 4, 15, 29])
def test_a_sum_over_all_ids_is_that_over_the_sample_on_average(num_sampled):
    values = np.exp(RANDOM.standard_normal(VOCABULARY))
    draw = tf.function(lambda seed: log_uniform_candidates(num_sampled, VOCABULARY, seed))
    sums, counts = [], np.zeros(VOCABULARY)
    for i in range(800):
        ids, log_q = (value.numpy() for value in draw(tf.constant([5, i])))
        assert len({*ids}) == num_sampled and (log_q <= 0).all()
        sums.append((values[ids] / np.exp(log_q)).sum())
        counts[ids] += 1
    assert abs(np.mean(sums) - values.sum()) < 4 * np.std(sums) / np.sqrt(len(sums))
    if num_sampled == 1:
        p = np.log((np.arange(VOCABULARY) + 2) / (np.arange(VOCABULARY) + 1)) / np.log(VOCABULARY + 1)
        np.testing.assert_allclose(counts / 800, p, atol=4 * np.sqrt(0.25 / 800))


@pytest.mark.parametrize("jit", [False, True])
def test_seeded(jit):
    draw = tf.function(lambda seed: log_uniform_candidates(10, 1000, seed), jit_compile=jit)
    first, again, other = (draw(tf.constant(seed))[0].numpy() for seed in ([1, 2], [1, 2], [1, 3]))
    np.testing.assert_array_equal(first, again)
    assert {*first} != {*other}


class Reader(SampledSoftmaxTraining):
    """A language model in short, with tied embeddings or a Dense output."""

    def __init__(self, sampled, tied, penalty=0.0, mask_zero=False, **kwargs):
        super().__init__(**kwargs)
        self.embedding = keras.layers.ReversibleEmbedding(VOCABULARY, UNITS, mask_zero=mask_zero, dtype=self.dtype_policy)
        self.recurrent = GRU(UNITS, return_sequences=True, dtype=self.dtype_policy)
        self.penalty = TemporalActivityRegularization(penalty, 0.0, dtype=self.dtype_policy)
        self.dense = None if tied else keras.layers.Dense(VOCABULARY, dtype=self.dtype_policy)
        self._sample_softmax(sampled, VOCABULARY, seed=1)

    def call(self, token_ids, training=False):
        x = self.penalty(self.recurrent(self.embedding(token_ids)), training=training)
        if self._sampling:
            return x
        x = self.embedding(x, reverse=True) if self.dense is None else self.dense(x)
        return keras.ops.cast(x, "float32")

    def output_weights(self):
        return (self.embedding.embeddings, None, 0) if self.dense is None else (self.dense.kernel, self.dense.bias, 1)


IDS = np.random.default_rng(2).integers(1, VOCABULARY, (12, 7))
WEIGHTS = np.random.default_rng(3).random((12, 6)).astype("float32")
DATA = {"x": IDS[:, :-1], "y": IDS[:, 1:], "batch_size": 4, "shuffle": False, "verbose": 0}


def reader(sampled, tied=True, optimizer=None, penalty=0.0, mask_zero=False, dtype="float32", **compiled):
    keras.utils.set_random_seed(0)
    model = Reader(sampled, tied, penalty, mask_zero, dtype=dtype)
    model(IDS[:, :-1])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer = optimizer or keras.optimizers.Adam(0.01, global_clipnorm=0.1)
    model.compile(optimizer, loss=loss, weighted_metrics=[Perplexity()], **compiled)
    return model


@pytest.mark.parametrize(("tied", "options"), [
    (True, {}), (False, {"penalty": 1.5}), (False, {"mask_zero": True}),
], ids=str)  # fmt: skip
def test_fit_with_all_sampled_is_fit_with_the_full_softmax(tied, options):
    weights = {"sample_weight": WEIGHTS} if tied else {}
    x = np.where(np.arange(6) < np.arange(12)[:, None] % 6 + 1, DATA["x"], 0)
    ours, theirs = (reader(sampled, tied, **options) for sampled in (VOCABULARY, None))
    histories = [model.fit(**{**DATA, "x": x}, **weights, epochs=2).history for model in (ours, theirs)]
    np.testing.assert_allclose(histories[0]["loss"], histories[1]["loss"], rtol=1e-4)
    for a, b in zip(ours.trainable_variables, theirs.trainable_variables, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "mixed_float16", pytest.param("mixed_bfloat16", marks=pytest.mark.slow)])
def test_a_sample_trains_and_validation_is_the_full_softmax(dtype):
    model = reader(10, tied=False, dtype=dtype, optimizer=keras.optimizers.Adam(0.05))
    data = {**DATA, "y": DATA["x"] // 5}  # six frequent tokens, each a function of the token read
    before = model.evaluate(data["x"], data["y"], verbose=0, return_dict=True)
    history = model.fit(**data, epochs=12, validation_data=(data["x"], data["y"])).history
    assert history["val_loss"][-1] < 0.5 * before["loss"]
    assert {*history} == {"loss", "val_loss", "val_perplexity"}
    assert history["val_perplexity"][-1] == pytest.approx(np.exp(history["val_loss"][-1]), rel=1e-3)
    assert model(DATA["x"], training=True).shape == (12, 6, VOCABULARY)


@pytest.mark.slow
def test_xla_gives_what_the_graph_gives():
    losses = [reader(VOCABULARY, jit_compile=jit).fit(**DATA).history["loss"] for jit in (False, True)]
    np.testing.assert_allclose(*losses, rtol=1e-4)
    assert np.isfinite(reader(10, jit_compile=True).fit(**DATA).history["loss"]).all()


def test_the_same_seed_gives_the_same_training():
    models = [reader(10, run_eagerly=True) for _ in range(2)]
    weights = [model.get_weights() for model in models if model.fit(**DATA)]
    assert all(map(np.array_equal, *weights))


@pytest.mark.parametrize("num_sampled", [0, -3, VOCABULARY + 1, 2.5, True])
def test_bad_numbers(num_sampled):
    with pytest.raises(ValueError, match="sampled_softmax: expected None, or how many of the vocabulary's 30 tokens"):
        reader(num_sampled)


@pytest.mark.parametrize("tied", [True, False])
def test_a_language_model_trains_with_it_and_is_saved(tied, tmp_path):
    def trained(sampled):
        keras.utils.set_random_seed(0)
        model = LanguageModel(GRUCell(5), vocabulary_size=VOCABULARY, tie_embeddings=tied, sampled_softmax=sampled)
        model.compile(keras.optimizers.Adam(0.01))
        model.fit(**DATA, epochs=2)
        return model

    ours, theirs = trained(VOCABULARY), trained(None)
    for a, b in zip(ours.trainable_variables, theirs.trainable_variables, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    ours.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.sampled_softmax == VOCABULARY
    np.testing.assert_array_equal(loaded(IDS), ours(IDS))
