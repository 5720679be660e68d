import numpy as np
import pytest

from kerasrnn._backend import tf
from kerasrnn.tokenizers import CharTokenizer
from kerasrnn.tokenizers.token_ids import as_token_ids

TOKENIZER = CharTokenizer(["\ufffd", "\n", "a"])


@pytest.mark.parametrize(
    "text",
    ["a?a\n", [2, 0, 2, 1], np.array([2, 0, 2, 1], "uint8"), tf.constant([2, 0, 2, 1], tf.int64)],
    ids=["text", "list", "array", "tensor"],
)
def test_text_and_token_ids_are_the_same(text):
    token_ids = as_token_ids(text, TOKENIZER)
    assert token_ids.dtype == np.int32
    np.testing.assert_array_equal(token_ids, [2, 0, 2, 1])


def test_empty_texts():
    assert as_token_ids("", TOKENIZER).tolist() == as_token_ids([], None).tolist() == []


@pytest.mark.parametrize(
    "text, tokenizer, error, message",
    [
        ("a", None, TypeError, "needs a tokenizer"),
        (["a", "b"], TOKENIZER, TypeError, "integers of shape"),
        (np.zeros((2, 50), int), None, TypeError, r"\(2, 50\)"),
        (np.zeros(100), None, TypeError, "float64"),
        ([0, 1, -1, 3], TOKENIZER, ValueError, r"\[0, 3\).* has -1 at position 2"),
        ([0, 1, 3, -1], TOKENIZER, ValueError, r"\[0, 3\).* has 3 at position 2"),
        ([0, 2**31], None, ValueError, "position 1"),
    ],
)
def test_bad_texts(text, tokenizer, error, message):
    with pytest.raises(error, match=message):
        as_token_ids(text, tokenizer)
