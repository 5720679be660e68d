"""kerasrnn train with every tokenizer, corpora in folders, and settings from a file; kerasrnn compare."""

import json
import re

import pytest
from cli.commands import invoke, succeed

from kerasrnn.training import RunFolder, Settings

TINY = "--cell gru --units 8 --layers 1 --epochs 1 --batch-size 8 --num-steps 16".split()


@pytest.fixture(scope="module")
def words(ptb, tmp_path_factory):
    run = tmp_path_factory.mktemp("runs") / "words"
    return run, succeed("train", "--corpus", ptb, "--out", run, "--tokenizer", "word", *TINY, "--prompt", "it was")


def test_words_of_a_folder_from_train_to_test(ptb, words):
    run, output = words
    assert f"ptb, recognised in {ptb}: 2,100 tokens to train on, 280 to validate on, 9 in the vocabulary (word)" in output
    assert re.search("^it was ", output, re.MULTILINE)
    output = succeed("evaluate", run, "--split", "test")
    assert "on the test split of ptb" in output and re.search(r"│ tokens +│ +280 ", output)
    assert 1 < float(re.search(r"│ perplexity of a token +│ +([\d.]+)", output)[1]) < 20
    assert succeed("generate", run, "--prompt", "it", "--max-new-tokens", 3, "--seed", 1).startswith("it ")
    command = json.loads((run / "config.json").read_text())["session"]["command"]
    assert command.startswith(f"kerasrnn train --corpus {ptb} --out {run} --tokenizer word") and command.endswith("'it was'")


def test_subwords(ptb, tmp_path):
    pytest.importorskip("sentencepiece")
    pytest.importorskip("tensorflow_text")
    output = succeed(
        "train", ptb / "ptb.train.txt", "--out", tmp_path, "--tokenizer", "subword", "--vocabulary-size", 300, *TINY
    )
    assert "in the vocabulary (subword)" in output
    output = succeed("evaluate", tmp_path, "--text", ptb / "ptb.test.txt")
    assert re.search(r"│ share of unknown tokens +│ +0.00% ", output)
    assert succeed("generate", tmp_path, "--prompt", "it", "--max-new-tokens", 3).startswith("it")


def test_a_file_of_settings_gives_way_to_flags(ptb, tmp_path):
    file = tmp_path / "settings.toml"
    file.write_text(
        f"""corpus = {json.dumps(str(ptb))}
        tokenizer = "word"
        embedding = 4
        cell = "simple_rnn"
        units = 99
        layers = 1
        epochs = 1
        tie_embeddings = false
        mixed_precision = "mixed_bfloat16"
        """
    )
    run = tmp_path / "run"
    succeed("train", "--config", file, "--out", run, "--units", 7, "--num-steps", 64)
    assert RunFolder(run).settings == Settings(
        tokenizer="word", embedding=4, cell="simple_rnn", units=7, layers=1, epochs=1, mixed_precision="mixed_bfloat16"
    )
    assert RunFolder(run).corpus_names == [str(ptb)]
    assert "on the validation split of ptb" in succeed("evaluate", run)


def test_a_value_in_the_file_is_checked(ptb, tmp_path):
    file = tmp_path / "settings.toml"
    expected = {"units = 'wide'": "units must be an integer", "corpus = 3": "corpus must be a name, or a list of names"}
    for line, message in expected.items():
        file.write_text(line)
        result = invoke("train", "--config", file, "--out", tmp_path / "run", *([] if "corpus" in line else [ptb]))
        assert result.exit_code == 2 and message in result.stderr and not (tmp_path / "run").exists()


def another(run, folder, history, corpus=None, **settings):
    """A copy of a run with another configuration and other figures, without the training."""
    config = json.loads((run / "config.json").read_text())
    config["settings"] |= settings
    config["corpus"]["sha256"] = corpus or config["corpus"]["sha256"]
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "history.csv").write_text(history)
    return folder


def test_compare(words, tmp_path):
    run, _ = words
    history = "epoch,loss,bits_per_character,val_loss,val_perplexity,val_bits_per_character,seconds\n"
    history += "1,2,0.3,0.9,8.123,0.25,60\n2,1,0.2,0.95,8.5,0.26,30\n"
    more = another(run, tmp_path / "more", history, units=16, epochs=3)
    output = succeed("compare", run, more, "--out", tmp_path / "plots/curves.png")
    assert re.search(rf"{more} +8.12 +0.2500 +1 +2 of 3 +[\d,]+ +1.5", output), output
    assert output.index(str(more)) < output.index(f"{run} ") and "batch_size" not in output and "different" not in output
    assert (tmp_path / "plots/curves.png").read_bytes().startswith(b"\x89PNG")
    assert len([*(tmp_path / "plots").iterdir()]) == 1
    assert "different tokens" in succeed("compare", run, another(run, tmp_path / "rare", history, minimum_frequency=3))
    assert "different corpora" in succeed("compare", run, another(run, tmp_path / "other", history, corpus="0" * 64))
    assert "has no complete epoch yet" in invoke("compare", another(run, tmp_path / "new", "")).stderr
    assert "--out 'curves' must end in one of" in invoke("compare", run, "--out", "curves").stderr
