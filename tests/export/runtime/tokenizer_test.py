import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kerasrnn import tokenizers
from kerasrnn.export.runtime.tokenizer import CharTokenizer, tokenizer_from_specification

VOCABULARY = ["\ufffd", "b", "\n", "a", "\0", "\r", "e", "\u0301", "é", "ש", "😀", "\ufeff", "\uffff", "\U0010ffff"]
TENSORFLOW = tokenizers.CharTokenizer(VOCABULARY)
RUNTIME = tokenizer_from_specification(TENSORFLOW.specification())

texts = st.text() | st.text(alphabet=VOCABULARY)
# Random bytes are hardly ever the beginning of a character; these often are.
pieces = st.sampled_from([bytes([value]) for value in b"a\x00\x80\x90\xa0\xbf\xc0\xc3\xe0\xe2\xed\xf0\xf4\xf8\xff"])
damaged = st.binary() | st.lists(pieces).map(b"".join)


@given(texts | damaged)
@example("")
@example("\0\r\n\ufeff😀e\u0301שלום\ufffe\uffff\U0010ffff")
@example(b"\xef\xbb\xbf\xed\xa0\x80\xf0\x9f\x98")
@settings(deadline=None, max_examples=300)
def test_computes_what_tensorflow_computes(text):
    expected = TENSORFLOW.tokenize(text).numpy()
    token_ids = RUNTIME.tokenize(text)
    assert token_ids.dtype == expected.dtype
    np.testing.assert_array_equal(token_ids, expected)
    assert RUNTIME.detokenize(token_ids).encode() == TENSORFLOW.detokenize(expected).numpy()


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
        ({"version": 2}, "version 1, but has 2.*upgrade"),
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
