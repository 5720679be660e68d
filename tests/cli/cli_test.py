"""The whole road by the command: train, evaluate, generate, export, inspect; and every bad input in one line."""

import inspect
import json
import math
import re
import signal
import subprocess
import sys
import time
from dataclasses import asdict, fields

import numpy as np
import pytest
from cli.commands import invoke, succeed

import kerasrnn
import kerasrnn.cli.train
from kerasrnn.export.runtime import load
from kerasrnn.training import RunFolder, Settings

COMMAND = [sys.executable, "-c", "from kerasrnn.cli import main; main()"]
TINY = "--cell gru --units 8 --layers 1 --epochs 1 --batch-size 8 --num-steps 16".split()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("cli")


@pytest.fixture(scope="module")
def corpus(folder):
    words = np.random.default_rng(0).choice("call me ishmael — some years ago".split(), 1500)
    path = folder / "corpus.txt"
    path.write_text(" ".join(words))
    return path


@pytest.fixture(scope="module")
def training(folder, corpus):
    return succeed("train", corpus, "--out", folder / "run", *TINY, "--prompt", "call me")


@pytest.fixture(scope="module")
def run(folder, training):
    return folder / "run"


@pytest.fixture(scope="module")
def export(folder, run):
    return succeed("export", run, "--out", folder / "exported")


@pytest.fixture(scope="module")
def exported(folder, export):
    return folder / "exported"


def figure(output, name):
    return float(re.search(rf"│ {name} +│ +(-?[\d,.]+)", output)[1].replace(",", ""))


def test_train_shows_and_leaves_what_it_should(training, run):
    for shown in "Epoch 1/1|loss|perplexity|bits/char|tokens/s|call me|1 of 1 epochs are complete|model.keras".split("|"):
        assert shown in training
    assert [path.stat().st_size > 0 for path in (run / "model.keras", run / "history.csv", run / "curves.png")]


def test_train_refuses_another_configuration(run, corpus):
    result = invoke("train", corpus, "--out", run, *TINY, "--units", 9)
    assert result.exit_code == 2 and "(units: 9, was 8)" in result.stderr


def test_evaluate_is_exact(run):
    folder = RunFolder(run)
    text = folder.load_corpus().test
    log_likelihood, num_tokens = folder.load_model().score(text)
    output = succeed("evaluate", run, "--split", "test")
    assert figure(output, "perplexity of a token") == pytest.approx(math.exp(-log_likelihood / num_tokens), abs=1e-4)
    assert figure(output, "bits per character") == pytest.approx(-log_likelihood / math.log(2) / len(text), abs=1e-4)
    assert figure(output, "bits per byte") == pytest.approx(-log_likelihood / math.log(2) / len(text.encode()), abs=1e-4)
    assert figure(output, "bits per byte") < figure(output, "bits per character")  # the dash is three bytes
    assert figure(output, "tokens") == num_tokens and figure(output, "unknown tokens") == 0
    assert succeed("evaluate", run, "--split", "test", "--num-steps", 7, "--batch-size", 1) == output


def test_run_and_export_measure_alike(run, exported, tmp_path):
    (tmp_path / "text.txt").write_text("call me ishmael! " * 100)
    outputs = [succeed("evaluate", path, "--text", tmp_path / "text.txt") for path in (run, exported / "onnx")]
    for name in ("perplexity of a token", "bits per character", "bits per byte"):
        assert figure(outputs[1], name) == pytest.approx(figure(outputs[0], name), abs=2e-4)
    assert figure(outputs[0], "unknown tokens") == figure(outputs[1], "unknown tokens") == 100


def test_other_corpora_and_json(run, exported, tmp_path):
    for part in ("train", "valid"):
        (tmp_path / f"{part}.txt").write_text(f"call me {part} " * 50)
    figures = []
    for number, folder in enumerate((run, exported)):
        file = tmp_path / f"new/{number}.json"
        output = succeed("evaluate", folder, "--corpus", tmp_path, "--split", "train", "--json", file)
        assert f"on the train split of {tmp_path.name}, 700 characters" in output and f"The figures are in {file}" in output
        figures.append(json.loads(file.read_text()))
    assert figures[0]["perplexity"] == pytest.approx(figures[1]["perplexity"], rel=1e-4)
    assert figures[0]["perplexity"] == pytest.approx(figure(output, "perplexity of a token"), abs=1e-3)
    assert figures[0]["tokens"] == figures[0]["characters"] == 700
    assert figures[0]["unknown_share"] == pytest.approx(2 / 14)  # t and n


def test_run_and_export_write_the_same_text(run, exported):
    arguments = "--prompt call --max-new-tokens 40 --temperature 0.8 --top-k 9 --top-p 0.9 --seed 3".split()
    written = succeed("generate", run, *arguments)
    assert written.startswith("call") and len(written) == len("call") + 40 + len("\n")
    assert succeed("generate", exported / "onnx", *arguments) == succeed("generate", exported, *arguments) == written


def test_words_are_parted_from_the_prompt(corpus, tmp_path):
    succeed("train", corpus, "--out", tmp_path / "run", *TINY, "--tokenizer", "word")
    succeed("export", tmp_path / "run", "--format", "onnx")
    arguments = "--prompt call --max-new-tokens 5 --seed 3".split()
    written = succeed("generate", tmp_path / "run", *arguments)
    assert re.fullmatch(r"call( \S+){5}\n", written)
    assert succeed("generate", tmp_path / "run/export", *arguments) == written


def test_export_shows_the_parity_of_both_formats(export, exported):
    assert (exported / "onnx" / "step.onnx").is_file() and (exported / "serving" / "1" / "saved_model.pb").is_file()
    assert export.count("computes what the Keras model does") == 2 and export.count("running freely") >= 8


def test_a_quantised_export_says_what_it_lost(run, tmp_path):
    output = succeed("export", run, "--out", tmp_path, "--format", "onnx", "--quantize", "float16")
    assert "is the Keras model in float16, less no more than is allowed" in output and "perplexity" in output
    assert "it is the Keras model in float16" in succeed("inspect", tmp_path)
    result = invoke("export", run, "--out", tmp_path / "both", "--quantize", "int8")
    assert result.exit_code == 2 and "--quantize is for ONNX alone, but --format is both. Add --format onnx" in result.stderr


def test_export_exits_with_1_where_parity_fails(run, tmp_path, monkeypatch):
    from kerasrnn.export.writers import _verification

    monkeypatch.setattr(_verification, "ONE_STEP_LIMIT", -1.0)
    result = invoke("export", run, "--out", tmp_path / "exported", "--format", "onnx")
    assert result.exit_code == 1 and "FAILED" in result.stderr and "Traceback" not in result.output
    assert not [*tmp_path.rglob("*.onnx")]


def test_inspect_shows_what_there_is(exported):
    output = succeed("inspect", exported / "onnx")
    manifest = json.loads((exported / "onnx" / "manifest.json").read_text())
    for shown in ("forward", "step", "token_ids", "state_0_h", "next_state_0_h", "int32", "(any, 8)", "logits", "step.onnx"):
        assert shown in output
    assert f"{manifest['vocabulary_size']} tokens of CharTokenizer" in output and "a c e g h i" in output
    assert f"{manifest['files']['step.onnx']['bytes']:,}" in output and manifest["files"]["step.onnx"]["sha256"][:16] in output
    assert "saved_model" in succeed("inspect", exported / "serving")


def test_inspect_refuses_an_altered_file_by_name(exported, tmp_path):
    for path in (exported / "onnx").iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    altered = bytearray((tmp_path / "step.onnx").read_bytes())
    altered[len(altered) // 2] ^= 1
    (tmp_path / "step.onnx").write_bytes(altered)
    for command in ("inspect", "generate"):
        result = invoke(command, tmp_path)
        assert result.exit_code == 2 and "step.onnx" in result.stderr and "altered" in result.stderr


LIGHT = {
    "--help": "tensorflow keras onnx onnxruntime numpy matplotlib",
    "train --help": "tensorflow keras onnx onnxruntime numpy matplotlib",
    "inspect EXPORTED/onnx": "tensorflow keras onnx onnxruntime",
    "generate EXPORTED/onnx --max-new-tokens 5": "tensorflow keras onnx matplotlib",
    "evaluate EXPORTED/onnx --text CORPUS": "tensorflow keras onnx matplotlib",
}


@pytest.mark.parametrize("arguments", LIGHT)
def test_what_needs_no_tensorflow_loads_none(arguments, exported, corpus):
    program = (
        "import sys; from kerasrnn.cli import app; app(sys.argv[2:], standalone_mode=False);"
        "print('loaded:', *sorted(sys.modules.keys() & {*sys.argv[1].split()}))"
    )
    words = arguments.replace("EXPORTED", str(exported)).replace("CORPUS", str(corpus)).split()
    command = [sys.executable, "-c", program, LIGHT[arguments], *words]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    assert process.stdout.endswith("loaded:\n")


def test_train_has_the_defaults_of_settings():
    options = inspect.signature(kerasrnn.cli.train.train).parameters
    assert {field.name: options[field.name].default for field in fields(Settings)} == asdict(Settings())


def test_traceback_on_demand():
    assert isinstance(invoke("--traceback", "inspect", "nowhere").exception, FileNotFoundError)


def test_every_help_has_an_example():
    assert f"kerasrnn {kerasrnn.__version__}" in succeed("--version")
    for command in ("train", "evaluate", "compare", "generate", "export", "inspect", "stats", "prepare"):
        assert command in succeed("--help")
        assert f"Example: kerasrnn {command} " in " ".join(succeed(command, "--help").split())


def test_ctrl_c_leaves_a_model_and_the_same_command_goes_on(corpus, tmp_path):
    arguments = [*COMMAND, "train", corpus, "--out", tmp_path / "run", *TINY, "--epochs", "100000", "--schedule", "constant"]
    with subprocess.Popen([*map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 60
        while not (tmp_path / "run" / "backup").exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert "Ctrl-C again aborts at once" in output and "the same command goes on" in output and errors == ""
    epochs = int(re.search(r"Stopped by the interrupt after (\d+) of 100000 epochs", output)[1])
    assert epochs >= 1 and RunFolder(tmp_path / "run").load_model().generate("call", max_new_tokens=5)

    arguments += ["--max-minutes", "0.001"]
    process = subprocess.run([*map(str, arguments)], capture_output=True, text=True, timeout=60, check=False)
    assert f"Going on after epoch {epochs}" in process.stdout, process.stderr
    assert "Stopped by the time limit" in process.stdout  # after an epoch, or within one on a slow machine


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("train nothing.txt --out NEW", "received 'nothing.txt', and there is no"),
        ("train moby_dic --out NEW", "received 'moby_dic', and there is no"),
        ("train EMPTY --out NEW", "empty.txt' is empty"),
        ("train LATIN --out NEW", "0xE9 at offset 3"),
        ("train --out NEW", "a corpus must be named, but none is"),
        ("train CORPUS --corpus CORPUS --out NEW", "must be named once"),
        ("train OTHER --out NEW", "is empty. Leave it out"),
        ("train CORPUS --out NEW --tokenizer words", "--tokenizer"),
        ("train CORPUS --out NEW --tokenizer byte --lowercase", "lowercase must be left out with the tokenizer 'byte'"),
        ("train CORPUS --out NEW --config WRONG", "has the key 'unit', which is no setting. Near it: units"),
        ("train CORPUS --out NEW --config EMPTY --units 0", "--units"),
        ("train CORPUS --out NEW --config SHORT", "must be a TOML file"),
        ("train CORPUS --out NEW --config nowhere.toml", "nowhere.toml"),
        ("evaluate RUN --text CORPUS --corpus CORPUS", "must be named once"),
        ("evaluate RUN --corpus nothing.txt", "nothing.txt"),
        ("compare RUN NEW", "RUN: expected a folder that kerasrnn train wrote"),
        ("train SHORT --out NEW", "is too short: text must have at least 65 tokens"),
        ("train CORPUS --out OTHER", "must be a new folder or a run's"),
        (
            "train CORPUS --out NEW --embedding wide",
            "embedding: expected a positive integer, None or 'one_hot'; received 'wide'",
        ),
        ("train CORPUS --out NEW --units 0", "--units"),
        ("train CORPUS --out NEW --batch-size 0", "--batch-size"),
        ("train CORPUS --out NEW --cell rnn", "--cell"),
        ("train CORPUS --out NEW --learning-rate nan", "learning_rate must be a positive number, but is nan"),
        ("train CORPUS --out NEW --max-minutes 0", "max_minutes must be a positive number, but is 0.0"),
        ("evaluate NEW", "RUN: expected a folder that kerasrnn train or kerasrnn export wrote"),
        ("evaluate EXPORTED", "Give --text FILE"),
        ("evaluate EXPORTED --text LATIN", "latin.txt' must be UTF-8, but its byte 0xE9 at offset 3 is not"),
        ("evaluate EXPORTED --text EMPTY", "is empty"),
        ("evaluate EXPORTED --text NEW", "--text: expected an existing file"),
        ("generate RUN --temperature nan", "temperature"),
        ("generate EXPORTED --temperature -1", "--temperature"),
        ("generate EXPORTED --temperature nan", "temperature"),
        ("generate EXPORTED --top-p 0", "top_p: expected a number in (0, 1]"),
        ("generate EXPORTED --top-k -1", "--top-k"),
        ("generate EXPORTED --max-new-tokens 0", "--max-new-tokens"),
        ("generate EXPORTED/serving", "this is a saved_model"),
        ("export EXPORTED", "received the exported model"),
        ("inspect RUN", "Export the run first: kerasrnn export"),
    ],
)
def test_bad_input_is_told_in_one_line(arguments, words, run, exported, corpus, tmp_path):
    paths = {"RUN": run, "EXPORTED": exported, "CORPUS": corpus, "NEW": tmp_path / "new", "OTHER": tmp_path}
    for name, content in (("EMPTY", b""), ("LATIN", b"caf\xe9"), ("SHORT", b"short " * 20), ("WRONG", b"unit = 9")):
        paths[name] = tmp_path / f"{name.lower()}.txt"
        paths[name].write_bytes(content)
    for name, path in paths.items():
        arguments = arguments.replace(name, str(path))
    result = invoke(*arguments.split())
    assert result.exit_code == 2 and words in result.stderr, result.output
    assert "Traceback" not in result.output and not (tmp_path / "new").exists()
    assert result.stderr.startswith("Usage") or result.stderr.count("\n") == 1


def test_an_empty_prompt_and_unknown_characters_are_fine(exported):
    for prompt in ("", "Ünknøwn ☃"):
        assert succeed("generate", exported, "--prompt", prompt, "--max-new-tokens", 5).startswith(prompt)
    assert load(exported / "onnx").generate("", max_new_tokens=5, seed=1)
