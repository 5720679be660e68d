"""The share of clipped steps, against norms computed one by one."""

import keras
import numpy as np
import pytest

import kerasrnn
from kerasrnn.training import ClippedSteps, Norms


def model_of(limit):
    keras.utils.set_random_seed(0)
    model = kerasrnn.models.LanguageModel(kerasrnn.cells.GRUCell(4), vocabulary_size=9)
    model.compile(keras.optimizers.SGD(0.1, global_clipnorm=limit))
    return model


class EachNorm(keras.callbacks.Callback):
    def __init__(self, norms):
        super().__init__()
        self.norms, self.seen = norms, []

    def on_train_batch_end(self, batch, logs=None):
        self.seen.append(self.norms.last["gradient"])


def test_share_is_that_of_the_norms():
    ids = np.random.default_rng(0).integers(0, 9, 300)
    data = kerasrnn.data.language_model_dataset(ids, None, 4, 6, shuffle=False)
    norms = Norms(every_batches=1)
    each = EachNorm(norms)
    model_of(1.0).fit(data, epochs=1, verbose=0, callbacks=[norms, each])
    limit = float(np.median(each.seen))
    model = model_of(limit)
    norms = Norms(every_batches=1)
    each = EachNorm(norms)
    model.fit(data, epochs=1, verbose=0, callbacks=[norms, each])
    history = model_of(limit).fit(data, epochs=1, verbose=0, callbacks=[ClippedSteps()]).history
    assert history["clipped"] == [pytest.approx(kerasrnn.diagnostics.clipped_share(each.seen, limit))]
    assert 0 < history["clipped"][0] < 1


def test_needs_an_optimizer_that_clips():
    model = model_of(None)
    with pytest.raises(ValueError, match="global_clipnorm is None"):
        model.fit(np.ones((2, 3)), np.ones((2, 3)), verbose=0, callbacks=[ClippedSteps()])
