"""A model of sentences ends its sentences: the same texts in TensorFlow, beam search, streams, the runtime, ONNX, a SavedModel
and JavaScript; the padding is hidden from states, loss and metrics, and never drawn."""

import json
import math
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import kerasrnn
from kerasrnn._backend import keras, tf
from kerasrnn._text_quality import evaluate_text
from kerasrnn.cells import GRUCell, LSTMCell
from kerasrnn.data import bucketed_documents, document_streams
from kerasrnn.export.runtime import load
from kerasrnn.models import FeedForwardLanguageModel, LanguageModel
from kerasrnn.ngram import ArpaModel, KneserNeyModel
from kerasrnn.tokenizers import ByteTokenizer, CharTokenizer, SubwordTokenizer, WordTokenizer

SENTENCES = ["i know .", "you know it .", "we go home .", "i go ."]
SPECIAL = {"end_token": "</s>", "padding_token": "<pad>"}
TOKENIZERS = {
    "bytes": lambda: ByteTokenizer(**SPECIAL),
    "characters": lambda: CharTokenizer(**SPECIAL),
    "words": lambda: WordTokenizer(**SPECIAL),
    "pieces": lambda: SubwordTokenizer(vocabulary_size=290, **SPECIAL),
}
JAVASCRIPT = Path(__file__).parents[2] / "examples" / "clients" / "javascript"


@pytest.fixture(
    scope="module", params=[pytest.param(name, marks=[] if name == "words" else pytest.mark.slow) for name in TOKENIZERS]
)
def model(request):
    keras.utils.set_random_seed(1)
    tokenizer = TOKENIZERS[request.param]()
    tokenizer.adapt(SENTENCES)
    start = tokenizer.start_token_id
    data = bucketed_documents(SENTENCES * 8, tokenizer, batch_size=8, bucket_boundaries=[99], start_token_id=start)
    model = LanguageModel(GRUCell(32), tokenizer)
    model.compile(keras.optimizers.Adam(0.02))
    model.fit(data, epochs=40, verbose=0)
    return model


def test_generation_ends_where_a_sentence_does(model):
    texts = model.generate([""] * 30, 60, seed=list(range(30)))
    assert all(text.endswith(".") for text in texts), texts
    if isinstance(model.tokenizer, WordTokenizer):
        assert sum(text in SENTENCES for text in texts) >= 27 and {*texts} >= {*SENTENCES}, texts
    found = model.generate([""] * 30, 60, seed=list(range(30)), return_log_probabilities=True)
    assert all(len(f.token_ids) < 60 and model.tokenizer.end_token_id not in f.token_ids for f in found)
    assert [f.text for f in found] == texts
    assert ["".join(model.generate("", 60, seed=seed, stream=True)) for seed in range(8)] == texts[:8]


def test_a_row_does_not_wait_and_none_changes_another(model):
    alone = [model.generate(prompt, 60, seed=3) for prompt in ("i ", "we go", "")]
    assert model.generate(["i ", "we go", ""], 60, seed=3) == alone


def test_beams_end_too(model):
    best = model.generate("", 60, sampler=kerasrnn.samplers.BeamSearch(4), num_samples=4, return_log_probabilities=True)
    assert all(found.text.endswith(".") for found in best)
    if isinstance(model.tokenizer, WordTokenizer):
        assert {found.text for found in best} == {*SENTENCES}
    for found in best:
        assert len(found.token_ids) == len(model.tokenizer.tokenize(found.text))
        # The score holds the end token's probability, as that of a whole text does.
        np.testing.assert_allclose(found.score, model.score(found.text)[0], atol=1e-3)


def test_a_score_is_of_a_text_that_ends(model):
    total, count = model.score(SENTENCES)
    assert count.tolist() == [len(ids) + 1 for ids in model.tokenizer.tokenize(SENTENCES)]
    assert np.exp(total).sum() <= 1 and model.score("i know")[0] < total[0] - 1
    assert evaluate_text(model, SENTENCES).tokens == count.sum()
    cache = kerasrnn.training.ContinuousCache(share=0.0)
    cached = evaluate_text(model, SENTENCES, cache=cache)
    np.testing.assert_allclose(cached.log_likelihood, total.sum(), rtol=1e-4)
    assert cached.tokens == count.sum()


def test_everywhere_the_same(model, tmp_path):
    settings = [{}, {"temperature": 0}, {"top_k": 3}, {"repetition_penalty": 1.2}, {"stop": "o"}, {"temperature": 1.5}]
    requests = [{"prompt": prompt, "max_new_tokens": 40, "seed": 5, **s} for s in settings for prompt in ("", "i ", "we")]
    expected = [model.generate(**request) for request in requests]
    assert len({*expected}) > 5
    folder = model.export(tmp_path / "onnx", format="onnx")
    session = load(folder)
    has_graph = "generate" in session.manifest["signatures"]
    assert has_graph == (not isinstance(model.tokenizer, SubwordTokenizer))
    assert session.manifest["tokenizer"]["version"] == 2
    assert [session.generate(**request) for request in requests] == expected
    assert ["".join(session.stream(**request)) for request in requests] == expected
    scores = model.score([*SENTENCES, ""])
    for mine, its in zip(scores, session.score([*SENTENCES, ""])):
        np.testing.assert_allclose(its, mine, rtol=1e-4)
    if has_graph:
        found = session._run("score", {"text": np.array([*SENTENCES, ""], object)})
        np.testing.assert_allclose(found["log_likelihood"], scores[0], rtol=1e-4)
        assert found["num_tokens"].tolist() == scores[1].tolist()
    session.manifest["signatures"].pop("generate", None)
    assert [session.generate(**request) for request in requests] == expected
    served = tf.saved_model.load(str(Path(model.export(tmp_path / "serving")))).signatures["generate"]
    defaults = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0, "repetition_penalty": 1.0, "stop": ""}
    rows = [{**defaults, **request} for request in requests]
    dtypes = {name: spec.dtype for name, spec in served.structured_input_signature[1].items()}
    outputs = served(**{name: tf.constant([row[name] for row in rows], dtype) for name, dtype in dtypes.items()})
    assert [text.decode() for text in outputs["text"].numpy()] == expected
    if not has_graph or shutil.which("node") is None or not (JAVASCRIPT / "node_modules").is_dir():
        return
    program = f"""
import {{ readFile }} from "node:fs/promises";
import * as ort from "onnxruntime-node";
import * as client from "./language_model.mjs";
const model = await client.LanguageModel.load(ort, (name) => readFile({json.dumps(str(folder))} + "/" + name));
const texts = [[], []];
const canGenerate = model.tokenizer.vocabulary[0] !== "\\0";
for (const {{ prompt, ...settings }} of {json.dumps(requests)}) {{
  if (canGenerate) texts[0].push((await model.generate(prompt, settings)).text);
  let streamed = "";
  for await (const piece of model.stream(prompt, settings)) streamed += piece;
  texts[1].push(streamed);
}}
process.stdout.write(JSON.stringify(texts));
"""
    command = ["node", "--input-type=module"]
    done = subprocess.run(command, input=program, cwd=JAVASCRIPT, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    generated, streamed = json.loads(done.stdout)
    assert streamed == expected and generated in (expected, [])


def test_save_and_load(model, tmp_path):
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert again.tokenizer.specification() == model.tokenizer.specification()
    assert again.generate("", 40, seed=4) == model.generate("", 40, seed=4)


WORDS = ["<pad>", "<unk>", "<s>", "</s>", "a", "b", "c"]


def test_documents_get_their_end_token():
    tokenizer = WordTokenizer(WORDS, **SPECIAL)
    documents = ["a b", "c"]
    cases = {
        None: ([[4, 5], [6, 0]], [[5, 3], [3, 0]]),
        tokenizer.start_token_id: ([[2, 4, 5], [2, 6, 0]], [[4, 5, 3], [6, 3, 0]]),
    }
    for start, (inputs, targets) in cases.items():
        (batch,) = bucketed_documents(documents, tokenizer, 2, bucket_boundaries=[9], shuffle=False, start_token_id=start)
        assert batch[0].numpy().tolist() == inputs and batch[1].numpy().tolist() == targets
        np.testing.assert_array_equal(batch[2].numpy(), np.not_equal(targets, 0))
    (batch,) = bucketed_documents(["a b"], tokenizer, shuffle=False, start_token_id=2, right_to_left=True)
    assert batch[0].numpy().tolist() == [[2, 5, 4]] and batch[1].numpy().tolist() == [[5, 4, 3]]
    (batch,) = document_streams(documents, tokenizer, 1, 8, shuffle=False, start_token_id=2)
    assert batch[0]["token_ids"].numpy().tolist() == [[2, 4, 5, 2, 6, 0, 0, 0]]
    assert batch[1].numpy().tolist() == [[4, 5, 3, 6, 3, 0, 0, 0]]


def test_bytes_are_filled_up_with_their_padding():
    tokenizer = ByteTokenizer(**SPECIAL)
    (batch,) = bucketed_documents(["ab", "a"], tokenizer, 2, bucket_boundaries=[9], shuffle=False, start_token_id=10)
    assert batch[1].numpy().tolist() == [[97, 98, 257], [97, 257, 258]]
    batches = [*document_streams(["ab", "a"], tokenizer, 1, 4, shuffle=False, start_token_id=10, align=True)]
    assert [b[1].numpy()[0].tolist() for b in batches] == [[97, 98, 257, 258], [97, 257, 258, 258]]


@pytest.mark.parametrize("make", [
    lambda t: LanguageModel([LSTMCell(8), GRUCell(8)], t), lambda t: LanguageModel(GRUCell(8), t, sampled_softmax=5),
    lambda t: FeedForwardLanguageModel(3, 8, t),
], ids=["recurrent", "sampled", "feed-forward"])  # fmt: skip
def test_padding_does_not_count(make):
    tokenizer = WordTokenizer(WORDS, **SPECIAL)
    model = make(tokenizer)
    model.compile(keras.optimizers.SGD(0.0))
    x, y = np.array([[2, 4, 5]], "int32"), np.array([[4, 5, 3]], "int32")
    padded = [np.pad(ids, [(0, 0), (0, 4)]) for ids in (x, y)]
    shifted = np.array([[2, 4, 5, 3, 0]], "int32"), np.array([[4, 5, 3, 0, 0]], "int32")  # one row, cut at both ends
    loss, perplexity = model.evaluate(x, y, verbose=0)
    for inputs, targets in (padded, shifted):
        np.testing.assert_allclose(model.evaluate(inputs, targets, verbose=0), [loss, perplexity], rtol=1e-5)
    assert math.isclose(perplexity, math.exp(loss), rel_tol=1e-4)
    model.fit(*padded, verbose=0)
    if isinstance(model, FeedForwardLanguageModel):
        return  # whose state is its last inputs
    _, states = model(x, return_state=True)
    _, after = model(padded[0], return_state=True)
    for one, other in zip(states, after):
        np.testing.assert_allclose(one, other, atol=1e-6)


@pytest.mark.slow
def test_a_feed_forward_model_is_exported_too(tmp_path):
    model = FeedForwardLanguageModel(4, 8, WordTokenizer(WORDS, **SPECIAL))
    session = load(model.export(tmp_path / "onnx", format="onnx"))
    assert session.generate(["", "a"], 20, seed=1) == model.generate(["", "a"], 20, seed=1)


def test_padding_is_never_drawn():
    tokenizer = WordTokenizer(WORDS, **SPECIAL)
    model = LanguageModel(GRUCell(4), tokenizer)
    model.output_layer.bias.assign([50.0, 40.0, 40.0, 0.0, 1.0, 1.0, 1.0])
    texts = model.generate([""] * 20, 20, seed=list(range(20)))
    assert {word for text in texts for word in text.split()} == {*"abc"} and len({len(text) for text in texts}) > 5


def test_count_based_models_end_too(tmp_path):
    tokenizer = WordTokenizer(**SPECIAL)
    tokenizer.adapt(SENTENCES)
    bigrams = KneserNeyModel(3, tokenizer).fit(SENTENCES * 4)
    texts = [bigrams.generate("", 60, seed=seed) for seed in range(20)]
    assert {*texts} >= {"i know .", "we go home ."} and max(map(len, texts)) < 60
    assert bigrams.score("i know .")[1] == 4
    assert "</s>" not in bigrams.most_likely(6)[0]
    bigrams.write_arpa(tmp_path / "model.arpa")
    assert "\t</s>" in (tmp_path / "model.arpa").read_text()
    read = ArpaModel(tmp_path / "model.arpa", tokenizer)
    np.testing.assert_allclose(read.score(SENTENCES)[0], bigrams.score(SENTENCES)[0], rtol=1e-5)
