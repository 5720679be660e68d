"""The runtime: the trainer's text, without the trainer."""

import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest

import kerasrnn.export
from kerasrnn.cells import GRUCell, LSTMCell
from kerasrnn.data import language_model_dataset
from kerasrnn.export import ArtefactError
from kerasrnn.export.runtime import Limits, load
from kerasrnn.models import LanguageModel
from kerasrnn.tokenizers import CharTokenizer, WordTokenizer

PROMPTS = ["the cat", "", "Ω未知", "a longer prompt; the dog"]


@pytest.fixture(scope="module")
def session(onnx_folder):
    return load(onnx_folder)


@pytest.mark.parametrize("settings", [
    {"temperature": 0}, {}, {"temperature": 0.7}, {"top_k": 4}, {"top_p": 0.8},
    {"min_p": 0.2}, {"repetition_penalty": 1.4}, {"temperature": 0, "repetition_penalty": 1.4}, {"stop": "t"}, {"stop": "the "},
    {"stop": ["", "at", " ", "Ω"], "min_p": [0, 0.1, 0.5, 1], "repetition_penalty": [1, 0.8, 2, 1.1]},
    {"temperature": [0, 0.5, 1, 2], "top_k": [0, 3, 9, 0], "top_p": [1, 0.5, 0.9, 0.99], "seed": [1, 2, 3, -4]},
], ids=str)  # fmt: skip
def test_one_seed_one_text(model, session, settings):
    settings = {"seed": 11, **settings}
    assert session.generate(PROMPTS, 80, **settings) == model.generate(PROMPTS, 80, **settings)


def test_without_generate_onnx_the_text_is_the_same(session, onnx_folder):
    by_steps = load(onnx_folder)
    by_steps.manifest["signatures"].pop("generate")
    for settings in ({}, {"temperature": 0}, {"top_k": 3, "stop": ["", "at", " ", "Ω"]}, {"repetition_penalty": 1.3, "min_p": 0.1}):
        assert by_steps.generate(PROMPTS, 80, seed=4, **settings) == session.generate(PROMPTS, 80, seed=4, **settings)


def test_stream_is_generate_in_pieces(session):
    pieces = list(session.stream("the ", 40, seed=3))
    assert len(pieces) == 40
    assert "".join(pieces) == session.generate("the ", 40, seed=3)


@pytest.mark.parametrize("stop", ["t", "at", "the ", ". ", "ttt", "zzz"])
def test_text_ends_before_its_stop_string(session, stop):
    whole = session.generate("the ", 60, seed=3)
    assert session.generate("the ", 60, seed=3, stop=stop) == whole.partition(stop)[0]
    assert "".join(session.stream("the ", 60, seed=3, stop=stop)) == whole.partition(stop)[0]


def test_streams_run_side_by_side_without_mixing(session):
    alone = [session.generate("the ", 50, seed=seed) for seed in range(6)]
    together = [session.stream("the ", 50, seed=seed) for seed in range(6)]
    written = [""] * 6
    for pieces in zip(*together):
        written = [w + p for w, p in zip(written, pieces)]
    assert written == alone
    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(lambda seed: session.generate("the ", 50, seed=seed), range(6))) == alone


def test_score_is_the_models(model, session):
    texts = ["the cat sat", "", "Ω", "the dog lay by the log. " * 60]
    ours, counts = session.score(texts)
    theirs, their_counts = model.score(texts)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)
    assert counts.tolist() == their_counts.tolist()
    assert session.score(texts[0]) == (pytest.approx(theirs[0], rel=1e-5), 11)


def test_forward_and_step_take_names(model, session):
    ids = np.array([[1, 2, 3]])
    np.testing.assert_allclose(session.forward(token_ids=ids)["logits"], model(ids), atol=1e-5)
    outputs = session.step(token_ids=ids, **session.initial_states(1))
    np.testing.assert_allclose(outputs["logits"], model(ids), atol=1e-5)
    assert [f"next_{name}" for name in session.state_names] == list(outputs)[1:]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [({"temperature": -1}, ValueError, "temperature: expected"), ({"temperature": float("nan")}, ValueError, "temperature"),
     ({"top_k": -1}, ValueError, "top_k: expected"), ({"top_k": 1.5}, ValueError, "top_k"),
     ({"top_p": 0}, ValueError, "top_p: expected"), ({"top_p": 1.1}, ValueError, "top_p"),
     ({"min_p": -0.1}, ValueError, "min_p: expected"), ({"min_p": 1.1}, ValueError, "min_p"),
     ({"repetition_penalty": 0}, ValueError, "repetition_penalty: expected"),
     ({"repetition_penalty": float("inf")}, ValueError, "repetition_penalty"), ({"stop": 3}, TypeError, "stop: expected"),
     ({"max_new_tokens": 0}, ValueError, "max_new_tokens: expected"), ({"seed": "x"}, ValueError, "seed: expected"),
     ({"prompt": 3}, TypeError, "prompt: expected"), ({"prompt": [b"x"]}, TypeError, "prompt: expected")],
    ids=str,
)  # fmt: skip
def test_bad_arguments_are_refused_at_once_and_by_name(session, arguments, error, message):
    with pytest.raises(error, match=message):
        session.generate(**arguments)
    with pytest.raises(error, match=message):
        session.stream(**arguments)  # when it is called, not when its first piece is asked for


def test_limits_are_errors_by_name(onnx_folder):
    session = load(onnx_folder, limits=Limits(prompt_characters=10, new_tokens=20))
    assert len(session.generate("0123456789", 20)) == 20
    for call in (session.generate, session.stream):
        with pytest.raises(ValueError, match="max_new_tokens: expected at most 20; received 21"):
            call("a", 21)
        with pytest.raises(ValueError, match="prompt: expected at most 10 characters; received 11"):
            call("0123456789a", 5)
        with pytest.raises(ValueError, match="stop: expected at most 10 characters"):
            call("a", 5, stop="0123456789a")
    with pytest.raises(ValueError, match="text: expected at most 10 characters"):
        session.score("0123456789a")
    with pytest.raises(ValueError, match="max_new_tokens: expected at most 65,536; received 1,000,000,000"):
        load(onnx_folder).generate("a", 10**9)


def test_a_deadline_ends_every_kind_of_call(session, onnx_folder):
    by_steps = load(onnx_folder, limits=Limits(seconds=0.05))
    by_steps.manifest["signatures"].pop("generate")
    calls = {
        "generate": lambda: session.generate("a", 60_000, deadline=0.05),
        "by steps": lambda: by_steps.generate("a", 60_000),
        "stream": lambda: list(session.stream("a", 60_000, deadline=0.05)),
        "score": lambda: session.score("the cat " * 500_000, deadline=0.05),
    }
    for name, call in calls.items():
        start = time.monotonic()
        with pytest.raises(TimeoutError, match="deadline: the call took longer than 0.05 s"):
            call()
        assert time.monotonic() - start < 5, name
    assert len(session.generate("a", 10, deadline=60)) == 10  # the session is as good as before
    for deadline in (0, -1, float("nan")):
        with pytest.raises(ValueError, match="deadline: expected"):
            session.generate("a", 10, deadline=deadline)


def test_a_file_altered_after_loading_is_refused_when_it_is_opened(onnx_folder, tmp_path):
    shutil.copytree(onnx_folder, tmp_path / "out")
    session = load(tmp_path / "out")
    data = bytearray((tmp_path / "out" / "generate.onnx").read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "out" / "generate.onnx").write_bytes(data)
    with pytest.raises(ArtefactError, match="generate.onnx.*altered"):
        session.generate("a")
    (tmp_path / "out" / "step.onnx").unlink()
    with pytest.raises(ArtefactError, match="step.onnx: missing"):
        list(session.stream("a"))


def test_states_that_are_no_numbers_are_refused(session):
    states = session.initial_states(1)
    states["state_1_h"][0, 3] = np.nan
    with pytest.raises(ValueError, match="state_1_h: expected finite numbers"):
        session.step(token_ids=[[1]], **states)


@pytest.mark.parametrize(
    ("change", "message"),
    [({"token_ids": [[-1]]}, r"token_ids.*\[0, .*received -1"), ({"token_ids": [[10**6]]}, "received 1000000"),
     ({"token_ids": [[1.5]]}, "token_ids: expected int32; received float64"), ({"token_ids": [1]}, r"shape \(None, None\)"),
     ({"token_ids": [[1], [2]]}, "one batch size"), ({"state_0_h": np.zeros((1, 3), "f4")}, "state_0_h: expected shape"),
     ({"extra": 1}, "expected inputs")],
    ids=lambda value: "+".join(value) if isinstance(value, dict) else str(value),
)  # fmt: skip
def test_step_refuses_bad_inputs_by_name(session, change, message):
    with pytest.raises(ValueError, match=message):
        session.step(**{"token_ids": [[1]], **session.initial_states(1), **change})


def test_without_a_tokenizer_it_takes_ids_only(tmp_path):
    model = LanguageModel(LSTMCell(4), vocabulary_size=7)
    session = load(kerasrnn.export.export_onnx(model, tmp_path / "out"))
    assert session.forward(token_ids=[[1, 2]])["logits"].shape == (1, 2, 7)
    with pytest.raises(ValueError, match="without a tokenizer"):
        session.generate("a")


def test_words_come_with_what_stands_between_them(tmp_path):
    keras.utils.set_random_seed(0)
    text = "the cat sat on the mat ; the dog lay by the log . " * 40
    tokenizer = WordTokenizer()
    tokenizer.adapt(text)
    model = LanguageModel(LSTMCell(16), tokenizer=tokenizer)
    model.compile(optimizer=keras.optimizers.Adam(0.02))
    model.fit(language_model_dataset(text, tokenizer, batch_size=8, num_steps=10, seed=0), epochs=5, verbose=0)
    session = load(model.export(tmp_path / "out", format="onnx"))
    for settings in ({"temperature": 0}, {"seed": 1}, {"seed": 2, "stop": "the dog"}):
        expected = model.generate("the cat", 20, **settings)
        pieces = list(session.stream("the cat", 20, **settings))
        assert "".join(pieces) == session.generate("the cat", 20, **settings) == expected
    assert len(list(session.stream("the cat", 20, temperature=0))) == 20


def test_a_process_without_tensorflow_writes_the_same_text(model, onnx_folder):
    program = """
import sys
for name in ("tensorflow", "keras", "onnx", "tf2onnx"): sys.modules[name] = None
from kerasrnn.export import ArtefactError
from kerasrnn.export.runtime import Limits, load
print(load(sys.argv[1]).generate("the cat", 60, seed=5), end="")
"""
    done = subprocess.run([sys.executable, "-c", program, onnx_folder], capture_output=True, text=True, check=True)
    assert done.stdout == model.generate("the cat", 60, seed=5)


@keras.saving.register_keras_serializable("session_test")
class StartsAtAHalf(GRUCell):
    """A cell with its own initial states."""

    def get_initial_state(self, batch_size=None):
        return [state + 0.5 for state in super().get_initial_state(batch_size)]


def test_text_begins_with_the_models_own_states(tmp_path):
    keras.utils.set_random_seed(0)
    tokenizer = CharTokenizer()
    tokenizer.adapt("the cat sat on the mat")
    model = LanguageModel(StartsAtAHalf(9), tokenizer=tokenizer, embedding=4)
    session = load(model.export(tmp_path / "out", format="onnx"))
    assert session.manifest["version"] == 4
    assert session.manifest["states"] == [{"name": "state_0_h", "size": 9, "initial": [0.5] * 9}]
    written = model.generate("the ", 40, seed=3)
    assert session.generate("the ", max_new_tokens=40, seed=3) == written
    assert "".join(session.stream("the ", max_new_tokens=40, seed=3)) == written
    ids = np.array([[tokenizer.start_token_id, *tokenizer.tokenize("the ca")]], "int32")
    log_probabilities = keras.ops.convert_to_numpy(keras.ops.log_softmax(model(ids)))[0, :-1]
    expected = np.take_along_axis(log_probabilities, ids[0, 1:, None], axis=1)
    np.testing.assert_allclose(session.score("the ca")[0], expected.sum(), atol=1e-4)
