"""What is killed at any moment, and repeated, ends as what never stopped."""

import contextlib
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from training.resumed_training import KINDS, Kill, Killed, killed_here, train

from kerasrnn._backend import keras
from kerasrnn.training import Backup
from kerasrnn.training.backup_file import read_backup, write_backup

SCRIPT = Path(__file__).with_name("resumed_training.py")


def stop_at(epoch, batch):
    """Stops after a batch of an epoch, both counted from 0."""
    callback = keras.callbacks.Callback()
    at = {}
    callback.on_epoch_begin = lambda epoch, logs=None: at.update(epoch=epoch)

    def on_train_batch_end(number, logs=None):
        if (at["epoch"], number) == (epoch, batch):
            callback.model.stop_training = True

    callback.on_train_batch_end = on_train_batch_end
    return callback


def new_model(units=1, **arguments):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.layers.Input((1,)), keras.layers.Dense(units)])
    schedule = keras.optimizers.schedules.CosineDecay(0.1, 16)
    model.compile(keras.optimizers.Adam(schedule), loss="mse", run_eagerly=True, **arguments)
    return model


def assert_same(one, other):
    assert one.keys() == other.keys()
    for name, value in one.items():
        np.testing.assert_allclose(other[name], value, rtol=0, atol=1e-6, err_msg=name)


@pytest.fixture(scope="module", params=KINDS)
def straight(request, tmp_path_factory):
    """(kind, how a training without a break ends, how many events it has)."""
    count = Kill()
    state = train(tmp_path_factory.mktemp("straight"), request.param, count)
    return request.param, state, next(count.left)


def test_killed_at_a_random_moment_and_repeated_ends_the_same(straight, tmp_path):
    kind, expected, events = straight
    in_process, read_batches = kind == "windows", kind == "windows"
    after = random.Random(4).randrange(events // 4, events)
    if in_process:
        with pytest.raises(Killed):
            train(tmp_path, kind, Kill(after, killed_here), read_batches)
    else:
        run = subprocess.run([sys.executable, SCRIPT, tmp_path, kind, str(after)], capture_output=True, text=True)
        assert run.returncode == -signal.SIGKILL, run.stderr
    assert_same(expected, train(tmp_path, kind, read_batches=read_batches))


def test_a_complete_training_repeated_stays_as_it_is(tmp_path):
    first, second = (train(tmp_path, "windows") for _ in range(2))
    assert np.isnan(second.pop("last loss")) and first.pop("last loss") > 0
    assert_same(first, second)


@pytest.mark.slow
@pytest.mark.parametrize("read_batches", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_killed_at_many_random_moments(straight, tmp_path, seed, read_batches):
    kind, expected, events = straight
    moments = random.Random(seed)
    for kill in [*(Kill(moments.randrange(1, events), killed_here) for _ in range(4)), None]:
        with contextlib.suppress(Killed):
            assert_same(expected, train(tmp_path, kind, kill, read_batches))
            break


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_after_many_sigkills_by_the_clock(straight, tmp_path, seed):
    kind, expected, _ = straight
    moments = random.Random(seed)
    for _ in range(3):
        before = {path.name for path in tmp_path.glob("*.backup")}
        process = subprocess.Popen([sys.executable, SCRIPT, tmp_path, kind, "1000000"], stdout=subprocess.PIPE, text=True)
        while process.poll() is None and before == {path.name for path in tmp_path.glob("*.backup")}:
            time.sleep(0.001)
        time.sleep(moments.uniform(0, 0.05))
        process.kill()
        process.wait()
    ended = train(tmp_path, kind)
    if np.isnan(ended["last loss"]):  # the last process came to the end before it was killed
        ended["last loss"] = expected["last loss"]
    assert_same(expected, ended)


def test_broken_off_and_repeated_equals_straight(fit, tmp_path):
    straight, broken, resumed = new_model(), new_model(), new_model()
    fit(model=straight, epochs=4, shuffle=False)
    fit(stop_at(2, 1), Backup(tmp_path), model=broken, epochs=4, shuffle=False)
    backup = Backup(tmp_path)
    assert backup.restore(resumed) == backup.epochs == 2 and backup.batches == 2
    history = fit(backup, model=resumed, initial_epoch=2, epochs=4, shuffle=False)
    assert history.epoch == [2, 3]
    assert resumed.optimizer.iterations == straight.optimizer.iterations == 16
    for one, other in zip(straight.variables + straight.optimizer.variables, resumed.variables + resumed.optimizer.variables):
        np.testing.assert_allclose(one, other, atol=1e-7)


def test_figures_and_callbacks_go_on_too(fit, tmp_path):
    def callbacks():
        return keras.callbacks.EarlyStopping("loss", patience=2, min_delta=1e9, restore_best_weights=True)

    expected = callbacks()
    straight = fit(expected, model=new_model(metrics=["mae"]), epochs=4, shuffle=False)
    stopping = callbacks()
    backup, model = Backup(tmp_path, callbacks=[stopping]), new_model(metrics=["mae"])
    fit(stopping, stop_at(1, 1), backup, model=model, shuffle=False, epochs=4)
    stopping, model = callbacks(), new_model(metrics=["mae"])
    backup = Backup(tmp_path, callbacks=[stopping])
    history = fit(stopping, backup, model=model, initial_epoch=backup.restore(model), epochs=4, shuffle=False)
    assert len(straight.epoch) == 3 and history.epoch == [1, 2]
    for name, values in straight.history.items():
        np.testing.assert_allclose(history.history[name], values[1:], atol=1e-6)
    assert stopping.best == pytest.approx(expected.best) and stopping.best_epoch == expected.best_epoch == 0


@pytest.mark.parametrize("metrics", [[], ["mae"]])
def test_stopped_while_it_passes_over_batches_it_keeps_its_place(fit, tmp_path, metrics):
    fit(stop_at(1, 2), Backup(tmp_path), model=new_model(metrics=metrics), epochs=3)
    backup, model = Backup(tmp_path), new_model(metrics=metrics)
    fit(stop_at(1, 0), backup, model=model, initial_epoch=backup.restore(model), epochs=3)
    assert (backup.epochs, backup.batches) == (1, 3) and model.optimizer.iterations == 7
    fit(model=model)
    assert model.optimizer.iterations == 11


def test_an_epoch_stopped_at_its_last_batch_counts(fit, tmp_path):
    backup = Backup(tmp_path)
    fit(stop_at(0, 3), backup, epochs=4)
    assert (backup.epochs, backup.batches) == (1, 0)


def test_the_last_two_backups_stay(fit, tmp_path):
    fit(Backup(tmp_path), epochs=3)
    names = ["epoch_000002_batch_000000000.backup", "epoch_000003_batch_000000000.backup"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names


def test_backups_by_time(fit, tmp_path, monkeypatch):
    saved = []
    backup = Backup(tmp_path, every_seconds=1e-9)
    save = backup._save
    monkeypatch.setattr("kerasrnn.training.backup._SHARE", 0)
    monkeypatch.setattr(backup, "_save", lambda *place: (saved.append(place[:2]), save(*place)))
    fit(backup, epochs=2)
    assert saved == [(0, 1), (0, 2), (0, 3), (1, 0), (1, 1), (1, 2), (1, 3), (2, 0)]


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty"])
def test_of_a_torn_backup_the_one_before_is_taken(fit, tmp_path, damage):
    fit(Backup(tmp_path), model=new_model(), epochs=3)
    first, last = sorted(tmp_path.iterdir())
    content = bytearray(last.read_bytes())
    content[len(content) // 2] ^= 1
    last.write_bytes({"cut": content[:-100], "flipped": content, "empty": b""}[damage])
    backup, model = Backup(tmp_path), new_model()
    with pytest.warns(UserWarning, match=f"{last.name}' is damaged: .* Going on from '{first.name}'"):
        assert backup.restore(model) == 2
    assert backup.epochs == 2 and not last.exists()
    first.write_bytes(b"")
    with pytest.raises(ValueError, match=f"{first.name}' is damaged.*Delete"):
        Backup(tmp_path).restore(new_model())


def test_a_full_disk_leaves_the_backup_before(fit, tmp_path, monkeypatch):
    fit(Backup(tmp_path), epochs=1)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def full(file, **arrays):
        file.write(b"half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match="No space left"):
        fit(Backup(tmp_path), epochs=1)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_what_changed_is_named(fit, tmp_path):
    backup = Backup(tmp_path, identity={"data": "abc", "tokenizer": "x"})
    fit(stop_at(1, 1), backup, model=new_model(), epochs=3)
    with pytest.raises(ValueError, match=r"is of another training \(data: 'abd', was 'abc'\). Repeat it .* or delete"):
        Backup(tmp_path, identity={"data": "abd", "tokenizer": "x"}).restore(new_model())
    backup = Backup(tmp_path, identity={"data": "abc", "tokenizer": "x"})
    with pytest.raises(ValueError, match=r"of another model: '.*kernel' has the shape \(1, 1\) in it, and \(1, 2\)"):
        backup.restore(new_model(units=2))
    backup.restore(model := new_model())
    with pytest.raises(ValueError, match="initial_epoch must be 1, as Backup.restore returned, but is 0"):
        fit(backup, model=model, epochs=3)
    backup.restore(model)
    with pytest.raises(ValueError, match="An epoch must have 4 batches, as before the break, but has 3"):
        fit(backup, model=model, initial_epoch=1, epochs=3, steps_per_epoch=3)


@pytest.mark.parametrize("arguments", [{"every_batches": 0}, {"every_seconds": -1.0}])
def test_intervals_are_positive(tmp_path, arguments):
    with pytest.raises(ValueError, match=f"{[*arguments][0]} must be positive"):
        Backup(tmp_path, **arguments)


@settings(max_examples=30, deadline=None)
@given(
    st.dictionaries(st.text("abc/ 0", min_size=2), arrays(st.sampled_from(["float32", "int64", "float16", "bool"]), (3, 2))),
    st.integers(0, 10**6),
)
def test_a_file_round_trip_and_each_flipped_byte(tmp_path_factory, state, position):
    path = tmp_path_factory.mktemp("file") / "a.backup"
    write_backup(path, {"epochs": 3}, state)
    about, found = read_backup(path)
    assert about == {"epochs": 3} and found.keys() == state.keys()
    for name, value in state.items():
        np.testing.assert_array_equal(found[name], value)
        assert found[name].dtype == value.dtype
    content = bytearray(path.read_bytes())
    content[position % len(content)] ^= 4
    path.write_bytes(content)
    with pytest.raises(ValueError, match="is damaged"):
        read_backup(path)
