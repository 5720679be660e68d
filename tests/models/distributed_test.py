"""Training on two replicas, against one device on the same batches; and what a clipped step is on one device."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest
import replicas
import tensorflow as tf

from kerasrnn.cells import GRUCell, LSTMCell
from kerasrnn.models import LanguageModel

QUICK = ("SGD", "clipnorm", "stateful, resets and weights", "forecaster")
LIMITS = {"mixed_float16": 1e-4, "stateful mixed_float16": 1e-4}  # half precision adds up other shares of a batch otherwise


def run(*names):
    program = [sys.executable, replicas.__file__, *names]
    done = subprocess.run(program, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.strip().splitlines()[-1])


def check(name, found):
    assert found["weights"] < LIMITS.get(name, 1e-5), (name, found)
    assert found["figures"] < 10 * LIMITS.get(name, 1e-5), (name, found)
    assert found["clipped"] in (None, [1.0, 1.0]), (name, found)
    assert found["left on the optimizer"] == []


def test_two_replicas_train_as_one_device():
    found = run(*QUICK, "refusals")
    for name in QUICK:
        check(name, found[name])
    assert all(found[name]["clipped"] for name in ("SGD", "stateful, resets and weights", "forecaster"))
    refused = found["refusals"]
    assert "jit_compile: expected False on 2 replicas" in refused["jit_compile"]
    assert "expected a batch of 10 rows" in refused["rows"] and "received one of another size" in refused["rows"]
    assert refused["after jit_compile"] == refused["after rows"] == []


@pytest.mark.slow
def test_every_optimizer_and_model_trains_on_two_replicas_as_on_one_device():
    names = [name for name in replicas.CASES if name not in QUICK]
    found = run(*names)
    for name in names:
        check(name, found[name])


BATCH = np.array([[0, 1, 0, 0, 2], [0, 2, 0, 1, 0]])  # the row 0 comes six times


def step_of(optimizer, **compile_options):
    """The change of the weights by one training step, and the gradient it was from."""
    keras.utils.set_random_seed(0)
    model = LanguageModel(GRUCell(3), vocabulary_size=4, embeddings_initializer="ones")
    model.compile(optimizer, **compile_options)
    x, y = BATCH[:, :-1], BATCH[:, 1:]
    with tf.GradientTape() as tape:
        loss = model.compute_loss(None, y, model(x, training=True))
    gradient = tape.gradient(loss, model.trainable_weights)
    assert any(isinstance(g, tf.IndexedSlices) and len(g.indices) > len(set(g.indices.numpy())) for g in gradient)
    before = [np.asarray(v, "float64") for v in model.trainable_weights]
    model.train_on_batch(x, y)
    after = [np.asarray(v, "float64") for v in model.trainable_weights]
    return [a - b for a, b in zip(after, before)], [tf.convert_to_tensor(g) for g in gradient], model


CLIPS = {
    "global_clipnorm": lambda g: tf.clip_by_global_norm(g, 1e-2)[0],
    "clipnorm": lambda g: [tf.clip_by_norm(v, 1e-2) for v in g],
    "clipvalue": lambda g: [tf.clip_by_value(v, -1e-2, 1e-2) for v in g],
}


RUNS = {"graph": {}, "jit": {"jit_compile": True}, "eager": {"run_eagerly": True}}


@pytest.mark.parametrize(
    ("clip", "options"),
    [
        pytest.param(clip, options, id=f"{clip} {run}", marks=[] if run == "graph" or clip == "clipnorm" else pytest.mark.slow)
        for clip in CLIPS
        for run, options in RUNS.items()
    ],
)
def test_a_clipped_step_counts_an_embedding_row_once(clip, options):
    step, gradient, model = step_of(keras.optimizers.SGD(1.0, **{clip: 1e-2}), **options)
    clipped = CLIPS[clip](gradient)
    assert max(np.abs(c - g).max() for c, g in zip(clipped, gradient)) > 1e-3  # it is active
    for change, expected in zip(step, clipped):
        np.testing.assert_allclose(change, -expected, rtol=2e-5, atol=2e-7)
    assert not [name for name in vars(model.optimizer) if callable(getattr(type(model.optimizer), name, None))]


def test_a_clipped_step_under_loss_scaling_counts_an_embedding_row_once():
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(1.0, global_clipnorm=1e-2), initial_scale=256.0)
    step, gradient, _ = step_of(optimizer)
    for change, expected in zip(step, CLIPS["global_clipnorm"](gradient)):
        np.testing.assert_allclose(change, -expected, rtol=2e-5, atol=2e-7)


def test_a_trained_model_is_saved_and_trains_on(tmp_path):
    model = LanguageModel(LSTMCell(3), vocabulary_size=12)
    model.compile(keras.optimizers.Adam(0.01, global_clipnorm=0.02))
    model.fit(replicas.of_tokens(), verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    for one in (model, again):
        one.fit(replicas.of_tokens(), verbose=0)
    for a, b in zip(model.get_weights(), again.get_weights()):
        np.testing.assert_array_equal(a, b)


def test_an_error_in_a_step_leaves_the_optimizer_as_it_was():
    model = LanguageModel(GRUCell(3), vocabulary_size=4)
    model.compile(keras.optimizers.SGD(1.0, global_clipnorm=0.1), loss=lambda y, logits: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        model.fit(BATCH[:, :-1], BATCH[:, 1:], verbose=0)
    assert not [name for name in vars(model.optimizer) if callable(getattr(type(model.optimizer), name, None))]
