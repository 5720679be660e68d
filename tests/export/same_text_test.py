"""The same text everywhere: 50 prompts × 7 settings × 200 tokens, each place where two runtimes part explained and counted."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from kerasrnn.export.runtime import load
from kerasrnn.export.writers._plain_tensorflow import plain_tensorflow
from kerasrnn.export.writers._signatures import in_python
from kerasrnn.export.writers._texts import compare, request

NEW_TOKENS = 200
SETTINGS = [
    {"temperature": 0.0}, {"temperature": 0.8}, {"top_k": 5}, {"top_p": 0.9}, {"min_p": 0.05}, {"repetition_penalty": 1.2},
    {"stop": " the"},
]  # fmt: skip
JAVASCRIPT = Path(__file__).parents[2] / "examples/clients/javascript"


@pytest.fixture(scope="module")
def inputs():
    random = np.random.default_rng(0)
    text = "the cat sat on the mat; the dog lay by the log. “Well — so!” " * 4
    cuts = [sorted(random.integers(0, len(text), 2)) for _ in range(47)]
    return request(["", "Ω未知", "q", *(text[a:b] for a, b in cuts)], SETTINGS, NEW_TOKENS)


@pytest.fixture(scope="module")
def expected(model, inputs):
    """The trainer's text, of each prompt and settings by themselves."""
    return [
        model.generate(
            **{n: v[row].item() if n not in ("prompt", "stop") else v[row] for n, v in inputs.items()}
        ) for row in range(len(inputs["prompt"]))
    ]  # fmt: skip


@pytest.fixture(scope="module")
def judge(model, inputs, expected, onnx_folder):
    tokenizer = load(onnx_folder).tokenizer

    def logits_of(token_ids):
        return model(token_ids[None]).numpy()[0, -1]

    def same(runtime, received):
        found = compare(inputs, expected, received, logits_of, tokenizer)
        print(f"{runtime}: {len(found.equal)} of {len(expected)} texts equal, {len(found.at_boundary)} part at a boundary")
        assert not found.unexplained, f"{runtime}: {found.unexplained}"
        assert len(found.at_boundary) <= len(expected) // 50, found.at_boundary  # more would be no rounding

    assert len(set(expected)) > 200 and sum(len(t) for t in expected) > 50_000
    return same


def test_saved_model_in_plain_tensorflow(judge, inputs, saved_model_folder):
    with plain_tensorflow(saved_model_folder) as process:
        judge("SavedModel", in_python(process.call("generate", inputs)["text"]))


def test_runtime_by_graph_and_by_steps(judge, inputs, onnx_folder):
    settings = {name: values.tolist() for name, values in inputs.items() if name not in ("prompt", "max_new_tokens")}
    session = load(onnx_folder)
    judge("generate.onnx", session.generate(inputs["prompt"].tolist(), NEW_TOKENS, **settings))
    session.manifest["signatures"].pop("generate")
    judge("step.onnx", session.generate(inputs["prompt"].tolist(), NEW_TOKENS, **settings))


def test_streams(judge, inputs, onnx_folder):
    session = load(onnx_folder)
    rows = [{n: v[row] if n in ("prompt", "stop") else v[row].item() for n, v in inputs.items()} for row in range(len(inputs["prompt"]))]
    judge("streams", ["".join(session.stream(**row)) for row in rows])
