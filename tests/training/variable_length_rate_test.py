import numpy as np
import pytest

from kerasrnn._backend import keras, tf
from kerasrnn.data import variable_windows
from kerasrnn.training import VariableLengthRate

NUM_STEPS = 6
WINDOWS = [
    (tf.constant(x), tf.constant(y))
    for x, y in variable_windows(
        np.random.default_rng(0).integers(0, 5, 160), batch_size=3, num_steps=NUM_STEPS, deviation=2, min_steps=2, seed=4
    )
]
DATASET = tf.data.Dataset.from_generator(
    lambda: iter(WINDOWS), output_signature=(tf.TensorSpec((3, None), tf.int32), tf.TensorSpec((3, None), tf.int32))
)


def reader(optimizer, policy="float32", **compiled):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([
        keras.layers.Input((None,), dtype="int32"),
        keras.layers.Embedding(5, 4, dtype=policy),
        keras.layers.Dense(5, dtype=policy),
        keras.layers.Activation("linear", dtype="float32"),
    ])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss=loss, auto_scale_loss=policy == "mixed_float16", **compiled)
    return model


def by_hand(optimizer, rates, policy="float32"):
    """Steps by Keras's own train_on_batch, the rate of each set before it."""
    model = reader(optimizer, policy, run_eagerly=True)  # in a graph each length would be traced
    inner = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    for (x, y), rate in zip(WINDOWS, rates, strict=True):
        inner.learning_rate = rate * x.shape[1] / NUM_STEPS
        model.train_on_batch(x, y)
    return model


def assert_same_weights(ours, theirs, **tolerance):
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, **{"rtol": 1e-5, "atol": 1e-6, **tolerance})


def test_the_windows_differ():
    lengths = {x.shape[1] for x, _ in WINDOWS}
    assert len(lengths) > 3 and len(WINDOWS) > 6


@pytest.mark.parametrize("compiled", [
    {}, {"run_eagerly": True}, {"steps_per_execution": 3}, pytest.param({"jit_compile": True}, marks=pytest.mark.slow),
], ids=str)  # fmt: skip
def test_each_step_has_the_rate_of_its_window(compiled):
    def sgd():
        return keras.optimizers.SGD(0.5, momentum=0.9, global_clipnorm=0.1)

    ours = reader(sgd(), **compiled)
    ours.fit(DATASET, verbose=0, callbacks=[VariableLengthRate(NUM_STEPS)])
    assert_same_weights(ours, by_hand(sgd(), [0.5] * len(WINDOWS)))
    assert float(ours.optimizer.learning_rate) == 0.5


@pytest.mark.parametrize("policy", ["mixed_float16", pytest.param("mixed_bfloat16", marks=pytest.mark.slow)])
def test_mixed_precision(policy):
    ours = reader(keras.optimizers.Adam(0.1), policy)
    ours.fit(DATASET, verbose=0, callbacks=[VariableLengthRate(NUM_STEPS)])
    assert_same_weights(ours, by_hand(keras.optimizers.Adam(0.1), [0.1] * len(WINDOWS), policy), atol=1e-3)


def test_schedules_are_scaled_too_and_saved_as_they_were(tmp_path):
    schedule = keras.optimizers.schedules.ExponentialDecay(0.5, decay_steps=2, decay_rate=0.5)
    ours = reader(keras.optimizers.SGD(schedule))
    path = tmp_path / "in_fit.keras"
    ours.fit(DATASET, verbose=0, callbacks=[VariableLengthRate(NUM_STEPS), keras.callbacks.ModelCheckpoint(path, "loss")])
    rates = [0.5 * 0.5 ** (step / 2) for step in range(len(WINDOWS))]
    assert_same_weights(ours, by_hand(keras.optimizers.SGD(0.5), rates))
    expected = keras.optimizers.SGD(schedule).get_config()["learning_rate"]
    assert ours.optimizer.get_config()["learning_rate"] == expected
    assert keras.models.load_model(path).optimizer.get_config()["learning_rate"] == expected


def test_other_callbacks_see_and_set_the_unscaled_rate():
    seen = []

    def halve(epoch, rate):
        seen.append(rate)
        return rate / 2

    ours = reader(keras.optimizers.SGD(0.8))
    callbacks = [VariableLengthRate(NUM_STEPS), keras.callbacks.LearningRateScheduler(halve)]
    ours.fit(DATASET, epochs=3, verbose=0, callbacks=callbacks)
    assert seen == pytest.approx([0.8, 0.4, 0.2])
    assert float(ours.optimizer.learning_rate) == pytest.approx(0.1)


def test_the_model_is_its_own_again_afterwards():
    class Fail(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            raise RuntimeError("no")

    ours, plain = (reader(keras.optimizers.SGD(0.5), run_eagerly=True) for _ in range(2))
    scaling = VariableLengthRate(NUM_STEPS)
    with pytest.raises(RuntimeError, match="no"):
        ours.fit(DATASET, verbose=0, callbacks=[scaling, Fail()])
    scaling.remove()
    ours.set_weights(plain.get_weights())
    for model in (ours, plain):
        model.fit(DATASET, verbose=0)
    assert_same_weights(ours, plain)


def test_bad_arguments():
    for num_steps in (0, -1, None, "70", float("nan"), True):
        with pytest.raises(ValueError, match="num_steps must be a positive number of tokens, but is"):
            VariableLengthRate(num_steps)
    model = keras.Sequential([keras.layers.Input(()), keras.layers.Reshape((1,)), keras.layers.Dense(1)])
    model.compile("sgd", loss="mse")
    with pytest.raises(ValueError, match="batches must have a time axis, \\(batch, time\\).*, but have the shape \\(2,\\)"):
        model.fit(tf.data.Dataset.from_tensors((tf.ones(2), tf.ones((2, 1)))), verbose=0, callbacks=[VariableLengthRate(5)])
