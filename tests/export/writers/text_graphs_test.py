"""generate.onnx and score.onnx, by onnxruntime alone: the trainer's text, and a defined answer to every input."""

import json
import subprocess
import sys

import keras
import numpy as np
import onnx
import onnxruntime
import pytest

from kerasrnn.cells import IndRNNCell, LayerNormLSTMCell, LSTMCell
from kerasrnn.export.writers._text_graphs import generate_graph, score_graph
from kerasrnn.models import LanguageModel
from kerasrnn.tokenizers import CharTokenizer

DTYPES = {
    "prompt": object, "max_new_tokens": np.int32, "temperature": np.float32, "top_k": np.int32, "top_p": np.float32,
    "min_p": np.float32, "repetition_penalty": np.float32, "stop": object, "seed": np.int64,
}  # fmt: skip
OFF = {
    "max_new_tokens": 60, "temperature": 1.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0, "repetition_penalty": 1.0, "stop": "", "seed": 3,
}  # fmt: skip
PROMPTS = ["the cat", "", "Ω未知", "a longer prompt; the dog. " * 50]


def feed(prompts, **settings):
    values = {**OFF, "prompt": prompts, **settings}
    return {n: np.broadcast_to(np.array(values[n], t), (len(prompts),)) for n, t in DTYPES.items()}


@pytest.fixture(scope="module")
def generate(onnx_folder):
    session = onnxruntime.InferenceSession(onnx_folder / "generate.onnx")
    names = [o.name for o in session.get_outputs()]
    return lambda prompts, **settings: dict(zip(names, session.run(names, feed(prompts, **settings))))


@pytest.fixture(scope="module")
def score(onnx_folder):
    session = onnxruntime.InferenceSession(onnx_folder / "score.onnx")
    return lambda texts: session.run(["log_likelihood", "num_tokens"], {"text": np.array(texts, object).reshape(-1)})


def test_names_types_and_axes_are_the_contract_s(onnx_folder):
    types = {object: "string", np.int32: "int32", np.int64: "int64", np.float32: "float"}
    session = onnxruntime.InferenceSession(onnx_folder / "generate.onnx")
    inputs = [(v.name, v.type, v.shape) for v in session.get_inputs()]
    assert inputs == [(name, f"tensor({types[t]})", ["batch"]) for name, t in DTYPES.items()]
    outputs = {v.name: (v.type, len(v.shape)) for v in session.get_outputs()}
    assert outputs == {"text": ("tensor(string)", 1), "num_tokens": ("tensor(int32)", 1), "log_likelihood": ("tensor(float)", 1)}
    session = onnxruntime.InferenceSession(onnx_folder / "score.onnx")
    assert [(v.name, v.type, v.shape) for v in session.get_inputs()] == [("text", "tensor(string)", ["batch"])]
    assert {v.name: v.type for v in session.get_outputs()} == {"log_likelihood": "tensor(float)", "num_tokens": "tensor(int32)"}


def test_old_runtimes_can_load_them_and_weights_are_there_once(onnx_folder):
    for name in ("generate", "score"):
        proto = onnx.load(onnx_folder / f"{name}.onnx")
        assert proto.ir_version <= 10 and {o.domain: o.version for o in proto.opset_import}[""] <= 21
    big = {}
    for units in (64, 128):
        model = LanguageModel(LSTMCell(units), tokenizer=CharTokenizer(["\ufffd", "\n", "a"]))
        big[units] = len(generate_graph(model).SerializeToString()) - 4 * model.count_params()
    assert big[128] - big[64] < 4 * 128 * 8  # the bias alone is there twice as ONNX has it


def test_each_row_has_its_own_settings(model, generate):
    settings = {
        "max_new_tokens": [3, 60, 1, 20], "temperature": [0, 0.5, 1, 2], "top_k": [0, 3, 9, 0], "top_p": [1, 0.5, 0.9, 0.99],
        "min_p": [0, 0.1, 0, 0.01], "repetition_penalty": [1, 1.3, 1, 0.9], "stop": ["", "at", " ", ""], "seed": [1, 2, 3, -4],
    }  # fmt: skip
    outputs = generate(PROMPTS, **settings)
    for row, prompt in enumerate(PROMPTS):
        expected = model.generate(prompt, **{name: values[row] for name, values in settings.items()})
        assert outputs["text"][row] == expected
        assert outputs["num_tokens"][row] == len(expected)


def test_log_likelihood_is_that_of_the_text_after_its_prompt(model, generate):
    outputs = generate(PROMPTS, temperature=0.6, top_k=5, stop="t")
    for prompt, text, log_likelihood in zip(PROMPTS, outputs["text"], outputs["log_likelihood"]):
        assert log_likelihood == pytest.approx(model.score(prompt + text)[0] - model.score(prompt)[0], abs=1e-3)


def test_text_ends_before_its_stop_string_and_the_loop_with_it(generate):
    (whole,) = generate(["the "])["text"]
    for stop in (whole[7:9], whole[4], whole[11:15], "zzz", "Ω"):
        outputs = generate(["the "], stop=stop, max_new_tokens=len(whole))
        assert outputs["text"][0] == whole.partition(stop)[0]
    # A loop that went on to the limit would take minutes.
    assert generate(["the "], stop=whole[4], max_new_tokens=65_536)["text"][0] == whole.partition(whole[4])[0]


def test_score_is_the_models_in_chunks(model, score):
    texts = [*PROMPTS, "the dog lay by the log. " * 100]
    log_likelihood, num_tokens = score(texts)
    expected, counts = model.score(texts)
    np.testing.assert_allclose(log_likelihood, expected, rtol=1e-5)
    assert num_tokens.tolist() == counts.tolist() == [len(t) for t in texts]


@pytest.mark.parametrize(
    ("cells", "length"),
    # Untrained, the LayerNorm-LSTM amplifies rounding without bound.
    [([LayerNormLSTMCell(8), IndRNNCell(7)], 10), ([IndRNNCell(7)], 800), ([LSTMCell(6, projection=4)], 800)],
    ids=lambda cells: "+".join(c.name for c in cells) if isinstance(cells, list) else None,
)  # fmt: skip
def test_cells_without_a_native_node_write_too(cells, length):
    keras.utils.set_random_seed(0)
    tokenizer = CharTokenizer(["\ufffd", "\n", *"abcdefgh "])
    model = LanguageModel(cells, tokenizer=tokenizer, embedding="one_hot")
    session = onnxruntime.InferenceSession(generate_graph(model).SerializeToString())
    prompts = ["abc", "", ("hgfe" * 200)[:length]]
    text = session.run(["text"], feed(prompts))[0].tolist()
    assert text == model.generate(prompts, 60, seed=3)
    session = onnxruntime.InferenceSession(score_graph(model).SerializeToString())
    np.testing.assert_allclose(session.run(None, {"text": np.array(prompts, object)})[0], model.score(prompts)[0], rtol=1e-5)


def test_no_strings_and_empty_strings(generate, score):
    assert [v.shape for v in generate([]).values()] == [(0,)] * 3
    assert [v.shape for v in score([])] == [(0,)] * 2
    assert [v.tolist() for v in score(["", ""])] == [[0.0, 0.0], [0, 0]]
    assert generate(["", ""])["text"][0] == generate([""])["text"][0]


@pytest.mark.slow
def test_ten_million_characters_and_a_nul(generate, score):
    (log_likelihood,), (count,) = score(["the cat\x00 " * 100_000])
    assert count == 900_000 and log_likelihood < 0
    assert generate(["x" * 10_000_000], max_new_tokens=2)["num_tokens"] == 2


@pytest.mark.parametrize(
    ("settings", "name"),
    [({"temperature": -1}, "temperature: expected"), ({"temperature": np.nan}, "temperature: expected"),
     ({"temperature": np.inf}, "temperature: expected"), ({"top_k": -1}, "top_k: expected"), ({"top_p": 0}, "top_p: expected"),
     ({"top_p": 2}, "top_p: expected"), ({"top_p": np.nan}, "top_p: expected"), ({"min_p": -0.1}, "min_p: expected"),
     ({"min_p": 1.5}, "min_p: expected"), ({"repetition_penalty": 0}, "repetition_penalty: expected"),
     ({"max_new_tokens": 0}, "max_new_tokens: expected 1 to 65536"), ({"max_new_tokens": -1}, "max_new_tokens: expected"),
     ({"max_new_tokens": 10**9}, "max_new_tokens: expected 1 to 65536")],
    ids=str,
)  # fmt: skip
def test_settings_out_of_range_are_errors_by_name(generate, settings, name):
    with pytest.raises(Exception, match=name):
        generate(["a", "b"], **settings)
    with pytest.raises(Exception, match=name):  # of one row among others
        generate(["a", "b"], **{k: [OFF[k], v] for k, v in settings.items()})


def test_top_k_above_the_vocabulary_is_all(generate):
    assert generate(["a"], top_k=10**9)["text"] == generate(["a"])["text"]


BAD = """
import json, sys
for name in ("tensorflow", "keras", "kerasrnn", "onnx"): sys.modules[name] = None
import numpy as np, onnxruntime
onnxruntime.set_default_logger_severity(4)
session = onnxruntime.InferenceSession(sys.argv[1])
size = int(sys.argv[3])
ids = lambda *rows: np.array(rows, np.int32)
states = lambda batch, width=0: {
    i.name: np.zeros((batch, i.shape[1] + width), np.float32) for i in session.get_inputs() if i.name != "token_ids"
}
feeds = {
    "id -1": {"token_ids": ids([-1]), **states(1)},
    "id of vocabulary size": {"token_ids": ids([size]), **states(1)},
    "id 2^31-1": {"token_ids": ids([2**31 - 1]), **states(1)},
    "id -1 within": {"token_ids": ids([1, 2], [3, -1]), **states(2)},
    "int64 ids": {"token_ids": ids([1]).astype(np.int64), **states(1)},
    "float ids": {"token_ids": ids([1]).astype(np.float32), **states(1)},
    "rank 1": {"token_ids": np.array([1], np.int32), **states(1)},
    "rank 3": {"token_ids": np.zeros((1, 1, 1), np.int32), **states(1)},
    "state width": {"token_ids": ids([1]), **states(1, 1)},
    "states of one row for two": {"token_ids": ids([1], [2]), **states(1)},
    "states of two rows for one": {"token_ids": ids([1]), **states(2)},
    "a state missing": {"token_ids": ids([1]), **dict(list(states(1).items())[1:])},
}
case = sys.argv[2]
try:
    session.run(None, feeds[case])
    print("accepted")
except Exception as error:
    print("refused:", str(error)[:200])
"""


@pytest.mark.parametrize("case", [
    "id -1", "id of vocabulary size", "id 2^31-1", "id -1 within", "int64 ids", "float ids", "rank 1", "rank 3", "state width",
    "states of one row for two", "states of two rows for one", "a state missing",
])  # fmt: skip
def test_step_refuses_what_is_no_step_and_does_not_abort(model, onnx_folder, case):
    command = [sys.executable, "-c", BAD, onnx_folder / "step.onnx", case, str(model.vocabulary_size)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.startswith("refused:"), (done.stdout, done.stderr)


def test_states_that_are_no_numbers_stay_so(model, onnx_folder):
    session = onnxruntime.InferenceSession(onnx_folder / "step.onnx")
    for value in (np.nan, np.inf):
        states = {i.name: np.full((1, i.shape[1]), value, np.float32) for i in session.get_inputs()[1:]}
        outputs = session.run(None, {"token_ids": np.array([[1]], np.int32), **states})
        assert outputs[0].shape == (1, 1, model.vocabulary_size)  # a defined result: no hang, no abort


def test_onnxruntime_alone_writes_the_trainers_text(model, onnx_folder):
    program = """
import json, sys
for name in ("tensorflow", "keras", "kerasrnn", "onnx"): sys.modules[name] = None
import numpy as np, onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1])
row = json.loads(sys.argv[2])
types = {"tensor(string)": object, "tensor(int32)": np.int32, "tensor(int64)": np.int64, "tensor(float)": np.float32}
print(json.dumps(session.run(["text"], {i.name: np.array([row[i.name]], types[i.type]) for i in session.get_inputs()})[0].tolist()))
"""
    row = json.dumps({**OFF, "prompt": "the cat"})
    done = subprocess.run([sys.executable, "-c", program, onnx_folder / "generate.onnx", row], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [model.generate("the cat", 60, seed=3)]
