"""Weights in 8 and 16 bits: what becomes of the nodes, the size, and the quality; and what is refused."""

from collections import Counter

import numpy as np
import onnx
import pytest

from kerasrnn._backend import keras
from kerasrnn.cells import GRUCell, LSTMCell
from kerasrnn.data import language_model_dataset
from kerasrnn.export import ParityError, export_onnx, read_manifest, runtime, verify
from kerasrnn.export.writers._quantisation import quantize
from kerasrnn.models import LanguageModel
from kerasrnn.tokenizers import CharTokenizer

TEXT = "the cat sat on the mat; the dog lay by the log. a bird sang in the tall tree all day long. " * 30


@pytest.fixture(scope="module")
def trained():
    keras.utils.set_random_seed(0)
    tokenizer = CharTokenizer()
    tokenizer.adapt(TEXT)
    model = LanguageModel([LSTMCell(48), GRUCell(40)], tokenizer=tokenizer, embedding=48)
    model.compile(keras.optimizers.Adam(0.01))
    model.fit(language_model_dataset(TEXT, tokenizer, batch_size=8, num_steps=20, seed=0), epochs=4, verbose=0)
    return model


@pytest.fixture(scope="module")
def folders(trained, tmp_path_factory):
    folder = tmp_path_factory.mktemp("quantised")
    return {kind: export_onnx(trained, folder / str(kind), TEXT, quantize=kind) for kind in (None, "int8", "float16")}


def operations(graph):
    found = Counter(node.op_type for node in graph.node)
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                found += operations(attribute.g)
    return found


@pytest.mark.parametrize("name", ["forward", "step", "generate", "score"])
def test_every_large_product_is_in_8_bits_and_the_files_shrink(folders, name):
    found = operations(onnx.load(folders["int8"] / f"{name}.onnx").graph)
    readers = 2 if name == "generate" else 1  # of a prompt, and of one token
    assert (found["DynamicQuantizeLSTM"], found["LSTM"], found["GRU"]) == (readers, 0, 0)
    assert found["DynamicQuantizeMatMul"] == 2 * readers  # the GRU's; that to the few characters is small
    sizes = {kind: sum(np.prod(w.dims) * onnx.numpy_helper.to_array(w).itemsize for w in weights(folder, name))
             for kind, folder in folders.items()}  # fmt: skip
    assert sizes["int8"] < 0.35 * sizes[None]
    assert sizes["float16"] < 0.55 * sizes[None]


def weights(folder, name):
    """The large constants of a graph, which spox keeps as nodes."""
    graph = onnx.load(folder / f"{name}.onnx").graph
    constants = [a.t for node in graph.node if node.op_type == "Constant" for a in node.attribute if a.name == "value"]
    return [w for w in (*graph.initializer, *constants) if np.prod(w.dims) >= 1024]


@pytest.mark.parametrize(("kind", "least", "most"), [("int8", 1e-8, 0.01), ("float16", 0, 1e-3)])
def test_the_loss_of_quality_is_measured_and_written_down(folders, trained, kind, least, most):
    manifest = read_manifest(folders[kind])
    assert manifest["quantize"] == kind
    check = manifest["parity"]["checks"][0]
    assert (check["signature"], check["judged"], check["limit"]) == ("forward", "perplexity", 0.01)
    # Measured once more from the outside: by the scores of a text.
    log_likelihood, tokens = runtime.load(folders[kind]).score(TEXT[:600])
    expected, _ = trained.score([TEXT[:600]])
    assert abs(log_likelihood - float(expected[0])) / tokens < np.log1p(most)
    assert least <= abs(check["error"]) <= most
    assert verify(folders[kind], trained, TEXT)["checks"][0]["error"] == pytest.approx(check["error"], abs=1e-6)


def test_a_quantised_model_writes_and_streams(folders):
    session = runtime.load(folders["int8"])
    text = session.generate("the cat ", 30, temperature=0)
    assert text == "".join(session.stream("the cat ", 30, temperature=0))
    assert text.startswith("sat on the ")


def test_too_great_a_loss_is_refused_and_nothing_written(trained, tmp_path):
    model = LanguageModel.from_config(trained.get_config())
    model.set_weights(trained.get_weights())
    # One input that is always 0, with weights so large that 8 bits leave the others hardly any steps.
    embeddings, kernel = model.embedding_layer.embeddings, model.cells[0].kernel
    embeddings.assign(np.array(embeddings) * (np.arange(48) > 0))
    kernel.assign(np.where(np.arange(48)[:, None] > 0, kernel, 200.0))
    with pytest.raises(ParityError, match="(?s)forward .*perplexity .*FAILED"):
        export_onnx(model, tmp_path / "out", TEXT, quantize="int8", max_loss=0.01)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"quantize": "int4"}, "quantize: expected one of int8, float16, or None; received 'int4'"),
        ({"quantize": "int8", "max_loss": 0}, "max_loss: expected a positive number"),
        ({"max_loss": 0.1}, "max_loss: expected None without quantize"),
    ],
    ids=["kind", "zero", "alone"],
)
def test_bad_settings_are_refused(trained, tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        export_onnx(trained, tmp_path / "out", TEXT, **options)


def test_other_models_are_judged_by_their_outputs(tmp_path):
    keras.utils.set_random_seed(0)
    x = keras.Input((None, 40), name="x")
    h = keras.layers.Bidirectional(keras.layers.GRU(48, return_sequences=True))(x)
    model = keras.Model(x, keras.layers.Dense(3, name="score")(keras.layers.LSTM(32)(h)))
    check = read_manifest(export_onnx(model, tmp_path / "out", quantize="int8"))["parity"]["checks"][0]
    assert (check["judged"], check["limit"]) == ("rms error", 0.05)
    assert 1e-5 < check["error"] < 0.05


def test_an_output_called_logits_makes_no_language_model(tmp_path):
    keras.utils.set_random_seed(0)
    x, y = (keras.Input((None, 40), name=name) for name in ("x", "y"))
    h = keras.layers.LSTM(32)(keras.layers.Concatenate()([x, y]))
    model = keras.Model({"x": x, "y": y}, keras.layers.Dense(3, name="logits")(h))
    check = read_manifest(export_onnx(model, tmp_path / "out", quantize="int8"))["parity"]["checks"][0]
    assert (check["judged"], check["limit"]) == ("rms error", 0.05)


def test_the_largest_weight_of_a_column_is_kept_to_rounding():
    random = np.random.default_rng(0)
    weight = (random.standard_normal((40, 64)) * np.exp(random.standard_normal(64) * 3)).astype(np.float32)
    info, tensor = onnx.helper.make_tensor_value_info, onnx.TensorProto.FLOAT
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("MatMul", ["x", "w"], ["y"])], "product", [info("x", tensor, [None, 40])],
        [info("y", tensor, [None, 64])], [onnx.numpy_helper.from_array(weight, "w")],
    )  # fmt: skip
    model = onnx.helper.make_model(graph)
    quantize(model, "int8")
    stored = {w.name: onnx.numpy_helper.to_array(w) for w in model.graph.initializer}
    restored = (stored["w/int8"].astype(np.float32) - stored["w/zero"]) * stored["w/scale"]
    assert np.all(np.abs(restored - weight) <= 0.51 * np.abs(weight).max(axis=0) / 64)
