import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

pytest.importorskip("sentencepiece", reason="needs pip install 'kerasrnn[subword]'")
pytest.importorskip("tensorflow_text", reason="needs pip install 'kerasrnn[subword]'")

from kerasrnn import cells, export, models, tokenizers
from kerasrnn.export.runtime.tokenizer import tokenizer_from_specification

LINES = ["Call me Ishmael.", "the whale and the other whale", "é😀 é שלום", "<s> <unk>"] * 5


def pair(**options):
    tensorflow = tokenizers.SubwordTokenizer(**options)
    tensorflow.adapt(LINES)
    return tensorflow, tokenizer_from_specification(tensorflow.specification())


PAIRS = {
    "unigram": pair(vocabulary_size=320),
    "bpe": pair(vocabulary_size=320, model_type="bpe"),
    "without bytes": pair(vocabulary_size=60, byte_fallback=False),
    "normalized": pair(vocabulary_size=320, normalization="nmt_nfkc_cf"),
    "newline starts": pair(vocabulary_size=320, model_type="bpe", start_token="\n"),
}
texts = st.text() | st.text(alphabet="the whale\n\r\0\t\ufeff\u0301éש😀\ufffd\u2581\u2585ﬁÉ")
# Random bytes are hardly ever the beginning of a character; these often are.
pieces = st.sampled_from([bytes([value]) for value in b"a \x00\x80\x90\xa0\xbf\xc0\xc3\xe0\xe2\xed\xf0\xf4\xf8\xff"])
damaged = st.binary() | st.lists(pieces).map(b"".join)


@pytest.mark.parametrize("name", PAIRS)
@given(texts | damaged)
@example("")
@example("\0\r\n\ufeff😀e\u0301שלום\ufffe\uffff\U0010ffff <s><unk><0x41>▁ \u3000\x85\u2028")
@example(b"\xef\xbb\xbf\xed\xa0\x80\xf0\x9f\x98")
@settings(deadline=None, max_examples=60)
def test_computes_what_tensorflow_computes(name, text):
    tensorflow, runtime = PAIRS[name]
    expected, received = tensorflow.tokenize(text).numpy(), runtime.tokenize(text)
    assert received.dtype == expected.dtype
    np.testing.assert_array_equal(received, expected)
    assert runtime.detokenize(received) == tensorflow.detokenize(expected).numpy().decode()


@pytest.mark.parametrize("name", PAIRS)
@given(st.data())
@settings(deadline=None, max_examples=60)
def test_any_ids_become_the_same_text(name, data):
    tensorflow, runtime = PAIRS[name]
    few = st.integers(0, min(261, runtime.vocabulary_size - 1))  # mostly bytes, which need not be UTF-8
    token_ids = data.draw(st.lists(few | st.integers(0, runtime.vocabulary_size - 1)))
    assert runtime.detokenize(token_ids) == tensorflow.detokenize(np.array(token_ids, "int32")).numpy().decode()


@pytest.mark.parametrize("name", PAIRS)
def test_special_tokens_are_the_same(name):
    tensorflow, runtime = PAIRS[name]
    for attribute in ("unknown_token_id", "start_token_id"):
        assert getattr(runtime, attribute) == getattr(tensorflow, attribute)
    assert runtime.vocabulary_size == tensorflow.vocabulary_size()


@pytest.mark.parametrize(
    "change, message",
    [
        ({"version": 3}, "upgrade"),
        ({"model": None}, "lacks model"),
        ({"model": "?"}, "must be a SentencePiece model"),
        ({"model": "AAAA"}, "must be a SentencePiece model"),
        ({"vocabulary": ["<unk>", "<s>", "a"]}, "must be that of its model"),
        ({"unknown_token": "<s>"}, "must be that of its model"),
    ],
)
def test_refuses_damaged_specifications(change, message):
    with pytest.raises(ValueError, match=message):
        tokenizer_from_specification({**PAIRS["bpe"][0].specification(), **change})


@pytest.mark.slow
def test_an_exported_model_takes_strings_in_the_runtime(tmp_path):
    tensorflow, _ = PAIRS["bpe"]
    model = models.LanguageModel(cells=[cells.LSTMCell(8)], tokenizer=tensorflow)
    model.build((None, None))
    export.export_onnx(model, tmp_path / "onnx")
    session = export.runtime.load(tmp_path / "onnx")
    settings = {"max_new_tokens": 12, "temperature": 0.8, "seed": 7}
    assert session.generate("the whale 😀", **settings) == model.generate("the whale 😀", **settings)
    (received, count), (expected, expected_count) = session.score("the whale 😀"), model.score("the whale 😀")
    assert count == expected_count and received == pytest.approx(expected, rel=1e-5)
