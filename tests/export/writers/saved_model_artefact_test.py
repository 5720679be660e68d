"""The SavedModel artefact in a process of plain TensorFlow, and its version folders."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import kerasrnn.export
from kerasrnn.export import ArtefactError
from kerasrnn.export.writers import _plain_tensorflow
from kerasrnn.export.writers._plain_tensorflow import plain_tensorflow
from kerasrnn.export.writers._texts import request
from kerasrnn.export.writers._verification import ParityError


def test_plain_tensorflow_serves_every_signature(saved_model_folder, expected):
    program = """
import os, sys
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
sys.modules["keras"] = sys.modules["kerasrnn"] = None
import numpy as np, tensorflow as tf
expected = np.load(sys.argv[2])
ids = tf.constant(expected["token_ids"])
loaded = tf.saved_model.load(sys.argv[1])
assert sorted(loaded.signatures) == ["forward", "generate", "score", "serving_default", "step"], list(loaded.signatures)
names = ["state_0_h", "state_0_c", "state_1_h", "state_2_h"]
errors = []
outputs = loaded.signatures["forward"](token_ids=ids)
assert list(outputs) == ["logits"]
errors.append(abs(outputs["logits"] - expected["forward"]).numpy().max())
zeros = {n: tf.zeros(expected[n].shape) for n in names}
step = loaded.signatures["step"]
assert sorted(step.structured_input_signature[1]) == sorted(["token_ids", *names])
first = step(token_ids=ids[:, :10], **zeros)
second = step(token_ids=ids[:, 10:], **{n: first["next_" + n] for n in names})
errors += [abs(first["logits"] - expected["first"]).numpy().max(), abs(second["logits"] - expected["second"]).numpy().max()]
errors += [abs(second["next_" + n] - expected["next_" + n]).numpy().max() for n in names]
assert [o.shape[0] for o in step(token_ids=ids[:0], **{n: z[:0] for n, z in zeros.items()}).values()] == [0] * 5
print(max(errors))
"""
    done = subprocess.run([sys.executable, "-c", program, saved_model_folder, expected], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 1e-5


def test_versions_count_up_and_carry_a_manifest(model, tmp_path):
    (tmp_path / "serving" / "7").mkdir(parents=True)
    (tmp_path / "serving" / "notes").mkdir()
    version = model.export(tmp_path / "serving")
    assert version == tmp_path / "serving" / "8"
    assert sorted(p.name for p in version.parent.iterdir()) == ["7", "8", "batching_parameters.txt", "models.config", "notes"]
    manifest = json.loads((version / "manifest.json").read_text())
    files = {"saved_model.pb", "variables/variables.index", "assets.extra/tf_serving_warmup_requests"}
    assert files <= set(manifest["files"])
    assert manifest["parity"]["one_step"] <= 1e-5


@pytest.mark.slow
def test_keep_removes_the_older_versions(model, tmp_path):
    for _ in range(3):
        model.export(tmp_path, keep=2)
    assert sorted(p.name for p in tmp_path.iterdir() if p.is_dir()) == ["2", "3"]
    with pytest.raises(ValueError, match="keep: expected"):
        model.export(tmp_path, keep=0)


def test_a_failed_check_leaves_nothing(model, tmp_path, monkeypatch):
    right = _plain_tensorflow.PlainTensorFlow.call

    def wrong(*arguments):
        return {n: v * 1.001 if v.dtype == np.float32 else v for n, v in right(*arguments).items()}

    monkeypatch.setattr(_plain_tensorflow.PlainTensorFlow, "call", wrong)
    with pytest.raises(ParityError, match="FAILED"):
        model.export(tmp_path / "serving")
    assert list((tmp_path / "serving").iterdir()) == []


def test_a_forbidden_operation_leaves_nothing(tmp_path):
    layer = keras.layers.Lambda(lambda x: tf.py_function(lambda v: v, [x], x.dtype), output_shape=(3,))
    model = keras.Sequential([keras.Input((3,)), layer])
    with pytest.raises(ArtefactError, match="PyFunc.*cannot be exported"):
        kerasrnn.export.export_saved_model(model, tmp_path / "serving")
    assert list((tmp_path / "serving").iterdir()) == []


@pytest.fixture(scope="module")
def served(saved_model_folder):
    with plain_tensorflow(saved_model_folder) as process:
        yield process.call


BAD_SETTINGS = [
    ({"temperature": -1}, "temperature: expected a number from 0 to"), ({"temperature": np.nan}, "temperature: expected"),
    ({"top_k": -1}, "top_k: expected"), ({"top_p": 0}, "top_p: expected"), ({"top_p": 2}, "top_p: expected"),
    ({"min_p": 1.5}, "min_p: expected"), ({"repetition_penalty": 0}, "repetition_penalty: expected"),
    ({"max_new_tokens": 0}, "max_new_tokens: expected"), ({"max_new_tokens": -1}, "max_new_tokens: expected"),
    ({"max_new_tokens": 10**9}, "max_new_tokens: expected at most 65536"),
]  # fmt: skip


@pytest.mark.parametrize(("settings", "message"), BAD_SETTINGS, ids=str)
@pytest.mark.parametrize("signature", ["generate", "serving_default"])
def test_settings_out_of_range_are_errors_by_name(served, signature, settings, message):
    inputs = request(["a", "b"], [{}], 5)
    for name, value in settings.items():
        inputs[name] = np.array([inputs[name][0], value], inputs[name].dtype)
    with pytest.raises(RuntimeError, match=message):
        served(signature, inputs)


def test_strings_of_every_kind(model, served):
    texts = np.array([b"", b"the cat\xff\xfe", b"a\x00b", "Ω".encode(), b"the cat " * 2000], object)
    scored = served("score", {"text": texts})
    expected = model.score([t.decode("utf-8", "replace") for t in texts])
    np.testing.assert_allclose(scored["log_likelihood"], expected[0], rtol=1e-5)
    assert scored["num_tokens"].tolist() == expected[1].tolist()
    inputs = {**request(["x"] * len(texts), [{}], 20), "prompt": texts}
    written = [t.decode() for t in served("generate", inputs)["text"]]
    assert written == [
        model.generate(t.decode("utf-8", "replace"), 20, seed=int(s)) for t, s in zip(texts, inputs["seed"])
    ]
    nothing = {name: values[:0] for name, values in inputs.items()}
    assert {name: v.shape for name, v in served("generate", nothing).items()} == dict.fromkeys(
        ["text", "num_tokens", "log_likelihood"], (0,)
    )
    assert served("score", {"text": np.array([], object)})["num_tokens"].shape == (0,)


@pytest.mark.slow
def test_ten_megabytes_of_text(served):
    assert served("score", {"text": np.array([b"the cat. " * 1_200_000], object)})["num_tokens"] == 10_800_000


@pytest.mark.parametrize("token_ids", [[[-1]], [[10**6]], [[2**31 - 1]], [[1, 2], [3, -1]]], ids=str)
def test_ids_outside_the_vocabulary_are_refused(model, served, token_ids):
    states = {name: np.zeros((len(token_ids), s.shape[1]), np.float32) for name, s in zip(model.state_names, model.get_initial_state(1))}
    for signature, inputs in (("forward", {}), ("step", states)):
        with pytest.raises(RuntimeError, match="not in"):
            served(signature, {"token_ids": np.array(token_ids, np.int32), **inputs})


@pytest.mark.parametrize(("rows", "state_rows", "wider"), [(2, 1, 0), (1, 2, 0), (1, 1, 1)])
def test_states_of_another_shape_are_refused(model, served, rows, state_rows, wider):
    states = {
        name: np.zeros((state_rows, s.shape[1] + wider), np.float32)
        for name, s in zip(model.state_names, model.get_initial_state(1))
    }
    with pytest.raises(RuntimeError):
        served("step", {"token_ids": np.ones((rows, 1), np.int32), **states})


def test_tables_of_words_go_along(tmp_path):
    """As StringLookup and TextVectorization have them, of a vocabulary that was adapted or given."""
    words = keras.layers.TextVectorization(output_sequence_length=6)
    words.adapt(["call me ishmael", "some years ago", "never mind how long"])
    texts = keras.Input((1,), dtype="string", name="texts")
    x = keras.layers.Embedding(words.vocabulary_size(), 4)(words(texts))
    model = keras.Model(texts, keras.layers.LSTM(3)(x))
    samples = np.array([["call me"], ["never some"], ["queequeg"]], object)
    version = kerasrnn.export.export_saved_model(model, tmp_path / "serving", samples)  # which compares, in a program without Keras
    loaded = tf.saved_model.load(version).signatures["forward"]
    (y,) = loaded(texts=tf.constant(samples)).values()
    np.testing.assert_allclose(y, model(tf.constant(samples)), atol=1e-6)


@pytest.mark.parametrize("name", ["runs[1]", "a*", "b?", "c\\d", "[", "in]"])
def test_a_folder_that_tensorflow_takes_for_a_pattern_is_refused_at_once(name, tmp_path):
    model = keras.Sequential([keras.Input((None, 3)), keras.layers.GRU(2)])
    with pytest.raises(ValueError, match="path: expected a folder without"):
        kerasrnn.export.export_saved_model(model, tmp_path / name / "out")
    assert list(tmp_path.iterdir()) == []
