import numpy as np
import pytest

from kerasrnn._backend import keras
from kerasrnn.cells import GRUCell
from kerasrnn.data import document_streams
from kerasrnn.models import LanguageModel
from kerasrnn.training import find_learning_rate


def new_model(rate=0.002):
    keras.utils.set_random_seed(0)
    model = LanguageModel(GRUCell(8), vocabulary_size=5, stateful=True, dropout=0.1)
    model.compile(keras.optimizers.Adam(rate))
    return model


def streams():
    return document_streams([np.arange(600) % 5], batch_size=4, num_steps=10, seed=1)


@pytest.mark.parametrize(
    "rate", [pytest.param(0.002, marks=pytest.mark.slow), keras.optimizers.schedules.CosineDecay(0.002, 40)]
)
def test_a_rate_is_found_and_the_model_left_as_it_was(rate, tmp_path):
    model, plain = new_model(rate), new_model(rate)
    model.fit(streams(), verbose=0)
    plain.fit(streams(), verbose=0)
    before = [np.array(variable) for variable in model.variables + model.optimizer.variables]
    states = model.carried_states.get()
    found = find_learning_rate(new_model(), streams(), lowest=1e-5, highest=100.0, steps=60)
    assert 1e-3 < found.suggestion < 1.0
    assert len(found.rates) == len(found.losses) == len(found.smoothed) <= 60
    assert found.plot(tmp_path / "rates.png").axes and (tmp_path / "rates.png").stat().st_size > 1000
    again = find_learning_rate(model, streams(), lowest=1e-5, highest=100.0, steps=60)
    assert again.rates[0] == pytest.approx(1e-5)
    for variable, value in zip(model.variables + model.optimizer.variables, before, strict=True):
        np.testing.assert_array_equal(variable, value)
    np.testing.assert_array_equal(model.carried_states.get()["state_0_h"], states["state_0_h"])
    assert float(model.optimizer.learning_rate) == pytest.approx(float(plain.optimizer.learning_rate))
    histories = [one.fit(streams(), verbose=0).history["loss"] for one in (model, plain)]
    assert histories[0] == pytest.approx(histories[1], rel=1e-6)


def test_bad_arguments_and_a_loss_that_does_not_fall():
    for arguments in ({"lowest": 1.0, "highest": 0.1}, {"steps": 3}, {"smoothing": 1.0}):
        with pytest.raises(ValueError, match=f"{[*arguments][0]}.* must be"):
            find_learning_rate(new_model(), streams(), **arguments)
    with pytest.raises(ValueError, match="The loss must fall at some rate between lowest and highest"):
        find_learning_rate(new_model(), streams(), lowest=1e3, highest=1e9, steps=30)
