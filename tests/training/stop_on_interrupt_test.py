import signal
import threading

import pytest

from kerasrnn._backend import keras
from kerasrnn.training import StopOnInterrupt, TimeLimit


@pytest.fixture(autouse=True)
def ctrl_c_as_in_a_terminal():
    """A job in the background starts with SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def send(number, **when):
    """Sends this process a signal at a callback's hook."""
    return keras.callbacks.LambdaCallback(**{hook: lambda *_: signal.raise_signal(number) for hook in when})


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_training_ends_after_the_batch_at_work(fit, number, capsys):
    before = signal.getsignal(number)
    stop, batches = StopOnInterrupt(), []
    count = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: batches.append(batch))
    history = fit(stop, send(number, on_epoch_begin=True), count, epochs=9, validation_split=0.5)
    assert batches == [0] and stop.interrupted
    assert "val_loss" in history.history  # measured once more, so that a checkpoint can tell the best
    assert "Ctrl-C again aborts" in capsys.readouterr().out
    assert signal.getsignal(number) is before


def test_a_signal_while_validating_ends_training_with_the_epoch(fit):
    stop = StopOnInterrupt()
    assert fit(stop, send(signal.SIGINT, on_test_begin=True), epochs=9, validation_split=0.5).epoch == [0]


def test_a_second_one_aborts_at_once(fit):
    with pytest.raises(KeyboardInterrupt):
        fit(StopOnInterrupt(), send(signal.SIGINT, on_epoch_begin=True, on_test_begin=True), validation_split=0.5)


def test_other_threads_train_without_it(fit):
    histories = []
    thread = threading.Thread(target=lambda: histories.append(fit(StopOnInterrupt(), epochs=2)))
    thread.start()
    thread.join()
    assert histories[0].epoch == [0, 1]


def test_time_limit(fit):
    limit = TimeLimit(1e-9)
    assert fit(limit, epochs=9).epoch == [0] and limit.reached
    limit = TimeLimit(60)
    assert fit(limit, epochs=2).epoch == [0, 1] and not limit.reached
    for minutes in (0, -1, float("nan")):
        with pytest.raises(ValueError, match="max_minutes must be a positive number, but is"):
            TimeLimit(minutes)
