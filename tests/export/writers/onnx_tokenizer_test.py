"""The tokenizer in ONNX against the runtime's, over any text."""

import functools

import numpy as np
import onnxruntime
import pytest
import spox
import spox.opset.ai.onnx.v20 as op
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kerasrnn.export.runtime.tokenizer import tokenizer_from_specification
from kerasrnn.export.writers._onnx_sampling import column, integer
from kerasrnn.export.writers._onnx_forms import tokenizer_of
from kerasrnn.tokenizers import ByteTokenizer
from kerasrnn.tokenizers.patterns import NON_SPACES, WORDS_AND_SPACES, WORDS_AND_SYMBOLS

VOCABULARY = ["\ufffd", "\n", "b", "a", "é", "\u0301", "😀", '"', " ", "\x00", "ß", "σ"]
CHARACTERS = {
    "class_name": "CharTokenizer", "version": 1, "vocabulary": VOCABULARY, "start_token": "\n", "unknown_token": "\ufffd",
}  # fmt: skip
WORDS = {
    "class_name": "WordTokenizer", "version": 1,
    "vocabulary": ["<unk>", "<s>", "a", "b", " a", " ", "é😀", ".", "\x00", "\ufffd"],
    "start_token": "<s>", "unknown_token": "<unk>", "pattern": WORDS_AND_SYMBOLS, "lowercase": False, "separator": " ",
}  # fmt: skip
SPECIFICATIONS = {
    "bytes": ByteTokenizer().specification(),
    "characters": CHARACTERS,
    "lower case": {**CHARACTERS, "aliases": {"A": "a", "É": "é", "Σ": "σ", "ẞ": "ß"}},
    "letters": {**CHARACTERS, "standardize": "letters", "aliases": {"A": "a", "B": "b"}},
    "words": WORDS,
    "words and spaces": {**WORDS, "pattern": WORDS_AND_SPACES, "separator": ""},
    "lower-case words": {**WORDS, "pattern": NON_SPACES, "lowercase": True, "separator": "—"},
}


@functools.cache
def session(name):
    tokenizer = tokenizer_of(SPECIFICATIONS[name])
    text = spox.argument(spox.Tensor(np.str_, ("batch",)))
    token_ids, lengths = tokenizer.tokenize(text)
    time = op.range(integer(0), op.squeeze(op.shape(token_ids, start=1), integer([0])), integer(1))
    again = tokenizer.detokenize(token_ids, op.less(time, column(lengths)))
    model = spox.build({"text": text}, {"token_ids": token_ids, "lengths": lengths, "again": again})
    return onnxruntime.InferenceSession(model.SerializeToString())


@pytest.fixture(params=SPECIFICATIONS, scope="module")
def both(request):
    """A tokenizer in ONNX, from texts to their token ids, lengths and texts again, and in the runtime."""

    def in_onnx(texts):
        return session(request.param).run(None, {"text": np.array(texts, object).reshape(-1)})

    return in_onnx, tokenizer_from_specification(SPECIFICATIONS[request.param])


characters = st.one_of(
    st.sampled_from([*VOCABULARY, *"AÉΣẞİſ.'\r\t\f\v\x85\x1c\u00a0\u2028\u200d\u3000\ufeff\uffff\U0010ffffש"]),
    st.characters(exclude_categories=["Cs"]),
)


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text(characters, max_size=20), max_size=5))
def test_token_ids_and_text_are_the_runtimes(both, texts):
    in_onnx, runtime = both
    token_ids, lengths, again = in_onnx(texts)
    assert len(token_ids) == len(lengths) == len(again) == len(texts)
    for row, length, back, text in zip(token_ids, lengths, again, texts):
        expected = runtime.tokenize(text)
        np.testing.assert_array_equal(row[:length], expected)
        assert (row[length:] == runtime.unknown_token_id).all()
        assert back == runtime.detokenize(expected)


TEXTS = [[], [""], ["", ""], ["a\x00b"], ["a" * 100_001, "b"], ["a b. " * 20_000, ""]]


@pytest.mark.parametrize("texts", TEXTS, ids=["none", "empty", "two", "NUL", "long", "many"])
def test_edges(both, texts):
    in_onnx, runtime = both
    token_ids, lengths, again = in_onnx(texts)
    found = [row[:length].tolist() for row, length in zip(token_ids, lengths)]
    assert found == [runtime.tokenize(text).tolist() for text in texts]
    assert again.tolist() == [runtime.detokenize(runtime.tokenize(text)) for text in texts]


def test_every_character_s_bytes():
    text = "".join(chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000)
    token_ids, lengths, (again,) = session("bytes").run(None, {"text": np.array([text], object)})
    assert token_ids[0].astype("uint8").tobytes() == text.encode() and lengths == [len(text.encode())]
    assert again == text


@functools.cache
def writer():
    token_ids = spox.argument(spox.Tensor(np.int64, ("batch", "time")))
    is_token = spox.argument(spox.Tensor(np.bool_, ("batch", "time")))
    text = op.reshape(tokenizer_of(SPECIFICATIONS["bytes"]).detokenize(token_ids, is_token), integer([-1]))
    model = spox.build({"token_ids": token_ids, "is_token": is_token}, {"text": text})
    return onnxruntime.InferenceSession(model.SerializeToString())


# Random bytes are hardly ever the beginning of a character; these often are.
beginnings = st.sampled_from(b"a\x00\x80\x90\xa0\xbf\xc0\xc2\xdf\xe0\xe2\x98\x83\xed\xf0\x9f\xf4\xff")


@settings(deadline=None, max_examples=150)
@given(st.lists(st.lists(beginnings | st.integers(0, 256), max_size=12), max_size=4))
def test_bytes_that_are_no_text_become_what_they_become_everywhere(rows):
    width = max(map(len, rows), default=0)
    is_token = np.arange(width) < np.array([len(row) for row in rows], np.int64).reshape(-1, 1)
    token_ids = np.full((len(rows), width), 0x80)  # what does not count would complete what does
    for padded, row in zip(token_ids, rows):
        padded[: len(row)] = row
    (found,) = writer().run(None, {"token_ids": token_ids, "is_token": is_token})
    runtime = tokenizer_from_specification(SPECIFICATIONS["bytes"])
    assert found.tolist() == [runtime.detokenize(row) for row in rows]


def test_what_has_no_onnx_form_is_refused():
    with pytest.raises(ValueError, match="a SubwordTokenizer has no ONNX form; ByteTokenizer, CharTokenizer, WordTok"):
        tokenizer_of({"class_name": "SubwordTokenizer"})
    with pytest.raises(ValueError, match="ONNX has no NFC; leave normalization out"):
        tokenizer_of({**CHARACTERS, "normalization": "NFC"})
