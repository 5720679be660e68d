import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kerasrnn import tokenizers
from kerasrnn.export.runtime.tokenizer import CharTokenizer, tokenizer_from_specification
from kerasrnn.tokenizers import patterns

VOCABULARY = ["\ufffd", "b", "\n", "a", "\0", "\r", "e", "\u0301", "é", "ש", "😀", "\ufeff", "\uffff", "\U0010ffff"]
WORDS = ["<unk>", "<s>", "b", "\n", "a", "\0", "é😀", "ש", "\ufeff", "\U0010ffff", "\ufffd", " a", "i", "σ"]
TENSORFLOW = tokenizers.CharTokenizer(VOCABULARY)
RUNTIME = tokenizer_from_specification(TENSORFLOW.specification())
OPTIONS = {
    "bytes": tokenizers.ByteTokenizer(),
    "characters": TENSORFLOW,
    "lower case": tokenizers.CharTokenizer(VOCABULARY, lowercase=True),
    "letters": tokenizers.CharTokenizer(["\ufffd", " ", "a", "c"], standardize="letters"),
    "words": tokenizers.WordTokenizer(WORDS),
    "words and spaces": tokenizers.WordTokenizer(WORDS, pattern=patterns.WORDS_AND_SPACES, separator=""),
    "lower-case words": tokenizers.WordTokenizer(WORDS, pattern=r"\w+|[^\w\s]", lowercase=True, separator="—"),
}

texts = st.text() | st.text(alphabet=VOCABULARY)
# Random bytes are hardly ever the beginning of a character; these often are.
pieces = st.sampled_from([bytes([value]) for value in b"a\x00\x80\x90\xa0\xbf\xc0\xc3\xe0\xe2\xed\xf0\xf4\xf8\xff"])
damaged = st.binary() | st.lists(pieces).map(b"".join)


@pytest.mark.parametrize("name", OPTIONS)
@given(texts | damaged)
@example("")
@example("\0\r\n\ufeff😀e\u0301שלום\ufffe\uffff\U0010ffff")
@example("ÉΣİẞſǅ A\u00a0a\x85a\x1ca\u2028a\u200da\v\f.'_—")
@example(b"\xef\xbb\xbf\xed\xa0\x80\xf0\x9f\x98")
@settings(deadline=None, max_examples=100)
def test_computes_what_tensorflow_computes(name, text):
    tensorflow, runtime = OPTIONS[name], tokenizer_from_specification(OPTIONS[name].specification())
    expected = tensorflow.tokenize(text).numpy()
    token_ids = runtime.tokenize(text)
    assert token_ids.dtype == expected.dtype
    np.testing.assert_array_equal(token_ids, expected)
    again = tensorflow.detokenize(expected).numpy()
    assert runtime.detokenize(token_ids) == again.decode("utf-8", "replace")
    assert len(tensorflow.offsets(text)) == len(token_ids)
    if name == "bytes":
        assert runtime.detokenize_bytes(token_ids) == again == (text if isinstance(text, bytes) else text.encode())


def test_bytes_write_the_unknown_token_as_tensorflow_does():
    runtime = tokenizer_from_specification(OPTIONS["bytes"].specification())
    token_ids = [256, 97, 256, 256, 195]
    assert runtime.detokenize_bytes(token_ids) == OPTIONS["bytes"].detokenize(token_ids).numpy()


def test_special_tokens():
    assert (RUNTIME.vocabulary_size, RUNTIME.unknown_token_id, RUNTIME.start_token_id) == (14, 0, 2)


@pytest.mark.parametrize("tokenize", [TENSORFLOW.tokenize, RUNTIME.tokenize])
def test_a_lone_surrogate_is_the_same_error_in_both(tokenize):
    with pytest.raises(ValueError, match=r"lone surrogate '\\udc80' at position 2"):
        tokenize("ab\udc80")


def test_detokenize_takes_any_integers():
    for token_ids in ([3, 1], np.array([3, 1], "uint8"), (np.int64(3), 1)):
        assert RUNTIME.detokenize(token_ids) == "ab"
    assert RUNTIME.detokenize([]) == ""


@pytest.mark.parametrize(
    "token_ids, error, message",
    [
        ([1, -1], ValueError, r"\[0, 14\).*-1"),
        ([14], ValueError, r"\[0, 14\).*14"),
        ([[1]], ValueError, r"shape \(length,\)"),
        ([1.0], TypeError, "integers"),
    ],
)
def test_detokenize_refuses_what_are_not_ids(token_ids, error, message):
    with pytest.raises(error, match=message):
        RUNTIME.detokenize(token_ids)


def test_tokenize_refuses_what_is_not_text():
    with pytest.raises(TypeError, match="text must be a string or bytes"):
        RUNTIME.tokenize(["a"])


@pytest.mark.parametrize(
    "change, message",
    [
        ({"class_name": "SyllableTokenizer"}, "'SyllableTokenizer'.*upgrade"),
        ({"version": 3}, "version 1 or 2, but has 3.*upgrade"),
        ({"vocabulary": ["\ufffd", "\n", "a", "a"]}, "repeats 'a'"),
        ({"vocabulary": ["\ufffd", "\n", "ab"]}, "'ab'"),
        ({"vocabulary": ["\ufffd", "\n", "\ud800"]}, "ud800"),
        ({"vocabulary": ["a", "\n"]}, "unknown token"),
        ({"vocabulary": None}, "unknown token"),
        ({"vocabulary": ["\ufffd", ["\n"]]}, r"\['\\n'\]"),
        ({"start_token": "z"}, "start token 'z'"),
    ],
)
def test_refuses_damaged_specifications(change, message):
    with pytest.raises(ValueError, match=message):
        tokenizer_from_specification({**TENSORFLOW.specification(), **change})


def test_names_missing_keys():
    with pytest.raises(ValueError, match="lacks start_token, vocabulary"):
        CharTokenizer({"class_name": "CharTokenizer", "version": 1, "unknown_token": "\ufffd"})


@pytest.mark.parametrize(
    "name, change, message",
    [
        ("bytes", {"vocabulary": ["a", "<unknown>"], "start_token": "a"}, "must be the 256 bytes"),
        ("words", {"pattern": "["}, "pattern must be a regular expression"),
        ("words", {"vocabulary": ["<unk>", "<s>", ""]}, "distinct strings.*''"),
        ("letters", {"standardize": "vowels"}, "standardize='vowels'.*[Uu]pgrade"),
        ("letters", {"vocabulary": ["\ufffd", "a"], "start_token": "a", "aliases": {}}, "must hold the space"),
    ],
)
def test_refuses_damaged_options(name, change, message):
    with pytest.raises(ValueError, match=message):
        tokenizer_from_specification({**OPTIONS[name].specification(), **change})
