import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kerasrnn._backend import keras, tf
from kerasrnn.tokenizers import ByteTokenizer

TOKENIZER = ByteTokenizer()


@given(st.lists(st.binary() | st.text().map(str.encode), max_size=4))
@example([])
@example([b"", b"\0", b"\xff\xfe", b"\r\n", "\ufeffe\u0301שלום👩‍👩‍👧".encode(), b""])
@settings(deadline=None, max_examples=100)
def test_round_trip_of_any_bytes(texts):
    token_ids = TOKENIZER.tokenize(texts)
    assert (token_ids.dtype, token_ids.row_splits.dtype) == (tf.int32, tf.int64)
    assert token_ids.to_list() == [list(text) for text in texts]
    assert TOKENIZER.detokenize(token_ids).numpy().tolist() == texts


def test_single_texts_and_graphs():
    assert TOKENIZER("né").numpy().tolist() == [110, 195, 169]
    assert TOKENIZER.detokenize([195, 169]).numpy().decode() == "é"
    lines = tf.data.Dataset.from_tensor_slices([b"a", b"", b"\xffb"])
    assert [ids.tolist() for ids in lines.map(TOKENIZER).as_numpy_iterator()] == [[97], [], [255, 98]]
    assert next(iter(lines.batch(3).map(TOKENIZER).map(TOKENIZER.detokenize))).numpy().tolist() == [b"a", b"", b"\xffb"]


def test_unknown_is_an_id_of_its_own_that_no_byte_has():
    assert (TOKENIZER.vocabulary_size(), TOKENIZER.unknown_token_id, TOKENIZER.start_token_id) == (257, 256, 10)
    assert [TOKENIZER.token_to_id(token) for token in TOKENIZER.get_vocabulary()] == list(range(257))
    assert TOKENIZER.detokenize([97, 256]).numpy().decode() == "a\ufffd"


def test_offsets_are_the_characters_that_bytes_belong_to():
    assert TOKENIZER.offsets("aé😀").tolist() == [[0, 1], [1, 2], [1, 2], *[[2, 3]] * 4]
    assert TOKENIZER.offsets(b"\xff\x80").tolist() == [[0, 1], [1, 2]]
    assert TOKENIZER.offsets("").shape == (0, 2)


def test_save_load_and_keras_serialisation(tmp_path):
    tokenizer = ByteTokenizer(start_token="<0xFF>")
    tokenizer.adapt("nothing to learn")
    tokenizer.save(tmp_path / "tokenizer.json")
    restored = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(tokenizer))
    for other in (ByteTokenizer.load(tmp_path / "tokenizer.json"), restored):
        assert other.start_token_id == 255
        assert other.specification() == tokenizer.specification()


def test_load_refuses_another_vocabulary(tmp_path):
    specification = {**TOKENIZER.specification(), "vocabulary": ["a"]}
    (tmp_path / "tokenizer.json").write_text(json.dumps(specification))
    with pytest.raises(ValueError, match="does not hold a ByteTokenizer.*256 bytes"):
        ByteTokenizer.load(tmp_path / "tokenizer.json")


@pytest.mark.parametrize("start_token", ["<unknown>", "é", "<0xff>", 10])
def test_a_start_token_that_is_no_byte(start_token):
    with pytest.raises(ValueError, match="start_token must"):
        ByteTokenizer(start_token)
