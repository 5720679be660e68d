"""The README of an exported folder: its programs run, and show what the model computes."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import kerasrnn.export
from kerasrnn.cells import GRUCell
from kerasrnn.export.runtime import load
from kerasrnn.models import Forecaster, LanguageModel

NODE_MODULES = Path(__file__).parents[3] / "examples" / "clients" / "javascript" / "node_modules"
SETTINGS = {"max_new_tokens": 200, "temperature": 0.8, "top_p": 0.95, "seed": 7}


@pytest.fixture(scope="module")
def ids_only(tmp_path_factory):
    """A language model without a tokenizer."""
    return kerasrnn.export.export_onnx(LanguageModel(GRUCell(4), vocabulary_size=7), tmp_path_factory.mktemp("ids") / "onnx")


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    """A model of two inputs that is no language model."""
    token_ids, features = keras.Input((None,), dtype="int32", name="ids"), keras.Input((6,), name="features")
    hidden = keras.layers.GRU(4)(keras.layers.Embedding(5, 3)(token_ids))
    model = keras.Model([token_ids, features], keras.layers.Dense(2)(keras.layers.concatenate([hidden, features])))
    return kerasrnn.export.export_onnx(model, tmp_path_factory.mktemp("classifier") / "onnx")


@pytest.fixture(scope="module")
def trained_states(tmp_path_factory):
    """A model whose states begin at trained values."""
    x = keras.Input((None, 3), name="x")
    model = keras.Model(x, kerasrnn.layers.RNN(GRUCell(4), trainable_initial_state=True, name="learnt")(x))
    model.set_weights([weight + 0.5 for weight in model.get_weights()])
    return kerasrnn.export.export_onnx(model, tmp_path_factory.mktemp("trained") / "onnx")


@pytest.fixture(scope="module")
def forecaster(tmp_path_factory):
    """A model that draws paths, of a series and a covariate."""
    model = Forecaster([GRUCell(4)], horizon=2, covariates=1, output="gaussian")
    return model.export(tmp_path_factory.mktemp("forecaster") / "onnx", format="onnx")


def programs(folder, language):
    return re.findall(rf"```{language}\n(.*?)\n```", (folder / "README.md").read_text(encoding="utf-8"), re.DOTALL)


def run(folder, *command):
    process = subprocess.run([*map(str, command)], cwd=folder, capture_output=True, encoding="utf-8", check=False)
    assert process.returncode == 0, process.stderr
    return process.stdout


def run_python(folder):
    return [run(folder, sys.executable, "-c", program) for program in programs(folder, "python")]


def run_node(folder, tmp_path):
    if not shutil.which("node") or not (NODE_MODULES / "onnxruntime-node").is_dir():
        pytest.skip("node or its packages are not installed: run npm install in examples/clients/javascript")
    (program,) = programs(folder, "javascript")
    folder = shutil.copytree(folder, tmp_path / "folder")
    (folder / "node_modules").symlink_to(NODE_MODULES)
    (folder / "program.mjs").write_text(program, encoding="utf-8")
    return run(folder, "node", "program.mjs")


def test_python_programs_write_and_score(onnx_folder):
    session = load(onnx_folder)
    text, (log_likelihood, num_tokens) = session.generate("the ", **SETTINGS), session.score("the ")
    by_kerasrnn, by_onnxruntime = run_python(onnx_folder)
    assert by_kerasrnn == f"{text}\n({log_likelihood}, {num_tokens})\n"
    written, scored = by_onnxruntime.rsplit("\n", 2)[:2]
    assert written == text
    assert float(scored) == pytest.approx(log_likelihood, rel=1e-5)


def test_the_node_program_writes_the_same(onnx_folder, tmp_path):
    assert run_node(onnx_folder, tmp_path) == load(onnx_folder).generate("the ", **SETTINGS) + "\n"


def test_without_a_tokenizer_programs_take_ids(ids_only, tmp_path):
    by_kerasrnn, by_onnxruntime = run_python(ids_only)
    assert by_kerasrnn == "{'logits': (1, 10, 7)}\n"
    assert by_onnxruntime == "(1, 10, 7)\n"
    assert run_node(ids_only, tmp_path) == "[ 1, 10, 7 ]\n"


def test_any_model_s_inputs_are_fed_by_name(classifier, tmp_path):
    by_kerasrnn, by_onnxruntime = run_python(classifier)
    assert re.fullmatch(r"\{'\w+': \(1, 2\)\}\n", by_kerasrnn)
    assert by_onnxruntime == "(1, 2)\n"
    assert run_node(classifier, tmp_path) == "[ 1, 2 ]\n"


def test_programs_begin_with_the_models_own_states(trained_states, tmp_path):
    """On zeros the output is another where the states begin as zeros."""
    expected = load(trained_states).forward(x=np.zeros((1, 10, 3), "float32"))["learnt"]
    _, by_onnxruntime = (program + '\nprint(outputs["learnt"].tolist())' for program in programs(trained_states, "python"))
    printed = run(trained_states, sys.executable, "-c", by_onnxruntime).splitlines()
    np.testing.assert_allclose(json.loads(printed[-1]), expected, 1e-5)
    assert "what `manifest.json` gives as their `initial`" in (trained_states / "README.md").read_text(encoding="utf-8")
    assert run_node(trained_states, tmp_path) == "[ 1, 4 ]\n"


def test_a_forecaster_s_programs_draw_paths(forecaster, tmp_path):
    by_kerasrnn, by_onnxruntime = run_python(forecaster)
    assert by_kerasrnn == "{'paths': (1, 100, 12, 1), 'quantiles': (1, 12, 1, 3)}\n"
    assert by_onnxruntime == "(1, 100, 12, 1)\n"
    assert run_node(forecaster, tmp_path) == "[ 1, 100, 12, 1 ]\n"


def test_every_file_is_in_the_table_with_its_names(onnx_folder, ids_only, classifier, forecaster):
    for folder in (onnx_folder, ids_only, classifier, forecaster):
        text = (folder / "README.md").read_text(encoding="utf-8")
        for name, signature in load(folder).manifest["signatures"].items():
            (row,) = re.findall(rf"^\| `{name}\.onnx` .*$", text, re.MULTILINE)
            assert all(f"`{spec['name']}` {spec['dtype']} (" in row for spec in signature["inputs"])
            assert all(f"`{output}`" in row for output in signature["outputs"])
    absences = {ids_only: ["generate.onnx", "score.onnx"], classifier: ["step.onnx", "tokens", "temperature"]}
    for folder, absent in absences.items():
        text = (folder / "README.md").read_text(encoding="utf-8")
        assert not any(word in text for word in absent)


def test_it_says_what_the_model_is(onnx_folder):
    text, name = (onnx_folder / "README.md").read_text(encoding="utf-8"), load(onnx_folder).manifest["model"]["name"]
    assert text.startswith(f"# {name}\n\n`LanguageModel` of 2,581 parameters over 24 tokens of a `CharTokenizer`;")
    assert max(map(len, re.sub(r"^\|.*$", "", text, flags=re.MULTILINE).splitlines())) <= 125
