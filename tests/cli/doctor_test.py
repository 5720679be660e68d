"""kerasrnn doctor: this machine, a model's layers, what is to be mended, and wrong paths."""

import importlib.metadata
import json
import shutil

import keras
import numpy as np
import pytest
from cli.commands import invoke, succeed

import kerasrnn
from kerasrnn.cli import _machine, _model_report, _packages
from kerasrnn.cli.doctor import doctor
from kerasrnn.data import Corpus
from kerasrnn.export._manifest import write_manifest
from kerasrnn.tokenizers import CharTokenizer
from kerasrnn.training import RunFolder, Settings
from manifests import WHOLE


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Short measurements: the figures themselves are not what is tested."""
    monkeypatch.setattr(_machine, "gigaflops", lambda: 12.3)
    monkeypatch.setattr(_model_report, "_SECONDS", 0.001)


@pytest.fixture(scope="module")
def model():
    both = keras.layers.Bidirectional(keras.layers.LSTM(2, name="lstm"), name="both")
    return keras.Sequential([keras.Input((None, 3)), both], name="two_ways")


@pytest.fixture(scope="module")
def file(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("doctor") / "two_ways.keras"
    model.save(path)
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    corpus, settings = Corpus("abc" * 40, "abc", "abc", "abc"), Settings(cell="gru", units=4, layers=1)
    tokenizer = CharTokenizer()
    tokenizer.adapt(corpus.train)
    written = settings.compiled_model(tokenizer, steps_per_epoch=1)
    written(np.zeros((1, 2), "int32"))
    RunFolder.write(folder, ["abc.txt"], corpus, settings, written)
    written.save(folder / "model.keras")
    return folder


def test_the_machine_in_json():
    report = json.loads(succeed("doctor", "--json"))
    assert report["kerasrnn"] == kerasrnn.__version__
    assert report["backend"] == "tensorflow" and report["problems"] == []
    assert {"tensorflow", "keras", "numpy", "onnx", "onnxruntime", "tf2onnx"} <= {p["name"] for p in report["packages"]}
    versions = {package["name"]: package["version"] for package in report["packages"]}
    assert (versions["keras"], versions["numpy"]) == (keras.__version__, np.__version__)
    assert report["devices"][0]["kind"] == "CPU"
    assert 1 <= report["threads"]["usable_cores"] <= report["threads"]["cores"]
    assert report["xla_failure"] is None and report["matrix_product_gflops"] == 12.3


def test_the_machine_in_tables():
    output = succeed("doctor")
    for shown in ("tensorflow ", "CPU:0", "cores", "XLA", "12 GFLOP/s", "✓ Nothing is to be mended."):
        assert shown in output


def test_a_product_is_measured(monkeypatch):
    monkeypatch.undo()
    monkeypatch.setattr(_machine, "_SIZE", 64)
    assert 0 < _machine.gigaflops(0.01) < 1e5


def test_layers_of_a_file_in_json(file):
    layers = {layer["layer"]: layer for layer in json.loads(succeed("doctor", file, "--json"))["model"]["layers"]}
    assert {name: (layer["path"], layer["export"]) for name, layer in layers.items()} == {
        "both/forward_lstm": ("plain loop", "native LSTM"),
        "both/backward_lstm": ("plain loop", "native LSTM"),
    }
    assert layers["both/forward_lstm"]["reasons"][0].startswith("no scan: it is Keras's own LSTM")
    assert all(layer["speed"]["gain"] > 0 and not layer["speed"]["in_use"] for layer in layers.values())


def test_layers_of_a_run_in_tables(run):
    output = succeed("doctor", run)
    for shown in ("GRUCell", "fused scan", "32 rows × 32 steps", "native GRU", "no cuDNN: no GPU is visible"):
        assert shown in output


@pytest.mark.parametrize("kind", ["onnx", "saved_model"])
def test_fates_of_an_exported_model(kind, tmp_path):
    (tmp_path / "forward.onnx").write_bytes(b"a graph")
    layers = {"layers": {"gru": "native GRU"}} if kind == "onnx" else {}
    write_manifest(tmp_path, {**WHOLE, "kind": kind, "model": {"class_name": "Functional", "parameters": 12_345}, **layers})
    output = succeed("doctor", tmp_path)
    assert f"Functional, 12,345 parameters, as {kind}" in output
    assert ("native GRU" in output) == (kind == "onnx")
    assert "give the run for these" in output


def test_a_model_that_cannot_be_exported_is_told_with_the_reason(tmp_path):
    x = keras.Input(batch_shape=(2, None, 3))
    keras.Model(x, kerasrnn.layers.GRU(2, stateful=True, name="keeps")(x)).save(tmp_path / "m.keras")
    report = json.loads(succeed("doctor", tmp_path / "m.keras", "--json"))["model"]
    assert report["layers"][0]["export"] == ""
    assert "cannot be exported to ONNX as it is: keeps: expected stateful=False" in report["notes"][0]


def test_a_layer_that_cannot_be_measured_is_told_with_the_reason(file, monkeypatch):
    def fail(layer, seconds):
        raise TypeError("its get_config is incomplete")

    monkeypatch.setattr(kerasrnn.diagnostics, "layer_speed", fail)
    report = json.loads(succeed("doctor", file, "--json"))["model"]
    assert [layer["speed"] for layer in report["layers"]] == [None, None]
    assert report["notes"][0] == "both/forward_lstm cannot be measured: its get_config is incomplete"


@pytest.mark.parametrize("what", ["absent", "empty_folder", "text_file", "no_recurrent_layer", "run_without_model"])
def test_wrong_paths_are_told_in_one_line(what, tmp_path, run):
    path = tmp_path / "it"
    if what == "empty_folder":
        path.mkdir()
    elif what == "text_file":
        path = tmp_path / "it.keras"
        path.write_text("no model")
    elif what == "no_recurrent_layer":
        path = tmp_path / "it.keras"
        keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)], name="plain").save(path)
    elif what == "run_without_model":
        path.mkdir()
        shutil.copy(run / "config.json", path)
    result = invoke("doctor", path)
    expected = {
        "absent": "but does not exist. Name another",
        "empty_folder": "but holds none of them. Name another",
        "text_file": "must be a model that keras.Model.save wrote to a .keras file",
        "no_recurrent_layer": "plain has none",
        "run_without_model": "holds no model.keras yet",
    }
    assert result.exit_code == 2
    assert expected[what] in result.stderr and "Traceback" not in result.stderr


def _with_versions(monkeypatch, **others):
    real = importlib.metadata.version

    def version(name):
        found = others.get(name.replace("-", "_"), "as it is")
        if found is None:
            raise importlib.metadata.PackageNotFoundError(name)
        return real(name) if found == "as it is" else found

    monkeypatch.setattr(importlib.metadata, "version", version)


def test_missing_old_and_unfitting_packages_come_with_their_remedies(monkeypatch):
    _with_versions(monkeypatch, onnx="1.2.0", tf2onnx=None, torch=None, tensorflow_text="9.9.0")
    found = {package.name: package for package in _packages.packages()}
    assert (found["onnx"].problem, found["onnx"].remedy) == ("1.2.0 is not >=1.18", "pip install 'onnx>=1.18'")
    assert (found["tf2onnx"].problem, found["tf2onnx"].version) == ("missing", None)
    assert (found["torch"].problem, found["torch"].remedy) == ("", "pip install 'torch>=2.2'")
    assert found["tensorflow-text"].problem.startswith("built for TensorFlow 9.9, and 2.")
    result = invoke("doctor")
    assert result.exit_code == 1
    assert "✗ tf2onnx: missing. Mend it with:  pip install 'tf2onnx" in result.stdout


def test_a_package_that_does_not_load_is_told(monkeypatch):
    monkeypatch.setitem(_packages._TO_LOAD, "onnx", "no_such_module")
    found = {package.name: package for package in _packages.packages()}["onnx"]
    assert found.problem == "does not load: No module named 'no_such_module'"
    assert found.remedy.startswith("pip install --force-reinstall 'onnx")


def test_without_tensorflow_the_rest_is_examined(monkeypatch, file):
    def fail():
        raise ImportError("no such library")

    monkeypatch.setitem(doctor.__globals__, "load_tensorflow", fail)
    result = invoke("doctor", file, "--json")
    report = json.loads(result.stdout)
    assert result.exit_code == 1
    assert report["problems"][0]["what"] == "TensorFlow or Keras does not load: no such library"
    assert report["backend"] is None and "model" not in report and report["packages"]


def test_a_gpu_that_tensorflow_does_not_see(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: "/usr/bin/" + name)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert _machine.unseen_gpu() == ("CUDA_VISIBLE_DEVICES hides the GPU", "unset CUDA_VISIBLE_DEVICES")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert _machine.unseen_gpu()[1] == "pip install 'tensorflow[and-cuda]'"


def test_threads_that_a_variable_sets(monkeypatch):
    monkeypatch.setenv("TF_NUM_INTEROP_THREADS", "3")
    assert _machine.threads()["inter_op"] == 3
