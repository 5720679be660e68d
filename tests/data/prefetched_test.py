"""Datasets of this package do without tf.data's autotuner, for which the end of a pass may have to wait up to a minute."""

import numpy as np
import pytest

from kerasrnn import data
from kerasrnn.models import Recipe
from kerasrnn.tokenizers import ByteTokenizer
from kerasrnn.training.run_windows import training_windows

TOKEN_IDS = np.arange(400) % 11
WINDOWS = {"batch_size": 2, "num_steps": 8}


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards")
    (folder / "text.txt").write_text("Call me Ishmael.\n" * 99)
    data.prepare_shards(folder / "text.txt", folder / "shards", ByteTokenizer())
    return data.TokenShards(folder / "shards")


@pytest.mark.parametrize(
    "make",
    [
        lambda shards: data.language_model_dataset(TOKEN_IDS, None, **WINDOWS),
        lambda shards: data.strided_windows(TOKEN_IDS, None, **WINDOWS),
        lambda shards: data.variable_windows(TOKEN_IDS, None, **WINDOWS),
        lambda shards: data.bucketed_documents([[1, 2, 3], [4, 5]], None),
        lambda shards: data.document_streams([[1, 2, 3], [4, 5]] * 9, None, **WINDOWS),
        lambda shards: data.forecast_dataset(np.arange(30.0), lags=4),
        lambda shards: shards.dataset(**WINDOWS),
        lambda shards: shards.epochs(**WINDOWS),
        lambda shards: training_windows(TOKEN_IDS, Recipe(stateful=True, variable_steps=True, **WINDOWS), seed=1),
    ],
)
def test_no_pipeline_waits_for_the_autotuner(make, shards):
    dataset = make(shards)
    assert dataset.options().autotune.enabled is False
    assert next(iter(dataset)) is not None
