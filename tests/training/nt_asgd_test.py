import numpy as np
import pytest

from kerasrnn._backend import keras
from kerasrnn.training import NonMonotonicASGD

X = np.random.default_rng(0).standard_normal((24, 3)).astype("float32")
Y = X @ np.array([[1.0], [-2.0], [0.5]], "float32") + np.random.default_rng(1).standard_normal((24, 1)).astype("float32")
DATA = {"x": X, "y": Y, "batch_size": 4, "shuffle": False, "verbose": 0}
DATA |= {"validation_data": (X[:8], Y[:8]), "validation_batch_size": 8}


def noisy_model(rate=0.3, policy="float32", **compiled):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(1, dtype=policy)])
    model.compile(keras.optimizers.SGD(rate), loss="mse", **compiled)
    return model


class Watch(keras.callbacks.Callback):
    """The weights after each batch, and those that validation and the callbacks after an epoch find."""

    def __init__(self):
        super().__init__()
        self.steps, self.validated, self.saved, self.started = [], [], [], []

    def _weights(self):
        return np.concatenate([np.array(weight).ravel() for weight in self.model.get_weights()])

    def on_train_batch_end(self, batch, logs=None):
        self.steps.append(self._weights())

    def on_train_batch_begin(self, batch, logs=None):
        self.started.append(self._weights())

    def on_test_batch_begin(self, batch, logs=None):
        self.validated.append(self._weights())

    def on_epoch_end(self, epoch, logs=None):
        self.saved.append(self._weights())


def triggered_at(figures, patience):
    """Algorithm 1 of the paper: the number of the check that begins the average, or None."""
    logs = []
    for t, v in enumerate(figures):
        if t > patience and v > min(logs[: t - patience]):
            return t
        logs.append(v)
    return None


@pytest.mark.parametrize("figures", [
    [5, 4, 3, 2, 1, 0.5], [5, 4, 3, 3.5, 3.5, 3.5], [1, 2, 3, 4], [3, 3, 3, 3, 3, 3.1], [3, 1, 2, 2, 2, float("nan"), 2],
])  # fmt: skip
@pytest.mark.parametrize("patience", [1, 2, 5])
def test_the_average_begins_when_the_papers_condition_holds(figures, patience):
    model = noisy_model()
    asgd = NonMonotonicASGD(patience=patience)
    asgd.set_model(model)
    asgd.set_params({"steps": None})
    begun = None
    for epoch, figure in enumerate(figures):
        asgd.on_epoch_end(epoch, {"val_loss": figure})
        if asgd.averaging and begun is None:
            begun = epoch
    assert begun == triggered_at(figures, patience)


FIGURES = [3.0, 2.0, 1.0, 4.0, 1.0, 1.0]  # with patience 2 the average begins after the fourth epoch


class Figures(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        logs["figure"] = FIGURES[epoch]


@pytest.mark.parametrize(("policy", "jit"), [
    ("float32", False), ("mixed_float16", False),
    pytest.param("float32", True, marks=pytest.mark.slow), pytest.param("mixed_bfloat16", True, marks=pytest.mark.slow),
])  # fmt: skip
def test_the_average_is_the_mean_of_every_step_since_and_training_goes_on_undisturbed(policy, jit):
    plain, averaged = Watch(), Watch()
    noisy_model(policy=policy, jit_compile=jit).fit(epochs=6, callbacks=[plain], **DATA)
    asgd = NonMonotonicASGD("figure", patience=2)
    model = noisy_model(policy=policy, jit_compile=jit)
    history = model.fit(epochs=6, callbacks=[Figures(), averaged, asgd], **DATA).history
    np.testing.assert_array_equal(plain.steps, averaged.steps)
    np.testing.assert_array_equal(averaged.started[1:], averaged.steps[:-1])
    assert asgd.steps_averaged == 13  # that of the trigger, and two epochs of 6
    for epoch in (4, 5):
        mean = np.mean(plain.steps[23 : 6 * epoch + 6], axis=0)
        np.testing.assert_allclose(averaged.validated[epoch], mean, rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(averaged.saved[epoch], averaged.validated[epoch])
        assert (averaged.validated[epoch] != plain.validated[epoch]).all()
    np.testing.assert_array_equal(averaged._weights(), averaged.saved[-1])
    assert model.evaluate(X[:8], Y[:8], verbose=0) == pytest.approx(history["val_loss"][-1], rel=1e-5)


@pytest.fixture(scope="module")
def unbroken():
    model, asgd = noisy_model(run_eagerly=True), NonMonotonicASGD("figure", patience=2)
    model.fit(epochs=6, callbacks=[Figures(), asgd], **DATA)
    return model, asgd


@pytest.mark.parametrize("broken_after", [2, 4, 5])  # before, at and after the trigger
def test_a_training_resumed_with_the_state_equals_one_without_a_break(broken_after, unbroken, tmp_path):
    whole, asgd = unbroken
    model, first = noisy_model(run_eagerly=True), NonMonotonicASGD("figure", patience=2)
    model.fit(epochs=broken_after, callbacks=[Figures(), first], **DATA)
    model.save_weights(tmp_path / "w.weights.h5")
    np.savez(tmp_path / "state.npz", **first.get_state())

    resumed, second = noisy_model(run_eagerly=True), NonMonotonicASGD("figure", patience=2)
    resumed.optimizer.build(resumed.trainable_variables)
    resumed.load_weights(tmp_path / "w.weights.h5")
    with np.load(tmp_path / "state.npz") as state:
        second.set_state(dict(state))
    for name, value in first.get_state().items():
        np.testing.assert_array_equal(second.get_state()[name], value)
    resumed.fit(epochs=6, initial_epoch=broken_after, callbacks=[Figures(), second], **DATA)
    assert second.steps_averaged == asgd.steps_averaged == 13
    for ours, theirs in zip(resumed.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_an_epoch_that_was_stopped_is_no_check():
    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = True

    asgd = NonMonotonicASGD(patience=1)
    noisy_model(run_eagerly=True).fit(epochs=3, callbacks=[Stop(), asgd], **DATA)
    assert len(asgd.get_state()["figures"]) == 0


def test_bad_arguments():
    for patience in (0, -1, 1.5, None, True):
        with pytest.raises(ValueError, match="patience must be an integer of at least 1"):
            NonMonotonicASGD(patience=patience)
    with pytest.raises(ValueError, match="monitor must be one of the epoch's figures, \\['loss'\\], but is 'val_loss'"):
        noisy_model(run_eagerly=True).fit(X, Y, verbose=0, callbacks=[NonMonotonicASGD()])
    with pytest.raises(ValueError, match="state must be what get_state returned, but lacks \\['figures'\\]"):
        NonMonotonicASGD().set_state({"steps_averaged": 0})
    asgd = NonMonotonicASGD()
    asgd.set_state({"figures": [1.0], "steps_averaged": 3, "average_0": np.ones(2), "weights_0": np.ones(2)})
    with pytest.raises(ValueError, match="state must be of this model, with averages and weights of the shapes"):
        noisy_model(run_eagerly=True).fit(callbacks=[asgd], **DATA)
