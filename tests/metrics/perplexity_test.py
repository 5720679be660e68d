import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasrnn._backend import keras, tf
from kerasrnn.metrics import Perplexity

VOCABULARY = 5


def random_batch(rng, batch, time):
    return rng.integers(VOCABULARY, size=(batch, time)), rng.normal(size=(batch, time, VOCABULARY)).astype("float32")


def token_losses(y_true, y_pred):
    log_probabilities = y_pred - np.log(np.sum(np.exp(y_pred.astype("float64")), axis=-1, keepdims=True))
    return -np.take_along_axis(log_probabilities, y_true[..., np.newaxis], axis=-1)[..., 0]


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(1, 6)), min_size=1, max_size=4), st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=25)
def test_is_total_loss_over_total_weight(shapes, seed):
    rng = np.random.default_rng(seed)
    metric = Perplexity()
    total = count = 0.0
    for batch, time in shapes:
        y_true, y_pred = random_batch(rng, batch, time)
        weights = rng.uniform(size=(batch, time)).astype("float32")
        metric.update_state(y_true, y_pred, sample_weight=weights)
        total += np.sum(token_losses(y_true, y_pred) * weights)
        count += np.sum(weights)
    np.testing.assert_allclose(metric.result(), np.exp(total / count), rtol=1e-5)


def test_uniform_prediction_has_the_vocabulary_size():
    metric = Perplexity()
    metric.update_state(np.zeros((2, 3), int), np.zeros((2, 3, VOCABULARY)))
    np.testing.assert_allclose(metric.result(), VOCABULARY, rtol=1e-6)


def test_is_nan_before_any_token():
    metric = Perplexity()
    assert np.isnan(metric.result())
    y_true, y_pred = random_batch(np.random.default_rng(0), 2, 3)
    metric.update_state(y_true, y_pred, sample_weight=np.zeros((2, 3)))
    assert np.isnan(metric.result())
    metric.update_state(y_true, y_pred)
    assert np.isfinite(metric.result())
    metric.reset_state()
    assert np.isnan(metric.result())


@pytest.mark.parametrize("shape", [(2,), (2, 1), (2, 3), (1, 3)])
def test_sample_weight_broadcasts(shape):
    rng = np.random.default_rng(1)
    y_true, y_pred = random_batch(rng, 2, 3)
    weights = rng.uniform(0.1, 1, size=shape)
    each = np.broadcast_to(weights[:, np.newaxis] if len(shape) == 1 else weights, (2, 3))
    metric = Perplexity()
    metric.update_state(y_true, y_pred, sample_weight=weights)
    np.testing.assert_allclose(
        metric.result(), np.exp(np.sum(token_losses(y_true, y_pred) * each) / np.sum(each)), rtol=1e-5
    )


def test_ignored_class_and_mask_and_weight_act_together():
    y_true, y_pred = random_batch(np.random.default_rng(2), 2, 3)
    y_true = np.array([[1, -1, 2], [3, 4, -1]])
    mask = np.array([[True, True, False], [True, True, True]])
    weights = np.array([[1.0, 1.0, 1.0], [0.0, 2.0, 1.0]])
    counted = weights * mask * (y_true >= 0)
    logits = tf.constant(y_pred)
    logits._keras_mask = tf.constant(mask)
    metric = Perplexity(ignore_class=-1)
    metric.update_state(y_true, logits, sample_weight=weights)
    losses = token_losses(np.maximum(y_true, 0), y_pred)
    np.testing.assert_allclose(metric.result(), np.exp(np.sum(losses * counted) / np.sum(counted)), rtol=1e-5)


def test_probabilities_equal_logits():
    y_true, y_pred = random_batch(np.random.default_rng(3), 2, 3)
    of_logits, of_probabilities = Perplexity(), Perplexity(from_logits=False)
    of_logits.update_state(y_true, y_pred)
    of_probabilities.update_state(y_true, tf.nn.softmax(y_pred))
    np.testing.assert_allclose(of_logits.result(), of_probabilities.result(), rtol=1e-5)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float64"])
def test_low_precision_loses_nothing_in_the_sums(dtype):
    metric = Perplexity(dtype=dtype)
    y_true, y_pred = random_batch(np.random.default_rng(4), 8, 64)
    for _ in range(4):
        metric.update_state(y_true, y_pred)
    assert metric.result().dtype == dtype
    np.testing.assert_allclose(metric.total, 4 * np.sum(token_losses(y_true, y_pred)), rtol=1e-5)
    assert float(metric.count) == 2048


def masked_language_model():
    inputs = keras.Input((None,), dtype="int32")
    embedded = keras.layers.Embedding(VOCABULARY, 4, mask_zero=True)(inputs)
    return keras.Model(
        inputs, keras.layers.Dense(VOCABULARY)(keras.layers.SimpleRNN(4, return_sequences=True)(embedded))
    )


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_evaluate_counts_tokens_not_batches(policy):
    """Rows of different lengths and a short last batch: every average of averages is another number."""
    keras.utils.set_random_seed(0)
    keras.config.set_dtype_policy(policy)
    try:
        model = masked_language_model()
    finally:
        keras.config.set_dtype_policy("float32")
    model.compile(
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=[Perplexity()],
        weighted_metrics=[Perplexity(name="weighted_perplexity")],
    )
    token_ids = np.array([[1, 2, 3, 4], [3, 0, 0, 0], [4, 4, 0, 0]])
    targets = np.array([[2, 3, 4, 1], [1, 0, 0, 0], [2, 3, 0, 0]])
    weights = np.array([[1.0, 0.5, 1, 1], [1, 1, 1, 1], [2, 1, 1, 1]])
    logs = model.evaluate(token_ids, targets, sample_weight=weights, batch_size=2, verbose=0, return_dict=True)

    losses = token_losses(targets, np.asarray(model(token_ids), "float32"))
    mask = token_ids != 0
    # A bfloat16 model's logits differ by rounding from run to run with the batch's shape.
    rtol = 1e-5 if policy == "float32" else 1e-2
    np.testing.assert_allclose(logs["perplexity"], np.exp(np.mean(losses[mask])), rtol=rtol)
    np.testing.assert_allclose(
        logs["weighted_perplexity"], np.exp(np.sum((losses * weights)[mask]) / np.sum(weights[mask])), rtol=rtol
    )


def test_tensorflow_can_share_the_loss_with_keras():
    """The loss of the metric is the same expression as the loss's own, which the graph optimiser then computes once."""
    loss, metric = keras.losses.SparseCategoricalCrossentropy(from_logits=True), Perplexity()

    @tf.function
    def step(y_true, y_pred):
        metric.update_state(y_true, y_pred)
        return loss(y_true, y_pred)

    graph = step.get_concrete_function(tf.zeros((2, 3), tf.int32), tf.zeros((2, 3, 4), tf.bfloat16)).graph

    def expression(tensor):
        definition = tensor.op.node_def
        attributes = sorted((name, str(value)) for name, value in definition.attr.items() if name[0] != "_")
        name = definition.name if definition.op == "Placeholder" else ""
        return str(
            (definition.op, name, tensor.value_index, attributes, [expression(part) for part in tensor.op.inputs])
        )

    losses = [op.outputs[0] for op in graph.get_operations() if op.type == "SparseSoftmaxCrossEntropyWithLogits"]
    assert len(losses) == 2
    assert expression(losses[0]) == expression(losses[1])


def test_early_stopping_knows_that_less_is_better():
    model = keras.Sequential([keras.layers.Embedding(VOCABULARY, VOCABULARY)])
    model.compile(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=[Perplexity()])
    y_true = np.array([[1, 2]])
    stopping = keras.callbacks.EarlyStopping("val_perplexity")
    model.fit(y_true, y_true, validation_data=(y_true, y_true), callbacks=[stopping], verbose=0)
    assert stopping.monitor_op(1.0, 2.0)


def test_config():
    metric = Perplexity(from_logits=False, ignore_class=3, name="p", dtype="float64")
    restored = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(metric))
    assert isinstance(restored, Perplexity)
    assert restored.get_config() == metric.get_config()


def test_weights_of_more_axes_than_tokens():
    y_true, y_pred = random_batch(np.random.default_rng(0), 2, 3)
    with pytest.raises(ValueError, match=r"sample_weight must have the shape of y_true, \(2, 3\).*\(2, 3, 5\)"):
        Perplexity().update_state(y_true, y_pred, sample_weight=np.ones((2, 3, 5)))
