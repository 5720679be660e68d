import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasrnn._backend import keras
from kerasrnn.cells import GRUCell, LSTMCell
from kerasrnn.models import LanguageModel
from kerasrnn.ngram import KneserNeyModel, MarkovModel
from kerasrnn.tokenizers import CharTokenizer
from kerasrnn.training import TextQuality, evaluate_text

TEXT = "Queequeg was a naïve harpooneer — “so!” " * 5
DOCUMENTS = ["a naïve", "", TEXT, "w", "—so?", TEXT[7:50]]


@pytest.fixture(scope="module")
def neural():
    keras.utils.set_random_seed(0)
    tokenizer = CharTokenizer()
    tokenizer.adapt(TEXT)
    model = LanguageModel([LSTMCell(7), GRUCell(6)], tokenizer=tokenizer)
    for weight in model.trainable_variables:  # so that what is carried from window to window makes a difference
        weight.assign(4 * weight)
    return model


@pytest.fixture(scope="module")
def session(neural, tmp_path_factory):
    from kerasrnn.export import runtime

    folder = tmp_path_factory.mktemp("evaluate") / "onnx"
    neural.export(folder, format="onnx", samples=TEXT * 4)
    return runtime.load(folder)


@pytest.fixture(scope="module")
def counted(neural):
    return KneserNeyModel(3, tokenizer=neural.tokenizer).fit(TEXT)


@pytest.mark.parametrize("text", [TEXT, DOCUMENTS], ids=["text", "documents"])
@pytest.mark.parametrize("name", ["neural", "session", "counted"])
def test_neither_batch_size_nor_num_steps_changes_the_result(name, text, request):
    model = request.getfixturevalue(name)
    whole = evaluate_text(model, text, batch_size=100, num_steps=10_000)
    for batch_size, num_steps in ((1, 1), (2, 7), (3, 64)):
        other = evaluate_text(model, text, batch_size, num_steps)
        assert other.log_likelihood == pytest.approx(whole.log_likelihood, rel=1e-5)
        assert (other.tokens, other.characters, other.bytes) == (whole.tokens, whole.characters, whole.bytes)
    joined = text if isinstance(text, str) else "".join(text)
    assert (whole.tokens, whole.characters, whole.bytes) == (len(joined), len(joined), len(joined.encode()))


def test_the_exported_model_has_the_same_quality(neural, session):
    ours, theirs = evaluate_text(neural, DOCUMENTS), evaluate_text(session, DOCUMENTS)
    assert theirs.log_likelihood == pytest.approx(ours.log_likelihood, rel=1e-5)
    assert theirs.tokens == ours.tokens


def test_the_neural_figures_are_those_of_one_long_pass(neural):
    ids = neural.tokenizer.tokenize(TEXT).numpy()
    logits = np.asarray(neural(np.append(neural.tokenizer.start_token_id, ids[:-1])[None]), "float64")[0]
    losses = np.log(np.exp(logits).sum(-1)) - logits[np.arange(len(ids)), ids]
    quality = evaluate_text(neural, TEXT, num_steps=16)
    assert quality.perplexity == pytest.approx(math.exp(losses.mean()), rel=1e-5)
    assert quality.bits_per_token == pytest.approx(losses.mean() / math.log(2), rel=1e-5)


def test_the_counted_figures_are_the_models_own(counted):
    quality = evaluate_text(counted, TEXT)
    assert quality.perplexity == pytest.approx(counted.perplexity(TEXT))
    assert quality.bits_per_token == pytest.approx(counted.bits_per_token(TEXT))
    assert quality.bits_per_character == pytest.approx(counted.bits_per_character(TEXT))
    assert quality.bits_per_byte == pytest.approx(counted.bits_per_byte(TEXT))
    assert quality.bits_per_byte < quality.bits_per_character


@given(st.lists(st.text("ab?é", max_size=9), min_size=1, max_size=9).filter(any), st.integers(1, 10))
@settings(deadline=None, max_examples=30)
def test_batches_of_a_stream_make_up_the_whole(documents, batch_size):
    model = MarkovModel(2, tokenizer=CharTokenizer(["\ufffd", "\n", "a", "b"])).fit("abba")
    quality = evaluate_text(model, iter(documents), batch_size)
    assert quality.log_likelihood == pytest.approx(sum(model.log_likelihood(document) for document in documents))
    assert quality.tokens == sum(map(len, documents))


def test_unknown_tokens_are_counted(neural, session, counted):
    text = TEXT + "ZZ€"
    for model in (neural, session, counted):
        quality = evaluate_text(model, [text, "Z"])
        assert quality.unknown_tokens == 4 and quality.unknown_share == pytest.approx(4 / (len(text) + 1))
        figures = quality.figures()
        assert figures["perplexity"] == quality.perplexity and figures["unknown_tokens"] == 4
        assert json.loads(json.dumps(figures, allow_nan=False)) == figures


def test_what_is_infinite_or_unknown_is_null_in_json():
    figures = TextQuality(-math.inf, 2, 2, 2).figures()
    assert figures["perplexity"] is figures["log_likelihood"] is figures["unknown_share"] is None and figures["tokens"] == 2


def test_the_impossible_has_no_finite_perplexity():
    assert TextQuality(-1e6, 2, 2, 2).perplexity == math.inf
    model = MarkovModel(2, 0.0, tokenizer=CharTokenizer(["\ufffd", "\n", "a"])).fit("aa")
    assert evaluate_text(model, "?").bits_per_byte == math.inf


def test_bad_arguments(counted):
    with pytest.raises(TypeError, match="model must have a score method, but is a Dense"):
        evaluate_text(keras.layers.Dense(2), TEXT)
    with pytest.raises(TypeError, match="text must be a string or strings, but holds .*, a bytes"):
        evaluate_text(counted, [b"abc"])
    for empty in ("", [], ["", ""]):
        with pytest.raises(ValueError, match="at least one token, but is empty"):
            evaluate_text(counted, empty)
    for arguments in ({"batch_size": 0}, {"num_steps": 0}, {"num_steps": True}, {"batch_size": 1.5}):
        with pytest.raises(ValueError, match=f"{next(iter(arguments))} must be an integer of at least 1"):
            evaluate_text(counted, TEXT, **arguments)
