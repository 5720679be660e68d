"""The verdict, on networks that were made to vanish, explode, saturate or be healthy; and what shows it."""

import io

import keras
import numpy as np
import pytest
from rich.console import Console

import kerasrnn
from kerasrnn.diagnostics import GradientFlow, clipped_share, diagnose
from kerasrnn.diagnostics.verdict import growth_of, remaining_of, verdict_of, worst
from kerasrnn.layers import GRU, LSTM, RNN, SimpleRNN

STEPS, FEATURES, UNITS = 32, 3, 16
initializers = keras.initializers


def batch():
    random = np.random.default_rng(0)
    return random.normal(size=(4, STEPS, FEATURES)).astype("float32"), random.normal(size=(4, STEPS, 1)).astype("float32")


def model_of(*layers, optimizer="sgd"):
    model = keras.Sequential([keras.Input((STEPS, FEATURES)), *layers, keras.layers.Dense(1)])
    model.compile(optimizer, "mse")
    return model


def simple(scale, **options):
    return SimpleRNN(UNITS, recurrent_initializer=initializers.Orthogonal(scale), return_sequences=True, **options)


def trained():
    model = model_of(simple(1.0), optimizer=keras.optimizers.Adam(1e-3, global_clipnorm=1.0))
    model.fit(*batch(), epochs=20, verbose=0)
    return model


STUDY = {
    # The study.
    "vanishing: small recurrent kernel": lambda: model_of(simple(0.5)),
    "exploding: large identity, ReLU": lambda: model_of(
        SimpleRNN(UNITS, activation="relu", recurrent_initializer=initializers.Identity(1.3), return_sequences=True)
    ),
    "saturated: large inputs": lambda: model_of(simple(1.0, kernel_initializer=initializers.RandomNormal(stddev=5.0))),
    "healthy: orthogonal": lambda: model_of(simple(1.0)),
    "healthy: LSTM with forget bias 1": lambda: model_of(LSTM(UNITS, return_sequences=True)),
    # Others than those that the thresholds were first looked at with.
    # Keras's GRU has two biases, −2 together: z is about 0.1, not yet at its limit.
    "vanishing: GRU that overwrites its state": lambda: model_of(
        GRU(UNITS, bias_initializer=initializers.Constant(-1.0), return_sequences=True)
    ),
    "exploding: chaos": lambda: model_of(
        SimpleRNN(UNITS, recurrent_initializer=initializers.RandomNormal(stddev=0.7), return_sequences=True)
    ),
    "saturated: LSTM with large kernels": lambda: model_of(
        LSTM(UNITS, kernel_initializer=initializers.RandomNormal(stddev=10.0), return_sequences=True)
    ),
    "healthy: trained at a usual rate": trained,
    "healthy: RG-LRU": lambda: model_of(RNN(kerasrnn.cells.RGLRUCell(UNITS), return_sequences=True)),
}


@pytest.mark.parametrize("case", STUDY)
def test_study(case):
    keras.utils.set_random_seed(1)
    diagnosis = diagnose(STUDY[case](), batch(), rows=2)
    assert diagnosis.verdict == case.split(":")[0], diagnosis
    assert bool(diagnosis.advice) == (diagnosis.verdict != "healthy")


@pytest.mark.parametrize(
    ("norms", "saturated", "expected"),
    [([1, 2, 4, 11], None, "exploding"), ([1, 2, 4, 9], None, "healthy"), ([1, 1, np.inf], None, "exploding"),
     ([1, 1, 1, 1], 0.51, "saturated"), ([1, 1, 1, 1], 0.5, "healthy"), ([1, 0.1, 1e-4, 1e-5], 0.51, "saturated"),
     ([1, 0.1, 1e-2, 1e-3], 0.1, "healthy"), ([1, 0.1, 9e-4, 1e-5], None, "vanishing"), ([0, 0, 0], None, "vanishing"),
     ([1, 2, 4, 11], 0.9, "exploding")],
)  # fmt: skip
def test_thresholds(norms, saturated, expected):
    norms = np.array(norms, "float64")
    assert verdict_of(growth_of(norms), remaining_of(norms), saturated) == expected


def test_verdict_on_a_stack_is_that_of_its_worst_layer():
    assert worst(["healthy", "vanishing", "healthy"]) == "vanishing"
    assert worst(["saturated", "vanishing", "exploding"]) == "exploding"
    keras.utils.set_random_seed(0)
    diagnosis = diagnose(model_of(LSTM(4, return_sequences=True, name="good"), simple(0.2, name="bad")), batch(), rows=2)
    assert {layer.name: layer.verdict for layer in diagnosis.layers}["bad"] == diagnosis.verdict == "vanishing"
    assert any("LSTMCell" in advice for advice in diagnosis.advice)


def test_gradient_norm_and_clipping():
    x, y = batch()
    model = model_of(simple(1.0), optimizer=keras.optimizers.SGD(1.0))
    before = model.get_weights()
    norm = diagnose(model, (x, y), rows=None).gradient_norm
    model.train_on_batch(x, y)
    step = np.sqrt(sum(((a - b) ** 2).sum() for a, b in zip(before, model.get_weights())))
    assert norm == pytest.approx(step, rel=1e-4)
    assert diagnose(model, (x, y)).clipped is None
    model = model_of(simple(1.0), optimizer=keras.optimizers.SGD(global_clipnorm=1e-3))
    assert diagnose(model, (x, y), rows=1).clipped == 1
    assert diagnose(model, x, rows=1, gradient_norms=[1e-4, 1, 1e-4, 1e-4]).clipped == 0.25
    assert diagnose(model, x, rows=1).clipped is None
    with pytest.raises(ValueError, match="at least one norm"):
        clipped_share([], 1.0)
    with pytest.raises(ValueError, match="global_clipnorm"):
        clipped_share([1.0], 0)


def test_table_and_figure_name_layers_verdict_and_advice():
    keras.utils.set_random_seed(0)
    diagnosis = diagnose(model_of(GRU(4, name="first", return_sequences=True), simple(0.2, name="second")), batch(), rows=2)
    text = str(diagnosis)
    words = "first", "GRUCell, 32 steps", "second", "vanishing. What to try:", diagnosis.advice[0]
    assert all(word in text for word in words)
    assert "\x1b" not in text
    figure = diagnosis.plot()
    labels = [label for axes in figure.axes for label in axes.get_legend_handles_labels()[1]]
    assert "second: vanishing" in labels and "vanishing" in figure.get_suptitle()
    assert all(axes.get_xlabel() for axes in figure.axes[:3]) and all(axes.get_ylabel() for axes in figure.axes[:4])


def test_callback_logs_every_nth_epoch_and_prints():
    keras.utils.set_random_seed(0)
    model, printed = model_of(GRU(4, name="gru", return_sequences=True)), io.StringIO()
    callback = GradientFlow(batch(), every_epochs=2, rows=1, console=Console(file=printed, width=140))
    history = model.fit(*batch(), epochs=3, verbose=0, callbacks=[callback]).history
    assert len(history["loss"]) == 3 and len(history["half_life/gru"]) == 1
    figures = "half_life growth remaining singular_value spectral_radius lyapunov saturated"
    expected = {f"{name}/gru" for name in figures.split()}
    assert expected | {"gradient_norm"} == callback.last.figures().keys() <= history.keys()
    assert "epoch 2" in printed.getvalue() and callback.last.verdict in printed.getvalue()
    with pytest.raises(ValueError, match="every_epochs"):
        GradientFlow(batch(), every_epochs=0)


def test_dataset_and_tuples_are_batches():
    import tensorflow as tf

    model, (x, y) = model_of(GRU(2, return_sequences=True)), batch()
    norm = diagnose(model, (x, y), rows=2).gradient_norm
    dataset = tf.data.Dataset.from_tensor_slices((x, y, np.ones(len(x)))).batch(4)
    assert diagnose(model, dataset, rows=2).gradient_norm == pytest.approx(norm)
    with pytest.raises(ValueError, match="empty"):
        diagnose(model, dataset.take(0))
    with pytest.raises(ValueError, match="tuple of 4"):
        diagnose(model, (x, y, x, y))
