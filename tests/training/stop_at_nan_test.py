import numpy as np
import pytest

from kerasrnn._backend import keras
from kerasrnn.cells import GRUCell
from kerasrnn.data import document_streams
from kerasrnn.models import LanguageModel
from kerasrnn.training import StopAtNaN, VariableLengthRate


def diverging(**arguments):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.layers.Input((1,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(1e30, momentum=0.9), loss="mse", **arguments)
    return model


class Log(keras.layers.Layer):
    """Finite at 0, where its gradient is NaN."""

    def call(self, x):
        return keras.ops.where(x > 0, keras.ops.log(x), 0 * x)


@pytest.mark.parametrize("arguments", [{}, {"jit_compile": True}, {"run_eagerly": True}, {"steps_per_execution": 2}])
def test_weights_and_optimizer_are_those_of_before_the_batch(arguments, tmp_path):
    x = np.ones((8, 1))
    expected, model = diverging(run_eagerly=True), diverging(**arguments)
    expected.train_on_batch(x[:2], 0 * x[:2])
    path = tmp_path / "before.weights.h5"
    with pytest.raises(ValueError, match="The loss became inf in batch 2 of epoch 1. Lower the learning rate") as error:
        model.fit(x, 0 * x, batch_size=2, verbose=0, callbacks=[StopAtNaN(path)])
    assert "after 1 steps" in str(error.value) and repr(str(path)) in str(error.value)
    for one, other in zip(expected.variables + expected.optimizer.variables, model.variables + model.optimizer.variables):
        np.testing.assert_allclose(one, other, rtol=1e-6)
    saved = diverging()
    saved.load_weights(path)
    np.testing.assert_array_equal(saved.get_weights()[0], model.get_weights()[0])
    known = "largest weight was" in str(error.value)
    assert known != ("steps_per_execution=1" in str(error.value))
    model.compile(keras.optimizers.SGD(1e-31), loss="mse")
    model.fit(x, 0 * x, verbose=0)


def test_the_gradient_is_looked_at_too_and_the_row_named():
    model = keras.Sequential(
        [keras.layers.Input((1,)), keras.layers.Dense(1, use_bias=False, kernel_initializer="ones", name="first"), Log()]
    )
    model.compile(keras.optimizers.SGD(0.01), loss="mse")
    x = np.ones((8, 1))
    x[6] = 0
    with pytest.raises(ValueError, match="The gradient became no finite number in batch 2 of epoch 1.") as error:
        model.fit(x, x, batch_size=4, shuffle=False, verbose=0, callbacks=[StopAtNaN()])
    assert "first/kernel'; it fails in rows [2] of the batch" in str(error.value)
    assert 0 < model.get_weights()[0][0, 0] < 2


def test_bad_data_is_named():
    x = np.ones((8, 3, 1))
    x[5, 2] = np.nan
    model = keras.Sequential([keras.layers.Input((3, 1)), keras.layers.GRU(2, name="rnn"), keras.layers.Dense(1)])
    model.compile("sgd", loss="mse")
    with pytest.raises(ValueError, match="The loss became nan in batch 2") as error:
        model.fit(x, x[:, 0], batch_size=4, shuffle=False, verbose=0, callbacks=[StopAtNaN()])
    assert "Input 0 has a number that is not finite, in row 1 of the batch at time step 2." in str(error.value)
    assert "The first output that is no finite number is that of layer 'rnn', in row 1" in str(error.value)


def test_in_a_stateful_model_with_another_callback_around_the_step():
    model = LanguageModel(GRUCell(4), vocabulary_size=9, stateful=True, dropout=0.2)
    model.compile(keras.optimizers.SGD(0.1))
    streams = document_streams([np.arange(400) % 9], batch_size=4, num_steps=10, seed=1)
    poison = keras.callbacks.LambdaCallback(
        on_train_batch_begin=lambda batch, logs: (
            batch == 3 and model.embedding_layer.embeddings.assign(np.full((9, 4), np.nan, "float32"))
        )
    )
    with pytest.raises(ValueError, match="The loss became nan in batch 4") as error:
        model.fit(streams, verbose=0, callbacks=[StopAtNaN(), VariableLengthRate(10), poison])
    assert "the weights 'language_model" in str(error.value) and "layer 'embedding'" in str(error.value)
    assert np.isfinite(model.carried_states.get()["state_0_h"]).all()


def test_training_is_the_same_with_and_without(fit):
    histories = []
    for callbacks in ([], [StopAtNaN()]):
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.layers.Input((1,)), keras.layers.Dropout(0.5), keras.layers.Dense(1)])
        model.compile("adam", loss="mse")
        histories.append(fit(*callbacks, model=model, epochs=3, shuffle=False).history["loss"])
    assert histories[0] == histories[1]


def test_the_name_of_the_file():
    with pytest.raises(ValueError, match="weights_path must end in '.weights.h5', but is 'a.keras'"):
        StopAtNaN("a.keras")
