import numpy as np
import pytest

from kerasrnn._backend import keras
from kerasrnn.training import Backup


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


def new_model():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.layers.Input((1,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(0.1, 16)), loss="mse", run_eagerly=True)
    return model


def test_broken_off_and_repeated_equals_straight(fit, tmp_path):
    straight, broken, resumed = new_model(), new_model(), new_model()
    fit(model=straight, epochs=4, shuffle=False)
    fit(Backup(tmp_path), stop_at(2, 1), model=broken, epochs=4, shuffle=False)
    backup = Backup(tmp_path)
    assert backup.restore(resumed) == backup.epochs == 2
    history = fit(backup, model=resumed, initial_epoch=2, epochs=4, shuffle=False)
    assert history.epoch == [2, 3]
    assert resumed.optimizer.iterations == straight.optimizer.iterations == 16
    for one, other in zip(straight.variables + straight.optimizer.variables, resumed.variables + resumed.optimizer.variables):
        np.testing.assert_allclose(one, other, atol=1e-7)


def test_an_epoch_stopped_at_its_last_batch_counts(fit, tmp_path):
    backup = Backup(tmp_path)
    fit(backup, stop_at(0, 3), epochs=4)
    assert backup.epochs == 1


def test_only_the_last_backup_stays(fit, tmp_path):
    fit(Backup(tmp_path), epochs=3)
    assert [path.name for path in tmp_path.iterdir()] == ["epoch_000003.weights.h5"]


def test_a_damaged_backup_is_refused_by_name(fit, tmp_path):
    fit(Backup(tmp_path))
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ValueError, match=f"{path.name}' is damaged.*Delete"):
        Backup(tmp_path).restore(new_model())
