"""The same text everywhere: 50 prompts × 7 settings × 200 tokens, and each place where two runtimes part explained."""

import json
import subprocess

import numpy as np
import pytest
from examples.clients.chromium import Chromium

from kerasrnn.export.runtime import load
from kerasrnn.export.writers._plain_tensorflow import plain_tensorflow
from kerasrnn.export.writers._signatures import in_python
from kerasrnn.export.writers._texts import compare, request

NEW_TOKENS = 200
SETTINGS = [
    {"temperature": 0.0}, {"temperature": 0.8}, {"top_k": 5}, {"top_p": 0.9}, {"min_p": 0.05}, {"repetition_penalty": 1.2},
    {"stop": " the"},
]  # fmt: skip
# The texts of all rows, one after the other, by generate.onnx and as streams.
JAVASCRIPT = """async (client, ort, read, rows) => {
  const model = await client.LanguageModel.load(ort, read);
  const texts = { generate: [], stream: [] };
  for (const { prompt, seed, ...others } of rows) {
    const settings = { ...others, seed: BigInt(seed) };
    texts.generate.push((await model.generate(prompt, settings)).text);
    let streamed = "";
    for await (const piece of model.stream(prompt, settings)) streamed += piece;
    texts.stream.push(streamed);
  }
  return texts;
}"""


@pytest.fixture(scope="module")
def inputs():
    random = np.random.default_rng(0)
    text = "the cat sat on the mat; the dog lay by the log. “Well — so!” " * 4
    cuts = [sorted(random.integers(0, len(text), 2)) for _ in range(47)]
    return request(["", "Ω未知", "q", *(text[a:b] for a, b in cuts)], SETTINGS, NEW_TOKENS)


@pytest.fixture(scope="module")
def rows(inputs):
    """Each prompt and its settings by themselves, as Python's own values."""
    return [dict(zip(inputs, values)) for values in zip(*(v.tolist() for v in inputs.values()))]


@pytest.fixture(scope="module")
def expected(model, rows):
    """The trainer's text."""
    return model.generate(**{name: [row[name] for row in rows] for name in rows[0]})


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


def test_streams(judge, rows, onnx_folder):
    session = load(onnx_folder)
    judge("streams", ["".join(session.stream(**row)) for row in rows])


def test_node(judge, rows, onnx_folder, javascript):
    program = f"""
import {{ readFile }} from "node:fs/promises";
import * as ort from "onnxruntime-node";
import * as client from "./language_model.mjs";
const read = (name) => readFile({json.dumps(str(onnx_folder))} + "/" + name);
process.stdout.write(JSON.stringify(await ({JAVASCRIPT})(client, ort, read, {json.dumps(rows)})));
"""
    command = ["node", "--input-type=module"]
    done = subprocess.run(command, input=program, cwd=javascript, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr
    for how, texts in json.loads(done.stdout).items():
        judge(f"Node, {how}", texts)


def test_browser(judge, rows, chromium, site, tmp_path):
    with Chromium(chromium, tmp_path) as page:
        page.open(f"{site}client/?model=/model/")
        page.wait_for("document.getElementById('write')?.disabled === false")  # onnxruntime-web does one thing at a time
        page.evaluate(f"""void (async () => {{
            const ort = await import("./node_modules/onnxruntime-web/dist/ort.wasm.bundle.min.mjs");
            const client = await import("./language_model.mjs");
            const read = async (name) => new Uint8Array(await (await fetch("/model/" + name)).arrayBuffer());
            window.texts = await ({JAVASCRIPT})(client, ort, read, {json.dumps(rows)});
        }})().catch((error) => (window.texts = {{ error: String(error) }}))""")
        page.wait_for("window.texts !== undefined", seconds=600)
        for how, texts in page.evaluate("texts").items():
            judge(f"browser, {how}", texts)
