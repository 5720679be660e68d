"""kerasrnn train --preset, unattended, on a folder in the layout of Penn Treebank; then its test figure."""

import json
import math

import numpy as np
import pytest
from cli.commands import invoke, succeed

from kerasrnn.cli import train
from kerasrnn.models import PRESETS
from kerasrnn.training import RunFolder, Settings


def test_zaremba_small_from_train_to_test(ptb, tmp_path):
    run = tmp_path / "run"
    output = succeed("train", "--preset", "zaremba_small", "--corpus", ptb, "--out", run, "--epochs", 2)
    assert "9 in the vocabulary (word)" in output and "2 × lstm of 200 units" in output
    assert "2 epochs of 5 batches of 20 × 20 tokens" in output and "2 of 2 epochs are complete" in output
    assert RunFolder(run).settings == Settings.from_preset("zaremba_small", epochs=2)
    measured = tmp_path / "test.json"
    output = succeed("evaluate", run, "--split", "test", "--json", measured)
    figures = json.loads(measured.read_text())
    assert "on the test split of ptb" in output and figures["tokens"] == 280

    # The paper's figure: one row through the whole text, state carried; here one step at a time.
    folder = RunFolder(run)
    model, text = folder.load_model(), folder.load_corpus().test
    ids = model.tokenizer(text).numpy()
    states, loss = model.get_initial_state(1), 0.0
    for before, token in zip([model.tokenizer.start_token_id, *ids], ids):
        logits, states = model(np.array([[before]]), initial_state=states, return_state=True)
        logits = np.asarray(logits[0, 0], "float64")
        loss += np.log(np.exp(logits).sum()) - logits[token]
    assert figures["perplexity"] == pytest.approx(math.exp(loss / len(ids)), rel=1e-5)


def test_options_win_over_the_file_and_the_file_over_the_preset(ptb, tmp_path):
    file = tmp_path / "settings.toml"
    file.write_text('preset = "char_gru"\nunits = 7\nlayers = 1\nepochs = 1\nstateful = true\n')
    run = tmp_path / "run"
    options = "--units 5 --embedding 4 --no-locked-dropout --batch-size 4 --num-steps 20 --warmup-steps 2".split()
    succeed("train", ptb / "ptb.train.txt", "--config", file, "--out", run, *options)
    assert RunFolder(run).settings == Settings.from_preset(
        "char_gru",
        units=5,
        embedding=4,
        layers=1,
        epochs=1,
        locked_dropout=False,
        batch_size=4,
        num_steps=20,
        warmup_steps=2,
    )
    result = invoke("train", ptb, "--preset", "awd_lstm", "--out", tmp_path / "other", "--no-stateful")
    assert result.exit_code == 2 and "variable_steps must be false without stateful" in result.stderr
    assert not (tmp_path / "other").exists()


def test_a_preset_that_there_is_not(ptb, tmp_path):
    file = tmp_path / "settings.toml"
    file.write_text('preset = "zaremba_huge"\n')
    for arguments in (["--config", file], ["--preset", "zaremba_huge"]):
        result = invoke("train", ptb, "--out", tmp_path / "run", *arguments)
        assert result.exit_code == 2 and "zaremba_huge" in result.stderr and "zaremba_medium" in result.stderr


def test_the_command_offers_all_presets():
    assert tuple(train.Preset) == PRESETS
