"""Models that one ONNX file cannot hold: weights in a file beside the graphs."""

import keras
import numpy as np
import onnx
import onnxruntime
import pytest

import kerasrnn

from kerasrnn.export import ArtefactError, export_onnx, runtime
from kerasrnn.export.writers import _convert, _weights_file


@pytest.fixture
def little_room(monkeypatch):
    """Takes small weights for large ones."""
    monkeypatch.setattr(_weights_file, "_LARGEST_FILE", 10_000)
    monkeypatch.setattr(_convert, "_LARGE", 1_000)


def language_model():
    keras.utils.set_random_seed(1)
    cells = [kerasrnn.cells.LSTMCell(32), kerasrnn.cells.GRUCell(32), kerasrnn.cells.SRUCell(32)]
    tokenizer = kerasrnn.tokenizers.CharTokenizer(["\ufffd", "\n", *"abcdefghijklmnopqrstuvwxyz"])
    return kerasrnn.models.LanguageModel(cells, tokenizer=tokenizer)


@pytest.mark.parametrize(
    "quantize", [None, *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("int8", "float16"))]
)
def test_graphs_share_a_file_and_compute_the_same(quantize, little_room, tmp_path):
    model = language_model()
    folder = export_onnx(model, tmp_path / "apart", quantize=quantize)  # which verifies all four
    for file in folder.glob("*.onnx"):
        located = [w for w in onnx.load(file, load_external_data=False).graph.initializer if w.external_data]
        assert located and all({e.key: e.value for e in w.external_data}["location"] == "weights.bin" for w in located)
    stored = (folder / "weights.bin").stat().st_size
    assert stored < 4 * model.count_params() * (2 if quantize is None else 1)  # not once a graph
    session = runtime.load(folder)
    assert session.generate("ab", 20, temperature=0) == runtime.load(folder).generate("ab", 20, temperature=0)
    if quantize is None:
        assert session.generate("ab", 20, seed=3) == model.generate("ab", 20, seed=3)


def test_whoever_loads_by_path_finds_the_weights(little_room, tmp_path):
    model = keras.Sequential([keras.Input((None, 40)), keras.layers.LSTM(40, return_sequences=True), keras.layers.Dense(300)])
    folder = export_onnx(model, tmp_path / "apart")
    x = np.random.default_rng(0).standard_normal((2, 5, 40)).astype("float32")
    session = onnxruntime.InferenceSession(folder / "forward.onnx", providers=["CPUExecutionProvider"])
    (y,) = session.run(None, {session.get_inputs()[0].name: x})
    np.testing.assert_allclose(y, model.predict(x, verbose=0), atol=1e-5)


def test_altered_weights_are_found(little_room, tmp_path):
    folder = export_onnx(language_model(), tmp_path / "apart")
    data = bytearray((folder / "weights.bin").read_bytes())
    data[100] ^= 1
    (folder / "weights.bin").write_bytes(data)
    with pytest.raises(ArtefactError, match="weights.bin: its SHA-256 differs"):
        runtime.load(folder)


@pytest.mark.slow
def test_a_model_of_more_than_2_gib(tmp_path):
    words = 460_000
    layers = [keras.layers.Embedding(words, 600), keras.layers.LSTM(600, return_sequences=True), keras.layers.Dense(words)]
    model = keras.Sequential([keras.Input((None,), dtype="int32", name="words"), *layers])
    assert 4 * model.count_params() > 2**31
    token_ids = np.random.default_rng(0).integers(0, words, (3, 4)).astype("int32")
    folder = export_onnx(model, tmp_path / "large", token_ids)
    (y,) = runtime.load(folder).forward(words=token_ids[:1]).values()
    np.testing.assert_allclose(y, model.predict(token_ids[:1], verbose=0), atol=1e-6)
