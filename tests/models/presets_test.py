"""Presets: the networks and their training, against the equations of the papers' public code."""

import numpy as np
import pytest

import kerasrnn
from kerasrnn._backend import keras, tf
from kerasrnn.models import PRESETS, LanguageModel, Preset, Recipe, preset

VOCABULARY = 7


class Tutorial:
    """Zaremba et al. as TensorFlow's tutorial has it: its loss, states, clipping and schedule, written out."""

    def __init__(self, weights, learning_rate, decay, decay_after, clip_norm):
        self.weights = [tf.Variable(weight) for weight in weights]
        self.learning_rate, self.decay, self.decay_after, self.clip_norm = learning_rate, decay, decay_after, clip_norm
        self.clipped = []

    def step(self, inputs, targets, states, rate):
        embedding, *layers, softmax_w, softmax_b = self.weights
        layers = [layers[:3], layers[3:]]
        batch, time = inputs.shape
        with tf.GradientTape() as tape:
            costs = []
            for t in range(time):
                x = tf.gather(embedding, inputs[:, t])
                for k, (kernel, recurrent, bias) in enumerate(layers):
                    h, c = states[k]
                    i, f, j, o = tf.split(x @ kernel + h @ recurrent + bias, 4, axis=1)
                    c = c * tf.sigmoid(f) + tf.sigmoid(i) * tf.tanh(j)
                    h = tf.tanh(c) * tf.sigmoid(o)
                    states[k], x = (h, c), h
                logits = x @ softmax_w + softmax_b
                costs.append(tf.nn.sparse_softmax_cross_entropy_with_logits(targets[:, t], logits))
            cost = tf.reduce_sum(costs) / batch  # averaged over the rows, summed over the steps
        gradients = tape.gradient(cost, self.weights)
        # A word that occurs several times has one gradient, their sum: the norm is that of the whole gradient, as in the paper's
        # own program. (tf.clip_by_global_norm counts an embedding's rows one by one.)
        gradients = [tf.convert_to_tensor(g) for g in gradients]
        norm = tf.linalg.global_norm(gradients)
        self.clipped.append(bool(norm > self.clip_norm))
        for weight, gradient in zip(self.weights, gradients):
            weight.assign_sub(rate * gradient * self.clip_norm / tf.maximum(norm, self.clip_norm))
        return [(tf.stop_gradient(h), tf.stop_gradient(c)) for h, c in states]

    def epoch(self, i, windows):
        rate = self.learning_rate * self.decay ** max(i + 1 - self.decay_after, 0.0)
        units = self.weights[2].shape[0]
        states = None
        for inputs, targets in windows:
            states = states or [(tf.zeros((len(inputs), units)),) * 2] * 2
            states = self.step(inputs, targets, list(states), rate)


def test_zaremba_is_the_tutorial_step_for_step():
    keras.utils.set_random_seed(1)
    token_ids = np.random.default_rng(0).integers(0, VOCABULARY, 130).astype("int32")
    changed = preset(
        "zaremba_small", units=5, num_steps=6, batch_size=4, epochs=4, decay_after=2, clip_norm=1.2, initial_scale=0.5
    )
    model = LanguageModel.from_preset(changed, vocabulary_size=VOCABULARY)
    windows = kerasrnn.data.language_model_dataset(token_ids, **changed.windows)
    layers = [w for layer in model.recurrent_layers for w in layer.weights]
    weights = [*model.embedding_layer.weights, *layers, *model.output_layer.weights]
    tutorial = Tutorial([w.numpy() for w in weights], 1.0, 0.5, 2, 1.2)
    model.compile(**changed.compile(len(windows)))
    model.fit(windows, **changed.fit, verbose=0)
    for i in range(4):
        tutorial.epoch(i, [(x.numpy(), y.numpy()) for x, y in windows])
    assert len(windows) == 5 and len(tutorial.clipped) == 20
    assert 3 < sum(tutorial.clipped) < 20, "clipping should act on some steps and not on others"
    assert len(weights) == len(model.weights)
    for weight, expected in zip(weights, tutorial.weights, strict=True):
        np.testing.assert_allclose(weight, expected, rtol=0, atol=1e-5, err_msg=weight.path)


@pytest.mark.parametrize(("name", "units", "steps", "epochs", "decay", "after", "dropout", "scale"), [
    ("zaremba_small", 200, 20, 13, 0.5, 4, 0.0, 0.1),
    ("zaremba_medium", 650, 35, 39, 1 / 1.2, 6, 0.5, 0.05),
])  # fmt: skip
def test_zaremba_has_the_papers_settings(name, units, steps, epochs, decay, after, dropout, scale):
    model = LanguageModel.from_preset(name, vocabulary_size=11)
    assert [cell.units for cell in model.cells] == [units, units] and model.stateful
    assert [layer.rate for layer in model.dropout_layers] == [dropout] * 3
    for weight in model.weights:
        values = np.abs(np.asarray(weight))
        assert values.max() <= scale and (values.size < 100 or values.max() > 0.95 * scale), weight.path
    # Two weights of one shape must not begin alike.
    assert not np.allclose(model.recurrent_layers[0].cell.recurrent_kernel, model.recurrent_layers[1].cell.recurrent_kernel)
    found = preset(name)
    assert found.windows == {"batch_size": 20, "num_steps": steps, "contiguous": True, "shuffle": False}
    assert found.fit == {"epochs": epochs}
    optimizer = found.compile(steps_per_epoch=10)["optimizer"]
    assert optimizer.global_clipnorm == pytest.approx(5 / steps)
    schedule = optimizer._learning_rate
    for epoch in range(epochs):
        expected = steps * decay ** max(epoch + 1 - after, 0)
        for step in (0, 9):
            assert float(schedule(tf.constant(epoch * 10 + step, tf.int64))) == pytest.approx(expected, rel=1e-5)


def test_awd_lstm_has_the_papers_settings():
    model = LanguageModel.from_preset("awd_lstm", vocabulary_size=13)
    assert [cell.units for cell in model.cells] == [1150, 1150, 400] and model.output_layer is None
    assert model.embedding_layer.output_dim == 400 and model.embedding_dropout_layer.rate == 0.1
    assert [layer.rate for layer in model.dropout_layers] == [0.4, 0.25, 0.25, 0.4] and model.locked_dropout
    assert {layer.weight_drop for layer in model.recurrent_layers} == {0.5}
    assert (model.activity_layer.alpha, model.activity_layer.beta) == (2.0, 1.0)
    optimizer = preset("awd_lstm").compile(9)["optimizer"]
    assert float(optimizer.learning_rate) == 30 and optimizer.global_clipnorm == 0.25 and optimizer.weight_decay == 1.2e-6


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.one_in(4)
def test_each_trains_and_says_what_it_is(name):
    smaller = preset(name, units=6, embedding=6, epochs=1, num_steps=5, batch_size=2, warmup_steps=0)
    model = LanguageModel.from_preset(smaller, vocabulary_size=VOCABULARY)
    token_ids = np.arange(60) % VOCABULARY
    make = kerasrnn.data.variable_windows if smaller.recipe.variable_steps else kerasrnn.data.language_model_dataset
    windows = make(token_ids, **smaller.windows)
    model.compile(**smaller.compile(len(windows)))
    history = model.fit(windows, **smaller.fit, verbose=0)
    assert np.isfinite(history.history["loss"][0])
    assert "arXiv:" in smaller.paper and smaller.figure and smaller.corpus and smaller.tokenizer in ("char", "word")
    assert isinstance(smaller, Preset) and smaller.name == name


def test_characters_warm_up_then_fall():
    schedule = preset("char_gru", epochs=3).compile(steps_per_epoch=100)["optimizer"]._learning_rate
    rates = [float(schedule(step)) for step in (0, 50, 100, 200, 300)]
    assert rates == pytest.approx([0, 0.0015, 0.003, 0.0015, 0], abs=1e-6)


def test_changes_and_what_is_refused():
    model = LanguageModel.from_preset("char_gru", vocabulary_size=9, dropout=0.1, dtype="mixed_bfloat16", stateful=False)
    assert model.dropout == 0.1 and not model.stateful and model.compute_dtype == "bfloat16"
    assert model.recurrent_layers[0].cell.compute_dtype == "bfloat16"
    with pytest.raises(ValueError, match="preset must be one of zaremba_small, .*, but is 'zaremba_large'"):
        LanguageModel.from_preset("zaremba_large", vocabulary_size=9)
    with pytest.raises(ValueError, match="has no hyperparameter 'width'; its hyperparameters are cell, units"):
        preset("char_lstm", width=3)
    with pytest.raises(ValueError, match="either tokenizer or vocabulary_size; received neither"):
        LanguageModel.from_preset("char_lstm")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"optimizer": "rmsprop"}, "optimizer must be one of adam, sgd, but is 'rmsprop'"),
        ({"averaging": "swa"}, "averaging must be one of ema, nt_asgd, but is 'swa'"),
        ({"variable_steps": True}, "variable_steps must be false without stateful"),
        ({"summed_loss": True}, "summed_loss must be false with the optimizer 'adam'"),
        ({"schedule": "decay", "warmup_steps": 3}, "warmup_steps must be 0"),
        ({"weight_decay": -1.0}, "weight_decay must be a number of at least 0"),
        ({"initial_scale": 0.0}, "initial_scale must be a positive number"),
        ({"weight_drop": "half"}, r"weight_drop must be a share in \[0, 1\)"),
        ({"stateful": 1}, "stateful must be true or false"),
    ],
)
def test_recipes_out_of_range(wrong, message):
    with pytest.raises(ValueError, match=message):
        Recipe(**wrong)


@pytest.mark.parametrize("epochs", [1, 2, 3])
@pytest.mark.parametrize("after", [0, 1, 2])
def test_a_decay_that_begins_early_or_never(epochs, after):
    recipe = Recipe(optimizer="sgd", schedule="decay", decay=0.5, decay_after=after, epochs=epochs, learning_rate=1.0)
    rate = recipe.compile(4)["optimizer"]._learning_rate
    for epoch in range(epochs):
        value = rate(tf.constant(4 * epoch, tf.int64)) if callable(rate) else rate
        assert float(value) == pytest.approx(0.5 ** max(epoch + 1 - after, 0))


def test_initializers_are_saved_and_old_files_load(tmp_path):
    arguments = {"embeddings_initializer": "ones", "kernel_initializer": "zeros", "bias_initializer": "ones"}
    model = LanguageModel(kerasrnn.cells.GRUCell(3), vocabulary_size=4, **arguments)
    assert np.all(model.embedding_layer.embeddings == 1) and np.all(model.output_layer.bias == 1)
    again = LanguageModel.from_config(model.get_config())
    assert np.all(again.output_layer.kernel == 0) and again.get_config() == model.get_config()
    old = {name: value for name, value in model.get_config().items() if not name.endswith("_initializer")}
    assert np.all(LanguageModel.from_config(old).output_layer.bias == 0)
    tied = LanguageModel(kerasrnn.cells.GRUCell(3), vocabulary_size=4, tie_embeddings=True, bias_initializer="ones")
    assert np.all(tied.output_bias == 1)
