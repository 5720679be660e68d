"""Runs with carried states, variable windows and averaged weights: broken off and repeated as without a break."""

import functools
import io
import json

import numpy as np
import pytest
from rich.console import Console

from kerasrnn._backend import keras
from kerasrnn.training import RunFolder, Settings, read_history, train
from kerasrnn.training.backup_file import read_backup
from kerasrnn.training.nt_asgd import NonMonotonicASGD
from kerasrnn.training.run_windows import validation_windows

SMALL = {"tokenizer": "char", "units": 5, "layers": 1, "epochs": 4, "batch_size": 6, "num_steps": 12}
RUNS = {
    "zaremba": Settings.from_preset("zaremba_small", **SMALL, dropout=0.3, decay_after=2),
    "awd": Settings.from_preset("awd_lstm", **{**SMALL, "layers": 2}, embedding=4, learning_rate=3.0),
    "moving_average": Settings.from_preset("char_gru", **SMALL, embedding=3, warmup_steps=5),
}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    path = tmp_path_factory.mktemp("corpus") / "rhyme.txt"
    words = np.random.default_rng(0).choice("ring a o' roses pocket full of posies ashes we all fall down".split(), 500)
    path.write_text(" ".join(words))
    return str(path)


class ImpatientASGD(NonMonotonicASGD):
    """Averages after the second epoch already, whatever the loss."""

    def __init__(self):
        super().__init__(patience=1)

    def on_epoch_end(self, epoch, logs=None):
        super().on_epoch_end(epoch, {**logs, "val_loss": float(epoch)})


@pytest.fixture(scope="module", autouse=True)
def impatient():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kerasrnn.training.settings.NonMonotonicASGD", ImpatientASGD)
        yield


@pytest.fixture(scope="module")
def straight(corpus, tmp_path_factory):
    """From a name to its run without a break, made once."""
    folder = tmp_path_factory.mktemp("straight")
    return functools.cache(lambda name: run(corpus, folder / name, RUNS[name]))


def run(corpus, folder, settings, *callbacks):
    console = Console(file=io.StringIO(), width=200)
    return train(corpus, folder, settings, prompt=None, console=console, callbacks=callbacks)


def stop_at(epoch, batch):
    at = {}

    def stop(number, logs):
        callback.model.stop_training = callback.model.stop_training or (at["epoch"], number) == (epoch, batch)

    callback = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: at.update(epoch=epoch), on_train_batch_end=stop
    )
    return callback


def last_state(result):
    """All arrays of the last backup, but for the random generators."""
    about, state = read_backup(max(result.run.backup_path.iterdir()))
    assert about["epochs"] == 4
    return {name: value for name, value in state.items() if not name.startswith("random/")}


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] * (n == "awd")) for n in RUNS])
def test_broken_off_and_repeated_gives_what_a_run_without_a_break_gives(name, straight, corpus, tmp_path):
    settings = RUNS[name]
    first = run(corpus, tmp_path / "broken", settings, stop_at(3, 4))
    assert (first.epochs, first.stopped_by) == (3, "callback")
    last = run(corpus, tmp_path / "broken", settings)
    assert (last.epochs, last.stopped_by) == (4, None)
    expected, found = last_state(straight(name)), last_state(last)
    assert expected.keys() == found.keys() and any(key.startswith("optimizer/") for key in found)
    if name == "awd":
        assert expected["callbacks/ImpatientASGD 0/steps_averaged"] > 1
    for key, value in expected.items():
        np.testing.assert_allclose(found[key], value, rtol=0, atol=1e-6, err_msg=key)
    expected, found = (read_history(result.run.path / "history.csv") for result in (straight(name), last))
    np.testing.assert_allclose(found["val_loss"], expected["val_loss"], atol=1e-5)
    assert json.loads((last.run.path / "config.json").read_text())["settings"]["stateful"] is True


@pytest.mark.parametrize("name", ["awd", "moving_average"])
def test_the_model_that_is_kept_is_the_average_that_was_validated(name, straight):
    result = straight(name)
    history = read_history(result.run.path / "history.csv")
    texts = RunFolder(result.run.path).load_corpus()
    model = result.run.load_model()
    windows = validation_windows(model.tokenizer(texts.validation).numpy(), RUNS[name])
    loss = model.evaluate(windows, verbose=0, return_dict=True)["loss"]
    assert loss == pytest.approx(min(history["val_loss"]), abs=1e-5)
