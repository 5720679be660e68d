"""Whole runs: what they leave, how they go on, and what they refuse."""

import io
import json
import shutil
import signal
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from kerasrnn._backend import keras
from kerasrnn.training import RunFolder, Settings, read_history, train
from kerasrnn.training.backup_file import read_backup

# Dropout and a schedule, for each has a state that must go on as if there had been no break.
SETTINGS = Settings(
    cell="simple_rnn", units=6, layers=1, dropout=0.3, epochs=4, batch_size=8, num_steps=16, learning_rate=0.01
)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    path = tmp_path_factory.mktemp("corpus") / "rhyme.txt"
    words = np.random.default_rng(0).choice("ring a o' roses pocket full of posies ashes we all fall down".split(), 700)
    path.write_text(" ".join(words))
    return str(path)


def run(corpus, folder, settings=SETTINGS, prompt=None, **arguments):
    output = io.StringIO()
    result = train(corpus, folder, settings, prompt=prompt, console=Console(file=output, width=200), **arguments)
    return result, output.getvalue()


def interrupt_at(epoch, batch):
    at = {}
    return keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: at.update(epoch=epoch),
        on_train_batch_begin=lambda number, logs: (
            (at["epoch"], number) == (epoch, batch) and signal.raise_signal(signal.SIGINT)
        ),
    )


@pytest.fixture(scope="module")
def straight(corpus, tmp_path_factory):
    return run(corpus, tmp_path_factory.mktemp("runs") / "straight", prompt="ring")


class WorseOnValidation(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        logs["val_loss"] += 100


@pytest.fixture(scope="module")
def broken_off(corpus, tmp_path_factory):
    """Interrupted in the first epoch and in the third, then run to its end: (result, output, best model) of each session."""
    folder = tmp_path_factory.mktemp("runs") / "broken_off"
    sessions = [interrupt_at(0, 1)], [interrupt_at(2, 5)], [WorseOnValidation()]
    return [(*run(corpus, folder, callbacks=callbacks), (folder / "model.keras").read_bytes()) for callbacks in sessions]


def last_state(result):
    """All weights, and the optimizer's state, after the last epoch."""
    about, state = read_backup(max(result.run.backup_path.iterdir()))
    assert (about["epochs"], about["batches"]) == (result.epochs, 0)
    return {name: value for name, value in state.items() if name.startswith(("model", "optimizer"))}


def test_broken_off_and_repeated_gives_the_weights_of_a_run_without_a_break(straight, broken_off):
    results, outputs, _ = zip(*broken_off)
    assert [(result.stopped_by, result.epochs) for result in results] == [("interrupt", 0), ("interrupt", 2), (None, 4)]
    assert "stopped after 2 of" in outputs[0] and "Going on" not in outputs[0]
    assert "Going on after 2 batches." in outputs[1] and "Going on after epoch 2 and 6 batches." in outputs[2]
    expected, found = last_state(straight[0]), last_state(results[-1])
    assert expected.keys() == found.keys() and any("optimizer" in name for name in found)
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=0, atol=1e-6, err_msg=name)
    expected, found = (read_history(result.run.path / "history.csv") for result in (straight[0], results[-1]))
    assert [*found] == [*expected] and found["epoch"] == [1, 2, 3, 4]
    np.testing.assert_allclose(found["loss"], expected["loss"], atol=1e-5)
    np.testing.assert_allclose(found["val_loss"][:2], expected["val_loss"][:2], atol=1e-5)


def test_the_best_model_is_there_at_once_and_replaced_by_a_better_one_only(broken_off, tmp_path):
    first, second, third = (model for *_, model in broken_off)
    assert second != first and third == second
    path = tmp_path / "model.keras"
    path.write_bytes(first)
    assert keras.models.load_model(path, compile=False).generate("ring", max_new_tokens=5)


def test_the_folder_holds_what_it_should(straight, corpus):
    result, said = straight
    assert {path.name for path in result.run.path.iterdir()} == {
        "config.json", "tokenizer.json", "model.keras", "history.csv", "curves.png", "backup",
    }  # fmt: skip
    config = json.loads((result.run.path / "config.json").read_text())
    assert config["corpus"]["names"] == [corpus] and len(config["corpus"]["sha256"]) == 64
    assert Settings(**config["settings"]) == SETTINGS and config["session"] == {
        "max_minutes": None, "prompt": "ring", "command": None,
    }  # fmt: skip
    assert config["model"] == {"parameters": result.run.load_model().count_params()} == {"parameters": result.run.parameters}
    assert config["tokenizer"]["class_name"] == "CharTokenizer" and "vocabulary" not in config["tokenizer"]
    assert {"kerasrnn", "keras", "tensorflow", "numpy", "python"} <= config["versions"].keys()
    assert said.count("\nring") == 4 and "Epoch 4/4" in said and "tokens/s" in said
    assert all(figure in said for figure in ("loss", "perplexity", "bits/char"))


def test_the_best_model_loads_and_has_the_best_loss(straight):
    folder = RunFolder(straight[0].run.path)
    text = folder.load_corpus().validation
    log_likelihood, num_tokens = folder.load_model().score(text)
    best = min(read_history(folder.path / "history.csv")["val_loss"])
    # Carried states and the text's first and last tokens make a small difference.
    assert -log_likelihood / num_tokens == pytest.approx(best, abs=0.1)
    assert folder.load_model().generate("ring", max_new_tokens=5, seed=1)


def test_another_configuration_is_refused_with_the_differences(straight, corpus, tmp_path):
    folder = straight[0].run.path
    with pytest.raises(ValueError, match=r"cannot go on with this one \(units: 7, was 6; epochs: 3, was 4\)"):
        run(corpus, folder, replace(SETTINGS, units=7, epochs=3))
    (tmp_path / "other.txt").write_text("another text " * 300)
    with pytest.raises(ValueError, match=r"\(corpus: .*other.txt, was .*rhyme.txt or its text has changed\)"):
        run(str(tmp_path / "other.txt"), folder)


def test_a_folder_with_something_else_is_left_alone(corpus, tmp_path):
    (tmp_path / "letter.txt").write_text("Dear")
    with pytest.raises(FileExistsError, match="must be a new folder or a run's, but holds something else"):
        run(corpus, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_bad_settings_leave_no_folder(corpus, tmp_path):
    for wrong in (Settings(embedding="hot"), Settings(dropout=2.0), Settings(num_steps=500)):
        with pytest.raises(ValueError):
            run(corpus, tmp_path / "new", wrong)
    with pytest.raises(ValueError, match="to validate on is too short: text must have at least 501 tokens"):
        run(corpus, tmp_path / "new", Settings(num_steps=500))
    assert not (tmp_path / "new").exists()


def test_a_diverging_run_says_so_and_saves_nothing(corpus, tmp_path):
    with pytest.raises(ValueError, match=r"The (loss became (nan|inf)|gradient became no finite number) in batch \d+ of epoch 1. Lower the learning rate"):
        run(corpus, tmp_path, replace(SETTINGS, learning_rate=1e38, clip_norm=0.0))
    assert not (tmp_path / "model.keras").exists() and not (tmp_path / "backup").exists()
    assert (tmp_path / "before_nan.weights.h5").exists()


def test_unreadable_runs(straight, tmp_path):
    with pytest.raises(FileNotFoundError, match="must be a folder that kerasrnn train wrote, but has no config.json"):
        RunFolder(tmp_path)
    config = (straight[0].run.path / "config.json").read_text()
    for text in ("", "[]", "{}", config.replace('"version": 1', '"version": 9'), config.replace('"simple_rnn"', '"gru u"'), "[" * 10**5):
        (tmp_path / "config.json").write_text(text)
        with pytest.raises(ValueError, match="config.json' does not describe a run that this kerasrnn can read"):
            RunFolder(tmp_path)
    (tmp_path / "config.json").write_text(config)
    with pytest.raises(FileNotFoundError, match="holds no model.keras yet"):
        RunFolder(tmp_path).load_model()
    (tmp_path / "model.keras").write_bytes(straight[0].run.model_path.read_bytes()[:1000])
    with pytest.raises(ValueError, match="model.keras' is damaged"):
        RunFolder(tmp_path).load_model()


def test_a_corpus_that_changed_is_refused(straight, tmp_path):
    config = (straight[0].run.path / "config.json").read_text()
    (tmp_path / "config.json").write_text(config.replace('"sha256": "', '"sha256": "0'))
    with pytest.raises(ValueError, match="is not the text that the run was trained on"):
        RunFolder(tmp_path).load_corpus()


def test_a_text_whose_parts_changed_is_refused(straight, corpus, tmp_path):
    config = json.loads((straight[0].run.path / "config.json").read_text())
    parts = config["corpus"]["parts"]
    parts[0], parts[1] = parts[0] - 9, parts[1] + 9
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match="or its parts are others"):
        RunFolder(tmp_path).load_corpus()
    with pytest.raises(ValueError, match="or its text has changed"):
        run(corpus, tmp_path)


@pytest.mark.parametrize("options", [{"tokenizer": "byte"}, {"tokenizer": "word", "minimum_frequency": 2}])
def test_other_tokens(corpus, tmp_path, options):
    settings = replace(SETTINGS, epochs=1, **options)
    result, said = run(corpus, tmp_path / "run", settings, prompt="ring a")
    folder = result.run
    tokenizer, text = folder.load_tokenizer(), folder.load_corpus()
    assert f"{len(tokenizer(text.train)):,} tokens to train on, {len(tokenizer(text.validation)):,} to validate on" in said
    assert folder.load_model().tokenizer.specification() == tokenizer.specification()
    assert type(tokenizer).__name__.lower().startswith(options["tokenizer"])
    history = read_history(folder.path / "history.csv")
    ratio = len(text.train) / len(tokenizer(text.train))
    if "bits_per_character" in history:
        assert history["bits_per_character"][0] == pytest.approx(history["loss"][0] / np.log(2) / ratio, rel=1e-4)
    else:  # words lose the spaces
        assert options["tokenizer"] == "word"
    assert history["seconds"][0] > 0
    if options["tokenizer"] == "word":
        again, said = run(corpus, tmp_path / "run", replace(settings, epochs=2))
        assert again.epochs == 2 and "Going on after epoch 1." in said


def test_the_tokenizer_of_a_run_is_read_again_rather_than_learnt(straight, corpus, tmp_path, monkeypatch):
    shutil.copytree(straight[0].run.path, tmp_path / "run")
    monkeypatch.setattr("kerasrnn.training.run.adapt", None)
    assert run(corpus, tmp_path / "run")[0].epochs == 4
    path = tmp_path / "run" / "tokenizer.json"
    specification = json.loads(path.read_text())
    vocabulary = specification["vocabulary"]
    vocabulary[-1], vocabulary[-2] = vocabulary[-2], vocabulary[-1]
    path.write_text(json.dumps(specification))
    with pytest.raises(ValueError, match=r"is of another training \(tokenizer: '\w{64}', was '\w{64}'\)"):
        run(corpus, tmp_path / "run")
    path.write_text("{")
    with pytest.raises(ValueError, match="tokenizer.json' is damaged"):
        run(corpus, tmp_path / "run")
    (tmp_path / "run" / "tokenizer.json").unlink()
    with pytest.raises(FileNotFoundError, match="holds no tokenizer.json"):
        RunFolder(tmp_path / "run").load_tokenizer()


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision(corpus, tmp_path, policy):
    settings = replace(SETTINGS, epochs=1, mixed_precision=policy)
    result, _ = run(corpus, tmp_path / "run", settings)
    model = result.run.load_model()
    assert model.compute_dtype == policy.removeprefix("mixed_") and model.variable_dtype == "float32"
    assert model.cells[0].compute_dtype == model.compute_dtype
    full = result.run.load_model(full_precision=True)
    assert full.compute_dtype == "float32"
    for ours, theirs in zip(full.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert full.score("ring a ring")[0] == pytest.approx(model.score("ring a ring")[0], rel=0.02)
    if policy == "mixed_float16":  # with a scale of the loss to restore
        assert run(corpus, tmp_path / "run", replace(settings, epochs=2))[0].epochs == 2
