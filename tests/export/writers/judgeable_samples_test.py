"""Models whose numbers explode on long random inputs: verified where they do not, or refused with a word on what to give."""

import numpy as np
import pytest

import kerasrnn
from kerasrnn._backend import keras
from kerasrnn.export import ParityError, export_onnx, read_manifest
from kerasrnn.export.writers._judgeable_samples import judgeable_samples
from kerasrnn.export.writers._model_io import forward_signature
from kerasrnn.export.writers._samples import samples_for
from kerasrnn.export.writers._signatures import keras_functions

layers, ops = keras.layers, keras.ops


def vectors(*stack):
    return keras.Sequential([keras.Input((None, 4), name="x"), *stack])


def images(**options):
    return keras.Sequential([keras.Input((None, 6, 6, 1), name="x"), layers.ConvLSTM2D(3, 3, padding="same", **options)])


EXPLODING = {
    "GRU of linear gates": lambda: vectors(layers.GRU(8, recurrent_activation="linear", return_sequences=True)),
    "its last step": lambda: vectors(layers.GRU(8, recurrent_activation="linear")),
    "our GRU": lambda: vectors(kerasrnn.layers.GRU(8, recurrent_activation="linear", return_sequences=True)),
    "GRU of relu alone": lambda: vectors(layers.GRU(5, "relu", "linear", return_sequences=True)),
    "LSTM of relu alone": lambda: vectors(layers.LSTM(5, "relu", "relu", return_sequences=True)),
    "SimpleRNN": lambda: vectors(layers.SimpleRNN(9, "relu", recurrent_initializer=keras.initializers.Orthogonal(2.0))),
    "ConvLSTM of relu": lambda: images(
        activation="relu", recurrent_initializer=keras.initializers.Orthogonal(4.0), return_sequences=True
    ),
    "ConvLSTM of relu gates": lambda: images(activation="relu", recurrent_activation="relu"),
    "chaos": lambda: vectors(layers.SimpleRNN(40, recurrent_initializer=keras.initializers.Orthogonal(4.0))),
}
SOUND = {
    "GRU": lambda: vectors(layers.GRU(8, return_sequences=True)),
    "GRU of tanh gates": lambda: vectors(layers.GRU(8, recurrent_activation="tanh", return_sequences=True)),
    "large numbers": lambda: vectors(layers.GRU(8), layers.Rescaling(1e7)),
    "ConvLSTM": lambda: images(return_sequences=True),
    "embedded": lambda: keras.Sequential([keras.Input((None,), dtype="int32"), layers.Embedding(7, 4), layers.LSTM(3)]),
}


def judged(model):
    forward = forward_signature(model)
    function = keras_functions({"forward": forward})["forward"]
    samples, how = judgeable_samples(forward, function, samples_for(model, forward, None))
    return {name: np.abs(value).max() for name, value in function(samples).items()}, how


@pytest.mark.parametrize("name", [pytest.param(n, marks=[] if i < 4 else pytest.mark.slow) for i, n in enumerate(EXPLODING)])
def test_samples_become_smaller_until_the_numbers_can_be_judged(name):
    keras.utils.set_random_seed(1)
    largest, how = judged(EXPLODING[name]())
    assert max(largest.values()) < 1e6
    assert how.startswith("random inputs ")


@pytest.mark.parametrize("name", [pytest.param(n, marks=[] if i < 2 else pytest.mark.slow) for i, n in enumerate(SOUND)])
def test_samples_of_a_sound_model_stay_as_they_are(name):
    keras.utils.set_random_seed(1)
    assert judged(SOUND[name]())[1] == "random inputs"


@pytest.mark.parametrize("name", ["GRU of linear gates", "ConvLSTM of relu gates"])
def test_an_exploding_model_is_exported_and_says_what_it_was_verified_on(name, tmp_path):
    keras.utils.set_random_seed(1)
    parity = read_manifest(export_onnx(EXPLODING[name](), tmp_path / "out"))["parity"]
    assert parity["samples"].startswith("random inputs ")
    assert all(check["error"] <= check["limit"] for check in parity["checks"])


def test_samples_as_given_are_named_in_the_manifest(tmp_path):
    x = np.random.default_rng(0).standard_normal((3, 20, 4)).astype("float32")
    assert read_manifest(export_onnx(SOUND["GRU"](), tmp_path / "out", samples=x))["parity"]["samples"] == "as given"


def test_where_random_inputs_are_none_of_the_model_s_it_asks_for_samples(tmp_path):
    model = vectors(layers.Lambda(lambda x: ops.log(x), name="log"), layers.GRU(3, name="last"))
    with pytest.raises(ValueError, match="samples: expected inputs.*output 'last' is not finite. Give samples=…, real data"):
        export_onnx(model, tmp_path / "out")
    x = np.random.default_rng(0).uniform(0.1, 5, (3, 20, 4)).astype("float32")
    assert export_onnx(model, tmp_path / "out", samples=x).exists()


def test_a_refusal_says_which_samples_to_give(tmp_path):
    keras.utils.set_random_seed(1)
    x = np.random.default_rng(0).standard_normal((3, 200, 4)).astype("float32")
    with pytest.raises(ParityError, match=r"FAILED[\s\S]*give samples=…, real data: arrays like the model's inputs"):
        export_onnx(EXPLODING["GRU of linear gates"](), tmp_path / "out", samples=x)
    assert not (tmp_path / "out").exists()
