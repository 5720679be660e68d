"""The tokenizer in ONNX against the runtime's, over any text."""

import numpy as np
import onnxruntime
import pytest
import spox
import spox.opset.ai.onnx.v20 as op
from hypothesis import given, settings
from hypothesis import strategies as st

from kerasrnn.export.runtime.tokenizer import tokenizer_from_specification
from kerasrnn.export.writers._onnx_sampling import column, integer
from kerasrnn.export.writers._onnx_tokenizer import tokenizer_of

SPECIFICATION = {
    "class_name": "CharTokenizer", "version": 1, "vocabulary": ["\ufffd", "\n", "b", "a", "é", "\u0301", "😀", '"', " ", "\x00"],
    "start_token": "\n", "unknown_token": "\ufffd",
}  # fmt: skip
RUNTIME = tokenizer_from_specification(SPECIFICATION)


@pytest.fixture(scope="module")
def both_ways():
    tokenizer = tokenizer_of(SPECIFICATION)
    text = spox.argument(spox.Tensor(np.str_, ("batch",)))
    token_ids, lengths = tokenizer.tokenize(text)
    time = op.range(integer(0), op.squeeze(op.shape(token_ids, start=1), integer([0])), integer(1))
    again = tokenizer.detokenize(token_ids, op.less(time, column(lengths)))
    model = spox.build({"text": text}, {"token_ids": token_ids, "lengths": lengths, "again": again})
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return lambda texts: session.run(None, {"text": np.array(texts, object).reshape(-1)})


characters = st.one_of(st.sampled_from(SPECIFICATION["vocabulary"]), st.characters(exclude_categories=["Cs"]))


@settings(deadline=None, max_examples=200)
@given(st.lists(st.text(characters, max_size=20), max_size=5))
def test_token_ids_and_text_are_the_runtimes(both_ways, texts):
    token_ids, lengths, again = both_ways(texts)
    assert len(token_ids) == len(lengths) == len(again) == len(texts)
    for row, length, back, text in zip(token_ids, lengths, again, texts):
        expected = RUNTIME.tokenize(text)
        np.testing.assert_array_equal(row[:length], expected)
        assert not row[length:].any()
        assert back == RUNTIME.detokenize(expected)


@pytest.mark.parametrize("texts", [[], [""], ["", ""], ["a\x00b"], ["a" * 100_001, "b"]], ids=["none", "empty", "two", "NUL", "long"])
def test_edges(both_ways, texts):
    _, lengths, again = both_ways(texts)
    assert lengths.tolist() == [len(text) for text in texts]
    assert again.tolist() == texts


def test_another_tokenizer_is_refused():
    with pytest.raises(ValueError, match="expected a CharTokenizer.*received a WordTokenizer"):
        tokenizer_of({"class_name": "WordTokenizer"})
