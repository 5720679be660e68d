"""A program: trains models on one device and on two replicas, from the same batches, and says how far they part.

Two strategies in one process fail in TensorFlow where their models differ, but one strategy trains any number of models.

    python replicas.py CASE …        prints {case: {…}}
"""

import json
import sys

import numpy as np
import tensorflow as tf

if __name__ == "__main__":  # before anything else asks for the devices
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)

import keras

import kerasrnn
from kerasrnn.cells import GRUCell, LSTMCell
from kerasrnn.models import FeedForwardLanguageModel, Forecaster, LanguageModel
from kerasrnn.training import ClippedSteps, Norms, StopAtNaN

SGD, Adam, AdamW, Lion, LossScale = (
    getattr(keras.optimizers, name) for name in ("SGD", "Adam", "AdamW", "Lion", "LossScaleOptimizer")
)
CLIP = {"global_clipnorm": 0.02}
TOKENS = np.random.default_rng(0).integers(0, 12, (24, 9))
X, Y = TOKENS[:, :-1], TOKENS[:, 1:]
RESETS = np.random.default_rng(1).random(X.shape) < 0.2
WEIGHTS = (np.random.default_rng(2).random(X.shape) < 0.7).astype("float32")
SERIES = np.random.default_rng(3).normal(size=(24, 6, 1)).astype("float32")


def of_tokens(x=X, weights=None):
    parts = (x, Y) if weights is None else (x, Y, weights)
    return tf.data.Dataset.from_tensor_slices(parts).batch(8)


OF_SERIES = tf.data.Dataset.from_tensor_slices((SERIES[:, :4], SERIES[:, 4:])).batch(8)
WITH_RESETS = of_tokens({"token_ids": X, "resets": RESETS}, WEIGHTS)


def language_model(optimizer, compile=None, policy="float32", **options):  # noqa: A002
    def make():
        keras.config.set_dtype_policy(policy)
        model = LanguageModel([LSTMCell(6)], vocabulary_size=12, **options)
        keras.config.set_dtype_policy("float32")
        model.compile(optimizer(), **(compile or {}))
        return model

    return make


def forecaster():
    model = Forecaster(GRUCell(5), lags=4, horizon=2)
    model.compile(SGD(1.0, **CLIP))
    return model


def feed_forward():
    model = FeedForwardLanguageModel(3, units=7, vocabulary_size=12, embedding=4)
    model.compile(SGD(1.0, **CLIP))
    return model


def sgd():
    return SGD(1.0, **CLIP)


def with_reset_states():
    """The second batch's states are taken out, and put back before a third."""

    def train(model):
        data = list(of_tokens())
        for x, y in data[:2]:
            model.train_on_batch(x, y)
        states = model.carried_states.get()
        model.reset_states()
        model.carried_states.set(states)
        model.train_on_batch(*data[2])
        return model.carried_states.get()

    return train


CASES = {
    "SGD": (language_model(sgd), of_tokens()),
    "Adam": (language_model(lambda: Adam(0.01, **CLIP)), of_tokens()),
    "AdamW": (language_model(lambda: AdamW(0.01, weight_decay=0.1, **CLIP)), of_tokens()),
    "Lion": (language_model(lambda: Lion(0.001, **CLIP)), of_tokens()),
    "clipnorm": (language_model(lambda: SGD(1.0, clipnorm=0.02)), of_tokens()),
    "clipvalue": (language_model(lambda: SGD(1.0, clipvalue=0.001)), of_tokens()),
    "no clipping": (language_model(lambda: SGD(1.0)), of_tokens()),
    "accumulation": (language_model(lambda: Adam(0.01, gradient_accumulation_steps=3, **CLIP)), of_tokens()),
    "moving average": (language_model(lambda: SGD(1.0, use_ema=True, **CLIP)), of_tokens()),
    "overwriting average": (
        language_model(lambda: SGD(1.0, use_ema=True, ema_momentum=0.5, ema_overwrite_frequency=2, **CLIP)), of_tokens(),
    ),
    "loss scale": (language_model(lambda: LossScale(sgd(), initial_scale=1024.0, dynamic_growth_steps=2)), of_tokens()),
    "loss scale, accumulation": (
        language_model(lambda: LossScale(SGD(1.0, gradient_accumulation_steps=2, **CLIP), initial_scale=64.0)), of_tokens(),
    ),
    "mixed_float16": (language_model(sgd, policy="mixed_float16"), of_tokens()),
    "stateful": (language_model(sgd, stateful=True), of_tokens()),
    "stateful mixed_float16": (language_model(sgd, stateful=True, policy="mixed_float16"), of_tokens()),
    "stateful, resets and weights": (language_model(sgd, stateful=True), WITH_RESETS),
    "resets and weights": (language_model(sgd), WITH_RESETS),
    "states taken and set": (language_model(sgd, stateful=True), with_reset_states()),
    "steps_per_execution": (language_model(sgd, {"steps_per_execution": 2}, stateful=True), of_tokens()),
    "run_eagerly": (
        language_model(lambda: SGD(1.0, gradient_accumulation_steps=2, **CLIP), {"run_eagerly": True}), of_tokens(),
    ),
    "sampled softmax": (language_model(sgd, sampled_softmax=12, activity_regularization=2.0), of_tokens()),
    "penalties": (language_model(sgd, activity_regularization=2.0, temporal_activity_regularization=1.0), of_tokens()),
    "tied embeddings": (language_model(sgd, tie_embeddings=True), of_tokens()),
    "one-hot": (language_model(sgd, embedding="one_hot"), of_tokens()),
    "forecaster": (forecaster, OF_SERIES),
    "feed-forward": (feed_forward, of_tokens()),
}  # fmt: skip


def trained(make, data):
    """A model's weights, and all figures and states, after training."""
    keras.utils.set_random_seed(1)
    model = make()
    if callable(data):
        return model, model.get_weights(), data(model)
    inner = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    measured = inner.global_clipnorm and not inner.gradient_accumulation_steps
    callbacks = [ClippedSteps(), Norms(every_batches=1)] if measured else []
    history = model.fit(data, epochs=2, verbose=0, validation_data=data, callbacks=[*callbacks, StopAtNaN()], shuffle=False)
    states = model.carried_states.get() if getattr(model, "stateful", False) else {}
    figures = {**history.history, **states, "evaluated": model.evaluate(data, verbose=0)}
    if callbacks:
        figures |= {name: callbacks[1].last[name] for name in ("gradient", "loss")}
    return model, model.get_weights(), {**figures, "predicted": model.predict(data, verbose=0)}


def largest(values):
    return max(float(np.abs(np.asarray(a, "float64") - np.asarray(b, "float64")).max()) for a, b in values)


def compared(name, strategy):
    make, data = CASES[name]
    one, weights, figures = trained(make, data)
    with strategy.scope():
        two, others, other_figures = trained(make, data)
    assert figures.keys() == other_figures.keys() and two.distribute_strategy is strategy
    optimizers = {id(o): o for o in (two.optimizer, getattr(two.optimizer, "inner_optimizer", two.optimizer))}
    return {
        "weights": largest(zip(weights, others)),
        "figures": largest((figures[key], other_figures[key]) for key in figures),
        "clipped": figures.get("clipped"),
        "left on the optimizer": sorted(n for o in optimizers.values() for n in vars(o) if callable(getattr(type(o), n, None))),
    }


def refusals(strategy):
    """What several replicas cannot do, in a sentence."""
    found = {}
    with strategy.scope():
        for name, options in {"jit_compile": {}, "rows": {"stateful": True}}.items():
            model = language_model(sgd, {"jit_compile": name == "jit_compile"}, **options)()
            try:
                model.fit(of_tokens().unbatch().batch(10), verbose=0)
            except ValueError as error:
                found[name] = str(error)
            found[f"after {name}"] = sorted(n for n in vars(model.optimizer) if callable(getattr(type(model.optimizer), n, None)))
    return found


def main(names):
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    results = {name: refusals(strategy) if name == "refusals" else compared(name, strategy) for name in names}
    print(json.dumps({**results, "version": kerasrnn.__version__}))


if __name__ == "__main__":
    main(sys.argv[1:])
