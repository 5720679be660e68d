"""The ONNX artefact: its names and types, its numbers, and what is left when its check fails."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import keras
import numpy as np
import onnx
import onnxruntime
import pytest

import kerasrnn.export
from kerasrnn._backend import tf
from kerasrnn.cells import GRUCell, LSTMCell
from kerasrnn.export.writers import _markers, _proof, _verification
from kerasrnn.export.writers._recurrence import recurrence_of
from kerasrnn.layers import RNN
from kerasrnn.models import FeedForwardLanguageModel, LanguageModel
from kerasrnn.tokenizers import CharTokenizer

BLOCKED = "import sys\nfor name in ('tensorflow', 'keras', 'kerasrnn', 'onnx'): sys.modules[name] = None\n"


def run(program, *arguments):
    """Runs a Python program in a process of its own; some inputs make onnxruntime abort it."""
    return subprocess.run([sys.executable, "-c", program, *map(str, arguments)], capture_output=True, text=True, check=False)


def all_ops(graph):
    ops = Counter(node.op_type for node in graph.node)
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g"):
                ops += all_ops(attribute.g)
    return ops


def signature(file):
    session = onnxruntime.InferenceSession(file)
    return tuple([(v.name, v.type, v.shape) for v in values] for values in (session.get_inputs(), session.get_outputs()))


def test_names_types_and_axes_are_the_contract_s(model, onnx_folder):
    ids, size = ("token_ids", "tensor(int32)", ["batch", "time"]), model.vocabulary_size
    logits = ("logits", "tensor(float)", ["batch", "time", size])
    assert signature(onnx_folder / "forward.onnx") == ([ids], [logits])
    states = [("state_0_h", 12), ("state_0_c", 12), ("state_1_h", 11), ("state_2_h", 10)]
    inputs, outputs = signature(onnx_folder / "step.onnx")
    assert inputs == [ids, *((name, "tensor(float)", ["batch", width]) for name, width in states)]
    assert outputs == [logits, *((f"next_{name}", "tensor(float)", ["batch", width]) for name, width in states)]


def test_recurrences_are_native_and_old_runtimes_can_load_them(onnx_folder):
    for name in ("forward.onnx", "step.onnx"):
        proto = onnx.load(onnx_folder / name)
        ops = all_ops(proto.graph)
        assert (ops["LSTM"], ops["GRU"], ops["RNN"]) == (1, 1, 1)
        assert ops["Loop"] == ops["Scan"] == 0
        assert proto.ir_version <= 10
        assert {o.domain: o.version for o in proto.opset_import}[""] <= 21


def test_onnxruntime_alone_computes_what_keras_does(onnx_folder, expected):
    program = BLOCKED + """
import numpy as np, onnxruntime
folder, expected = sys.argv[1], np.load(sys.argv[2])
ids = expected["token_ids"]
names = ["state_0_h", "state_0_c", "state_1_h", "state_2_h"]
step = onnxruntime.InferenceSession(folder + "/step.onnx")
zeros = {n: np.zeros((3, expected[n].shape[1]), np.float32) for n in names}
def call(token_ids, states):
    outputs = dict(zip([o.name for o in step.get_outputs()], step.run(None, {"token_ids": token_ids, **states})))
    return outputs["logits"], {n: outputs["next_" + n] for n in names}
first, states = call(ids[:, :10], zeros)
second, last = call(ids[:, 10:], states)
errors = [abs(first - expected["first"]).max(), abs(second - expected["second"]).max()]
errors += [abs(states[n] - expected[n]).max() for n in names] + [abs(last[n] - expected["next_" + n]).max() for n in names]
forward = onnxruntime.InferenceSession(folder + "/forward.onnx").run(["logits"], {"token_ids": ids})[0]
errors.append(abs(forward - expected["forward"]).max())
print(max(errors))
"""
    done = run(program, onnx_folder, expected)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 1e-5


@pytest.mark.parametrize("batch,steps", [(0, 3), (2, 0), (0, 0)])
def test_empty_batches_and_sequences_pass_the_states_by(onnx_folder, batch, steps):
    program = BLOCKED + """
import numpy as np, onnxruntime
step = onnxruntime.InferenceSession(sys.argv[1] + "/step.onnx")
batch, steps = int(sys.argv[2]), int(sys.argv[3])
feed = {i.name: np.full((batch, i.shape[1]), 0.5, np.float32) for i in step.get_inputs()[1:]}
logits, *states = step.run(None, {"token_ids": np.zeros((batch, steps), np.int32), **feed})
assert logits.shape[:2] == (batch, steps), logits.shape
for state, given in zip(states, feed.values()):
    np.testing.assert_array_equal(state, given)
print("fine")
"""
    done = run(program, onnx_folder, batch, steps)
    assert done.stdout == "fine\n", done.stderr


def test_manifest_describes_and_proves(model, onnx_folder):
    manifest = json.loads((onnx_folder / "manifest.json").read_text())
    assert manifest["tokenizer"] == model.tokenizer.specification()
    assert manifest["states"][0] == {"name": "state_0_h", "size": 12}
    assert set(manifest["files"]) == {"README.md", *(f"{s}.onnx" for s in ("forward", "step", "generate", "score"))}
    assert manifest["model"]["parameters"] == model.count_params()
    parity = manifest["parity"]
    assert 0 < parity["one_step"] <= 1e-5
    assert parity["one_step"] == max(c["error"] for c in parity["checks"] if c["judged"] == "one step")
    assert {(c["batch"], c["steps"]) for c in parity["checks"]} >= {(1, 1), (3, 1), (1, 200), (3, 200)}


def altered(what):
    """A lowering with one plausible mistake."""

    def wrong(cell):
        recurrence = recurrence_of(cell)
        if recurrence is None:
            return None
        values = dict(vars(recurrence))
        if what == "gates swapped":
            values["recurrent_kernel"] = np.roll(recurrence.recurrent_kernel, recurrence.units, axis=0)
        elif what == "bias lost":
            values["bias"] = np.zeros_like(recurrence.bias)
        elif what == "one weight off by 1%":
            values["recurrent_kernel"] = recurrence.recurrent_kernel.copy()
            values["recurrent_kernel"].flat[np.argmax(np.abs(values["recurrent_kernel"]))] *= 1.01
        return type(recurrence)(**values)

    return wrong


@pytest.mark.parametrize("what", ["gates swapped", "bias lost", "one weight off by 1%"])
@pytest.mark.one_in(3)
def test_a_wrong_lowering_is_caught_and_leaves_nothing(model, tmp_path, monkeypatch, what):
    monkeypatch.setattr(_markers, "recurrence_of", altered(what))
    with pytest.raises(_verification.ParityError, match=r"(?s)step .+one step .* FAILED"):
        model.export(tmp_path / "out", format="onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_failed_export_leaves_the_old_artefact(model, tmp_path, monkeypatch):
    path = model.export(tmp_path / "out", format="onnx")
    before = {p.name: p.read_bytes() for p in path.iterdir()}
    with monkeypatch.context() as patch:
        patch.setattr(_markers, "recurrence_of", altered("bias lost"))
        with pytest.raises(_verification.ParityError):
            model.export(path, format="onnx")
    assert {p.name: p.read_bytes() for p in path.iterdir()} == before
    model.export(path, format="onnx")  # an artefact may be replaced
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_a_folder_with_something_else_is_left_alone(model, tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(FileExistsError, match="holds no exported model"):
        model.export(tmp_path, format="onnx")
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize("cell", [
    LSTMCell(7, activation="softsign", recurrent_activation="hard_sigmoid"), GRUCell(7, use_bias=False),
    GRUCell(7, reset_after=False), GRUCell(7, activation="silu"), keras.layers.LSTMCell(7), keras.layers.GRUCell(7),
    keras.layers.SimpleRNNCell(7, activation="relu"), LSTMCell(7, peepholes=True), LSTMCell(7, projection=3),
], ids=lambda c: f"{type(c).__module__.split('.')[0]}-{c.name}")  # fmt: skip
def test_cells_and_options(cell, tmp_path):
    model = LanguageModel(cell, vocabulary_size=13, embedding="one_hot")
    model.set_weights([0.5 * np.random.default_rng(i).standard_normal(w.shape) for i, w in enumerate(model.get_weights())])
    folder = model.export(tmp_path / "out", format="onnx")
    ops = all_ops(onnx.load(folder / "step.onnx").graph)
    native = keras.activations.serialize(cell.activation) != "silu" and not getattr(cell, "projection", None)
    assert (sum(ops[op] for op in ("LSTM", "GRU", "RNN")), ops["Scan"], ops["Loop"]) == ((1, 0, 0) if native else (0, 1, 0))


def test_any_functional_model_leaves_a_forward(tmp_path):
    sequences = keras.Input((None, 4), name="sequences")
    x = keras.layers.Bidirectional(keras.layers.LSTM(5, return_sequences=True))(sequences)
    x = RNN(GRUCell(6), go_backwards=True)(x)
    model = keras.Model(sequences, {"score": keras.layers.Dense(2, name="score")(x)})
    folder = kerasrnn.export.export_onnx(model, tmp_path / "out")
    assert sorted(p.name for p in folder.iterdir()) == ["README.md", "forward.onnx", "manifest.json"]
    ops = all_ops(onnx.load(folder / "forward.onnx").graph)
    assert (ops["LSTM"], ops["GRU"], ops["Loop"]) == (2, 1, 0)


def test_a_model_that_is_not_built_says_so(tmp_path):
    with pytest.raises(ValueError, match="built"):
        kerasrnn.export.export_onnx(keras.Sequential([keras.layers.LSTM(3)]), tmp_path / "out")
    assert not Path(tmp_path / "out").exists()


class Backwards(CharTokenizer):
    """A tokenizer of somebody's own, which only its Python knows."""

    def specification(self):
        return {**super().specification(), "class_name": "Backwards"}


def test_a_tokenizer_without_onnx_form_leaves_token_ids(tmp_path, monkeypatch):
    model = LanguageModel(LSTMCell(4), tokenizer=Backwards(["\ufffd", "\n", "a"]))
    monkeypatch.setattr(_proof, "tokenizer_from_specification", lambda specification: None)
    folder = model.export(tmp_path / "out", format="onnx")
    assert sorted(p.name for p in folder.iterdir()) == ["README.md", "forward.onnx", "manifest.json", "step.onnx"]
    assert kerasrnn.export.verify(folder, model)["one_step"] <= 1e-5


def test_a_feed_forward_language_model_leaves_all_four(tmp_path):
    model = FeedForwardLanguageModel(3, 8, tokenizer=CharTokenizer(["\ufffd", "\n", "a", "b", " "]), embedding=4)
    session = kerasrnn.export.runtime.load(model.export(tmp_path / "out", format="onnx"))
    assert set(session.manifest["signatures"]) == {"forward", "step", "generate", "score"}
    assert session.generate("ab", 20, seed=3) == model.generate("ab", 20, seed=3)


def test_a_sequential_model_has_an_output_too(tmp_path):
    model = keras.Sequential([keras.Input((None, 3)), keras.layers.GRU(4), keras.layers.Dense(2, name="score")])
    for folder in (kerasrnn.export.export_onnx(model, tmp_path / "out"), kerasrnn.export.export_saved_model(model, tmp_path)):
        assert kerasrnn.export.read_manifest(folder)["signatures"]["forward"]["outputs"] == ["score"]


@pytest.mark.parametrize("write", [kerasrnn.export.export_onnx, kerasrnn.export.export_saved_model])
def test_a_stateful_layer_is_refused_by_name(tmp_path, write):
    model = keras.Sequential([keras.Input((None, 3), batch_size=2), keras.layers.LSTM(4, stateful=True, name="memory")])
    with pytest.raises(ValueError, match="memory: expected stateful=False"):
        write(model, tmp_path / "out")


def inverse_error_function(x):
    return tf.math.erfinv(tf.tanh(x) / 2)


def test_an_operation_without_onnx_form_is_named(tmp_path):
    model = LanguageModel(GRUCell(7, activation=inverse_error_function), vocabulary_size=13)
    with pytest.raises(ValueError, match=r"gru_cell\w*: its operation Erfinv has no ONNX form, so that language_model"):
        model.export(tmp_path / "out", format="onnx")
    assert list(tmp_path.iterdir()) == []


def test_short_samples_are_refused(model, tmp_path):
    with pytest.raises(ValueError, match="samples: expected text of at least 600 tokens"):
        model.export(tmp_path / "out", format="onnx", samples="too short")


def test_not_a_number_never_passes():
    check = _verification.Check("step", "one step", 1, 1, float("nan"), 1e-5)
    assert not check.passed
    one = {"logits": np.array([[1.0, np.nan]])}
    assert np.isnan(_verification._error({"logits": np.array([[1.0, 2.0]])}, one))
    with pytest.raises(_verification.ParityError, match="shape"):
        _verification._error({"logits": np.zeros((1, 2))}, {"logits": np.zeros((2, 1))})
    with pytest.raises(_verification.ParityError, match="missing"):
        _verification._error({"logits": np.zeros((1, 2))}, {})
