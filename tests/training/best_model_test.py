import pytest

from kerasrnn._backend import keras
from kerasrnn.training import BestModel


class Figures(keras.callbacks.Callback):
    """Replaces an epoch's figures."""

    def __init__(self, losses):
        super().__init__()
        self.losses = losses

    def on_epoch_end(self, epoch, logs=None):
        logs["val_loss"] = self.losses[epoch]


def test_saves_whenever_the_figure_is_the_best(fit, tmp_path):
    saved = []
    best = BestModel(tmp_path / "model.keras", best=3.5)
    look = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: saved.append((tmp_path / "model.keras").exists() and best.best)
    )
    fit(Figures([4.0, 3.0, float("nan"), 3.5, 2.0]), best, look, epochs=5)
    assert saved == [False, 3.0, 3.0, 3.0, 2.0]


def test_a_full_disk_leaves_the_model_saved_before(fit, tmp_path, monkeypatch):
    path = tmp_path / "model.keras"
    fit(BestModel(path, "loss"))
    before = path.read_bytes()

    def full_disk(self, path):
        path.write_bytes(b"half of a mod")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(keras.Sequential, "save", full_disk)
    with pytest.raises(OSError, match="No space left"):
        fit(BestModel(path, "loss"))
    assert path.read_bytes() == before
    assert [*tmp_path.iterdir()] == [path]


def test_bad_arguments(fit, tmp_path):
    with pytest.raises(ValueError, match=r"path must end in '.keras', but is 'model.h5'"):
        BestModel("model.h5")
    with pytest.raises(ValueError, match=r"monitor .*\['loss'\], but is 'val_loss'.*validation_data"):
        fit(BestModel(tmp_path / "model.keras"))
