"""What any Keras model takes and gives, and how it runs in pieces."""

import re

import numpy as np
import onnx
import pytest
from zoo import ZOO

from kerasrnn._backend import keras, tf
from kerasrnn.cells import GRUCell, LSTMCell
from kerasrnn.export import ArtefactError, export_onnx, export_saved_model, read_manifest, runtime
from kerasrnn.export._manifest import write_manifest
from kerasrnn.export.writers._model_io import forward_signature
from kerasrnn.export.writers._signatures import signatures_of
from kerasrnn.models import LanguageModel

layers = keras.layers


class Tagger(keras.Model):
    """A subclassed model of two inputs."""

    def __init__(self):
        super().__init__()
        self.embedding, self.recurrent = layers.Embedding(9, 4, mask_zero=True), layers.GRU(5, return_sequences=True)
        self.dense = layers.Dense(3)

    def call(self, inputs):
        x = keras.ops.concatenate([self.embedding(inputs["words"]), inputs["features"]], axis=-1)
        return {"tags": self.dense(self.recurrent(x))}


SIGNATURE = {"words": keras.InputSpec("int32", (None, None)), "features": keras.InputSpec("float32", (None, None, 2))}


def test_a_subclassed_model_of_two_inputs_runs_whole_and_in_pieces(tmp_path):
    model = Tagger()
    random = np.random.default_rng(0)
    inputs = {"words": random.integers(1, 9, (2, 12)), "features": random.standard_normal((2, 12, 2)).astype("float32")}
    expected = model(inputs)["tags"]
    with pytest.raises(ValueError, match="input_signature=… for a subclassed model with an Embedding"):
        export_onnx(model, tmp_path / "out")
    session = runtime.load(export_onnx(model, tmp_path / "out", input_signature=SIGNATURE))
    np.testing.assert_allclose(session.forward(**inputs)["tags"], expected, atol=1e-5)
    first, states = session.feed(words=inputs["words"][:, :5], features=inputs["features"][:, :5])
    second, _ = session.feed(states, words=inputs["words"][:, 5:], features=inputs["features"][:, 5:])
    np.testing.assert_allclose(np.concatenate([first["tags"], second["tags"]], axis=1), expected, atol=1e-5)


@pytest.mark.parametrize("name", ["nested masked", "GRU masked", "stack of three masked"])
def test_pieces_of_any_length_give_what_the_whole_gives(name, tmp_path):
    keras.utils.set_random_seed(1)
    session = runtime.load(export_onnx(ZOO[name].build(), tmp_path / "out"))
    random = np.random.default_rng(3)
    x = random.standard_normal((3, 40, 4)).astype("float32")
    x[random.random((3, 40)) < 0.3] = 0  # masked
    x[0, :8], x[1, -9:], x[2] = 0, 0, 0
    whole = session.forward(x=x)
    cuts = [0, *np.sort(random.choice(np.arange(1, 40), 6, replace=False)), 40]
    pieces, states = [], None
    for first, last in zip(cuts, cuts[1:]):
        outputs, states = session.feed(states, x=x[:, first:last])
        pieces.append(outputs)
    for output, value in whole.items():
        over_time = value.ndim == 3
        received = np.concatenate([p[output] for p in pieces], axis=1) if over_time else pieces[-1][output]
        np.testing.assert_allclose(received, value, atol=1e-6)


def twice():
    x, layer = keras.Input((None, 4), name="x"), layers.LSTM(4, return_sequences=True, name="again")
    return keras.Model(x, layer(layer(x)))


@keras.saving.register_keras_serializable("model_io")
class Centred(layers.Layer):
    """A layer of somebody's own, of which no list says that it looks at all steps."""

    def call(self, x):
        return x - keras.ops.mean(x, axis=1, keepdims=True)


def centred():
    x = keras.Input((None, 4), name="x")
    return keras.Model(x, Centred(name="centred")(layers.GRU(3, return_sequences=True)(x)))


@pytest.mark.parametrize(
    ("build", "reason"),
    [
        (centred, "centred, a Centred, gives something else in pieces: it looks at other steps than its own"),
        (ZOO["Bidirectional sum"].build, "reads the sequence from its end"),
        (ZOO["GRU return_sequences go_backwards"].build, "reads the sequence from its end"),
        (ZOO["much around"].build, "a Conv1D, looks at several steps at once"),
        (ZOO["encoder and decoder"].build, "begins from states that it is given"),
        (ZOO["initial states"].build, r"the input c has no time axis; its shape is \(None, 5\)"),
        (ZOO["recurrent in TimeDistributed"].build, "runs a recurrent layer at every step"),
        (twice, "again is called 2 times"),
        (lambda: keras.Sequential([keras.Input((None, 2)), layers.Dense(3)]), "it has no recurrent layer"),
    ],
    ids=["unknown", "bidirectional", "backwards", "convolution", "given", "static", "nested", "twice", "none"],
)
def test_what_cannot_run_in_pieces_says_why(build, reason):
    signatures = signatures_of(build())
    assert "step" not in signatures
    assert re.search(reason, signatures["forward"].no_step)


def test_the_artefact_says_why_it_has_no_step(tmp_path):
    model = keras.Sequential([keras.Input((None, 3)), layers.Bidirectional(layers.LSTM(2), name="both_ways")])
    session = runtime.load(export_onnx(model, tmp_path / "out"))
    with pytest.raises(ValueError, match="cannot run in pieces, for both_ways reads the sequence from its end. Use forward"):
        session.feed(x=np.zeros((1, 2, 3), "float32"))


def functional(input_name="x", output_name="score", dtype="float32"):
    x = keras.Input((None, 3), name=input_name, dtype=dtype)
    return keras.Model(x, {output_name: layers.LSTM(2)(x)})


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (functional(input_name="my-input"), "input 'my-input': expected a name of letters"),
        (functional(output_name="größe"), "output 'größe': expected a name of letters"),
        (functional(output_name="x"), "output 'x': expected a name that no input has"),
        (functional(dtype="float16"), "input 'x': expected float32.*received float16"),
    ],
    ids=["input", "output", "both", "float16"],
)
def test_names_and_types_that_cannot_be_exported_are_refused(model, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        export_onnx(model, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_is_no_model_and_float64_are_refused(tmp_path):
    with pytest.raises(TypeError, match="model: expected a keras.Model; received a str"):
        export_onnx("model.keras", tmp_path / "out")
    x = keras.Input((None, 3), dtype="float64")
    model = keras.Model(x, layers.LSTM(2, dtype="float64", name="double")(x))
    with pytest.raises(ValueError, match="double: expected a layer of float32 or mixed precision.*received float64"):
        export_onnx(model, tmp_path / "out")


@pytest.mark.parametrize("seed", range(3))
def test_numbers_that_come_near_zero_are_no_error(seed, tmp_path):
    keras.utils.set_random_seed(seed)
    x = keras.Input((None, 1), name="x")
    model = keras.Model(x, layers.Dense(1, name="score")(layers.SimpleRNN(1, return_sequences=True)(x)))
    samples = np.sin(np.arange(600, dtype="float32") / 7).reshape(3, 200, 1)  # states cross zero again and again
    assert (export_onnx(model, tmp_path / "out", samples) / "step.onnx").exists()


def test_python_code_within_a_model_is_refused_by_the_layer_s_name(tmp_path):
    def python(x):
        return tf.ensure_shape(tf.numpy_function(np.sort, [x], tf.float32, stateful=False), x.shape)

    x = keras.Input((None, 3), name="x")
    model = keras.Model(x, layers.LSTM(2)(layers.Lambda(python, name="sorted", output_shape=(None, 3))(x)))
    with pytest.raises(ValueError, match="sorted: its operation PyFuncStateless has no ONNX form"):
        export_onnx(model, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_state_of_another_shape_is_refused_by_name(tmp_path):
    session = runtime.load(export_onnx(ZOO["GRU masked"].build(), tmp_path / "out"))
    x = np.zeros((2, 3, 4), "float32")
    _, states = session.feed(x=x)
    with pytest.raises(ValueError, match=r"state_0_h: expected shape \(None, 5\).*received \(2, 4\)"):
        session.feed({**states, "state_0_h": np.zeros((2, 4), "float32")}, x=x)
    with pytest.raises(ValueError, match="expected one batch size for all inputs"):
        session.feed(states, x=x[:1])
    with pytest.raises(ValueError, match="state_0_h: expected finite numbers"):
        session.feed({**states, "state_0_h": np.full((2, 5), np.nan, "float32")}, x=x)


@pytest.mark.parametrize("place", ["link", "parent", "absolute", "beside"])
def test_weights_outside_of_the_file_are_refused(place, tmp_path, monkeypatch):
    """A folder from somebody who means harm: its checksums are right, and its graph reads another file."""
    secret = tmp_path / "secret.bin"
    secret.write_bytes(bytes(8))
    folder = export_onnx(functional(), tmp_path / "parent/out")
    location = {"link": "link.bin", "parent": "../../secret.bin", "absolute": str(secret), "beside": "beside.bin"}[place]
    weight = onnx.TensorProto(name="w", data_type=onnx.TensorProto.FLOAT, dims=[2], data_location=onnx.TensorProto.EXTERNAL)
    weight.external_data.add(key="location", value=location)
    info = onnx.helper.make_tensor_value_info
    x, y = (info(name, onnx.TensorProto.FLOAT, None) for name in ("x", "score"))
    graph = onnx.helper.make_graph([onnx.helper.make_node("Add", ["x", "w"], ["score"])], "harm", [x], [y], [weight])
    opset = [onnx.helper.make_opsetid("", 18)]
    harm = onnx.helper.make_model(graph, opset_imports=opset, ir_version=9)
    manifest = read_manifest(folder)
    (folder / "forward.onnx").write_bytes(harm.SerializeToString())
    (folder / "manifest.json").unlink()
    for name in ("files", "format", "version", "sha256"):  # are written anew
        del manifest[name]
    write_manifest(folder, manifest)
    (folder / "link.bin").symlink_to(secret)
    (folder / "beside.bin").write_bytes(bytes(8))
    monkeypatch.chdir(folder)
    with pytest.raises(ArtefactError, match="forward.onnx: expected a graph that onnxruntime .* loads, with all its weights"):
        runtime.load(folder).forward(x=np.zeros((1, 2, 3), "float32"))


def test_a_layer_that_gives_states_names_each_output():
    model = ZOO["LSTM return_sequences return_state"].build()
    name = model.layers[-1].name
    assert forward_signature(model).outputs == [name, f"{name}_1", f"{name}_2"]


@pytest.mark.parametrize("write", [export_onnx, export_saved_model])
def test_mixed_precision_leaves_as_float32(write, tmp_path):
    model = LanguageModel(
        [LSTMCell(6, dtype="mixed_bfloat16"), GRUCell(5, dtype="mixed_bfloat16")], vocabulary_size=7, dtype="mixed_bfloat16"
    )
    same = LanguageModel([LSTMCell(6), GRUCell(5)], vocabulary_size=7)
    same.set_weights(model.get_weights())
    folder = write(model, tmp_path / "out")
    assert {layer.compute_dtype for layer in model.recurrent_layers} == {"bfloat16"}  # as it was
    ids = tf.constant([[1, 2, 3, 4, 5, 6, 0, 1]])
    if write is export_onnx:
        logits = runtime.load(folder).forward(token_ids=ids.numpy())["logits"]
    else:
        logits = tf.saved_model.load(folder).signatures["forward"](token_ids=ids)["logits"]
    np.testing.assert_allclose(logits, same(ids), atol=1e-6)


def test_the_shape_of_a_dense_layers_output_may_be_asked_for(tmp_path):
    """tf2onnx merges the reshapes in Dense and after it, and gets the shape wrong."""

    class Pairs(keras.layers.Layer):
        def call(self, x):
            shape = tf.shape(x)
            return tf.reshape(x, (shape[0], shape[1], 2, 2))

    x = keras.Input((None, 3), name="x")
    model = keras.Model(x, Pairs(name="pairs")(keras.layers.Dense(4)(keras.layers.GRU(5, return_sequences=True)(x))))
    values = np.random.default_rng(0).standard_normal((2, 6, 3)).astype("float32")
    pairs = runtime.load(export_onnx(model, tmp_path / "out")).forward(x=values)["pairs"]
    np.testing.assert_allclose(pairs, model(values), atol=1e-6)
