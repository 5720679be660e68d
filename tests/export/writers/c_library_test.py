"""The SavedModel in TensorFlow's C library: the C++ loader and session of a server, without Python's conversions."""

import json
import subprocess
import sys

import numpy as np
import pytest

PROMPTS = ["the cat", "", "Ω“未🐋\n", "a longer prompt; the dog\0 lay"]
SETTINGS = {
    "temperature": np.array([0, 0.7, 1.3, 1], "float32"), "top_k": np.array([0, 0, 9, 0], "int32"),
    "top_p": np.array([1, 1, 0.8, 1], "float32"), "min_p": np.array([0, 0, 0.05, 0], "float32"),
    "repetition_penalty": np.array([1, 1, 1.1, 1.4], "float32"), "seed": np.array([0, -(2**63), 2**63 - 1, 7], "int64"),
}  # fmt: skip
STOPS = ["", "the ", "ttt", ""]


@pytest.fixture(scope="module")
def run(saved_model_folder, request):
    """Runs signatures, given as (name, inputs): for each its outputs, arrays or lists of strings, or what went wrong."""

    def run(*calls):
        calls = [{"signature": name, "inputs": {n: to_json(v) for n, v in inputs.items()}} for name, inputs in calls]
        command = [sys.executable, request.config.rootpath / "tests/export/c_library.py", saved_model_folder]
        done = subprocess.run(command, input=json.dumps(calls), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return [
            answer.get("error") or {name: from_json(**value) for name, value in answer["outputs"].items()}
            for answer in json.loads(done.stdout)
        ]

    return run


def to_json(value):
    if isinstance(value, list):
        return {"dtype": "string", "shape": [len(value)], "values": value}
    return {"dtype": value.dtype.name, "shape": value.shape, "values": value.ravel().tolist()}


def from_json(dtype, shape, values):
    return values if dtype == "string" else np.array(values, dtype).reshape(shape)


def generate(**changes):
    inputs = {"prompt": PROMPTS, "max_new_tokens": np.full(4, 40, "int32"), **SETTINGS, "stop": STOPS, **changes}
    return "generate", inputs


def test_forward_and_step_compute_what_keras_does(run, expected):
    expected = np.load(expected)
    names = [name for name in expected if name.startswith("state_")]
    ids, states = expected["token_ids"], {name: expected[name] for name in names}
    forward, served, first, second = run(
        ("forward", {"token_ids": ids}),
        ("step", {"token_ids": ids, **{name: np.zeros_like(state) for name, state in states.items()}}),
        ("step", {"token_ids": ids[:, :10], **{name: np.zeros_like(state) for name, state in states.items()}}),
        ("step", {"token_ids": ids[:, 10:], **states}),
    )
    np.testing.assert_allclose(forward["logits"], expected["forward"], atol=1e-5)
    np.testing.assert_allclose(served["logits"], expected["forward"], atol=1e-5)
    np.testing.assert_allclose(first["logits"], expected["first"], atol=1e-5)
    np.testing.assert_allclose(second["logits"], expected["second"], atol=1e-5)
    for name in names:
        np.testing.assert_allclose(first[f"next_{name}"], expected[name], atol=1e-5)
        np.testing.assert_allclose(second[f"next_{name}"], expected[f"next_{name}"], atol=1e-5)


def test_generate_writes_what_the_model_does(run, model):
    name, inputs = generate()
    texts = model.generate(PROMPTS, max_new_tokens=40, **SETTINGS, stop=STOPS)
    for outputs in run((name, inputs), ("serving_default", inputs)):
        assert outputs["text"] == texts
        assert outputs["num_tokens"].dtype == np.int32
        assert outputs["log_likelihood"].shape == (4,)


def test_a_row_is_what_it_is_without_the_rows_beside_it(run):
    name, inputs = generate()
    rows = [{key: value[i : i + 1] for key, value in inputs.items()} for i in range(4)]
    together, *alone = run((name, inputs), *((name, row) for row in rows))
    assert [outputs["text"] for outputs in alone] == [[text] for text in together["text"]]


def test_score_counts_what_the_model_does(run, model):
    (outputs,) = run(("score", {"text": PROMPTS}))
    log_likelihood, num_tokens = model.score(PROMPTS)
    np.testing.assert_allclose(outputs["log_likelihood"], log_likelihood, rtol=1e-5)
    np.testing.assert_array_equal(outputs["num_tokens"], num_tokens)


def test_an_empty_batch_is_an_empty_answer(run):
    name, inputs = generate()
    outputs, scores = run((name, {key: value[:0] for key, value in inputs.items()}), ("score", {"text": []}))
    assert outputs["text"] == []
    assert scores["num_tokens"].shape == (0,)


def test_what_does_not_fit_is_rejected(run):
    # A session keeps working after a failed call: the last one is right.
    errors = run(
        ("forward", {"token_ids": np.zeros((1, 3), "int64")}),
        generate(seed=np.zeros(4, "int32")),
        generate(prompt=np.zeros(4, "float32")),
        generate(max_new_tokens=np.array([5, 0, 5, 5], "int32")),
        generate(top_p=np.array([1, 1, 0, 1], "float32")),
        generate(stop=[""]),
        generate(),
    )
    assert all(isinstance(error, str) for error in errors[:-1]), errors
    for error, words in zip(errors, ["int64", "int32", "float", "max_new_tokens", "top_p", "stop: expected one for each prompt"]):
        assert words in error
    assert len(errors[-1]["text"]) == 4
