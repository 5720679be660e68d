import json
import math
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasrnn._backend import keras
from kerasrnn.cells import GRUCell, LSTMCell
from kerasrnn.export.runtime.tokenizer import tokenizer_from_specification as runtime_tokenizer
from kerasrnn.models import LanguageModel
from kerasrnn.ngram import KneserNeyModel, MarkovModel
from kerasrnn.tokenizers import ByteTokenizer, CharTokenizer, WordTokenizer
from kerasrnn.tokenizers.patterns import WORDS_AND_SPACES
from kerasrnn.training import ContinuousCache, TextQuality, evaluate_text

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


@pytest.mark.parametrize(
    ("tokenizer", "adapted", "text", "kept"),
    [
        (CharTokenizer(), TEXT, TEXT, True),
        (CharTokenizer(), "abc", "abZ", True),  # an unknown token for one character: the share tells
        (CharTokenizer(standardize="letters"), TEXT, TEXT, False),
        (CharTokenizer(lowercase=True), TEXT, TEXT, False),
        (CharTokenizer(normalization="NFC"), "e\u0301a", "e\u0301a", False),
        (ByteTokenizer(), TEXT, TEXT, True),
        (WordTokenizer(), TEXT, TEXT, False),
        (WordTokenizer(pattern=WORDS_AND_SPACES, separator=""), TEXT, TEXT, True),
        (WordTokenizer(pattern=WORDS_AND_SPACES, separator=""), TEXT, TEXT + "zzzzzzzz", False),  # one token for all of them
    ],
    ids=["char", "char unknown", "letters", "lowercase", "NFC", "byte", "word", "word and space", "word unknown"],
)
def test_bits_per_character_are_none_where_tokens_lose_text(tokenizer, adapted, text, kept):
    if not isinstance(tokenizer, ByteTokenizer):
        tokenizer.adapt(adapted)
    model = MarkovModel(1, tokenizer=tokenizer).fit(adapted)
    counterpart = SimpleNamespace(score=model.score, tokenizer=runtime_tokenizer(tokenizer.specification()))
    for quality in (evaluate_text(model, text), evaluate_text(counterpart, [text])):
        assert quality.keeps_text is kept
        assert (quality.bits_per_character is not None) == (quality.bits_per_byte is not None) == kept
        assert (quality.figures()["bits_per_character"] is not None) == kept
        assert quality.bits_per_token > 0
    assert (model.bits_per_character(text) is not None) == (model.bits_per_byte(text) is not None) == kept


@pytest.mark.parametrize("name", ["neural", "session", "counted", "cached"])
def test_perplexity_by_position_sums_each_tokens_probability(name, neural, request):
    cache = ContinuousCache(share=0.1) if name == "cached" else None
    model = neural if name == "cached" else request.getfixturevalue(name)
    documents = [TEXT, "", TEXT[:20]]
    quality = evaluate_text(model, documents, cache=cache)
    assert [(band.begin, band.end) for band in quality.by_position] == [(0, 16), (16, 32), (32, 64), (64, 128), (128, 256)]
    assert [band.tokens for band in quality.by_position] == [32, 20, 32, 64, len(TEXT) - 128]
    assert sum(band.log_likelihood for band in quality.by_position) == pytest.approx(quality.log_likelihood)
    beginning = evaluate_text(model, [TEXT[:16], TEXT[:16]], cache=cache)
    assert quality.by_position[0].perplexity == pytest.approx(beginning.perplexity, rel=1e-5)
    assert quality.figures()["by_position"][1]["tokens"] == 20


def test_each_tokens_probability_does_not_depend_on_windows_and_rows(neural, session):
    for model, options in ((neural, {"num_steps": 3}), (session, {})):
        first, second = model.token_log_probabilities(["aw", TEXT], **options)
        assert first.shape == (2,) and second.shape == (len(TEXT),)
        np.testing.assert_allclose(second, model.token_log_probabilities(TEXT), rtol=1e-4, atol=1e-5)
        assert second.sum() == pytest.approx(model.score(TEXT)[0], rel=1e-6)
