import json

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kerasrnn._backend import keras, tf
from kerasrnn.tokenizers import CharTokenizer


@pytest.fixture
def tokenizer():
    return CharTokenizer(["\ufffd", "b", "\n", "a", "é", "😀"])


def test_vocabulary_is_unknown_token_then_characters_by_code_point():
    tokenizer = CharTokenizer()
    tokenizer.adapt("hello \ufffd 😀é")
    assert tokenizer.get_vocabulary() == ["\ufffd", "\n", " ", "e", "h", "l", "o", "é", "😀"]
    assert (tokenizer.unknown_token_id, tokenizer.start_token_id, tokenizer.vocabulary_size()) == (0, 1, 9)


def test_adapt_replaces_the_vocabulary():
    tokenizer = CharTokenizer(start_token="^")
    tokenizer.adapt("xyz")
    tokenizer.adapt("ab")
    assert tokenizer.get_vocabulary() == ["\ufffd", "^", "a", "b"]


@pytest.mark.parametrize(
    "data",
    [
        "cab",
        b"cab",
        ["c", "ab"],
        (line for line in ["ca", "b"]),
        [b"cab", b"\xff"],
        tf.constant(["ca", "b"]),
        tf.data.Dataset.from_tensor_slices(["c", "a", "b"]),
        tf.data.Dataset.from_tensor_slices(["c", "a", "b"]).batch(2),
        tf.data.Dataset.from_tensors(tf.ragged.constant([["c"], ["a", "b"]])),
    ],
    ids=["str", "bytes", "list", "generator", "list of bytes", "tensor", "dataset", "batched", "ragged"],
)
def test_adapt_takes_any_form_of_text(data):
    tokenizer = CharTokenizer()
    tokenizer.adapt(data)
    assert tokenizer.get_vocabulary() == ["\ufffd", "\n", "a", "b", "c"]


def test_unsorted_vocabulary_keeps_its_ids(tokenizer):
    np.testing.assert_array_equal(tokenizer.tokenize("a😀b\né?"), [3, 5, 1, 2, 4, 0])


def test_batches_are_ragged(tokenizer):
    token_ids = tokenizer(["ab", "", "?"])
    assert token_ids.dtype == tf.int32
    assert token_ids.to_list() == [[3, 1], [], [0]]
    assert tokenizer.tokenize([]).to_list() == []
    assert tokenizer.tokenize(np.array(["ab"])).to_list() == [[3, 1]]


def test_invalid_utf_8_is_unknown(tokenizer):
    np.testing.assert_array_equal(tokenizer.tokenize(b"a\xffb"), [3, 0, 1])


def test_tokenize_and_detokenize_in_a_pipeline(tokenizer):
    texts = ["ab", "", "é?\n"]
    lines = tf.data.Dataset.from_tensor_slices(texts)
    assert [ids.tolist() for ids in lines.map(tokenizer).as_numpy_iterator()] == [[3, 1], [], [4, 0, 2]]
    batch = next(iter(lines.batch(3).map(tokenizer)))
    assert batch.to_list() == [[3, 1], [], [4, 0, 2]]
    back = lines.map(tokenizer).map(tokenizer.detokenize).as_numpy_iterator()
    assert [text.decode() for text in back] == ["ab", "", "é\ufffd\n"]


def test_tokenize_survives_saving_as_a_graph(tokenizer, tmp_path):
    module = tf.Module()
    module.tokenize = tf.function(tokenizer.tokenize, input_signature=[tf.TensorSpec((), tf.string)])
    tf.saved_model.save(module, str(tmp_path))
    np.testing.assert_array_equal(tf.saved_model.load(str(tmp_path)).tokenize("ab?"), [3, 1, 0])


@pytest.mark.parametrize(
    "token_ids, text",
    [
        ([3, 0, 1], "a\ufffdb"),
        (np.array([3, 1], "uint8"), "ab"),
        (tf.constant([3, 1], tf.int64), "ab"),
        ([], ""),
        ([[3], [], [1, 5]], ["a", "", "b😀"]),
        (np.array([[3, 1], [1, 1]]), ["ab", "bb"]),
        (tf.ragged.constant([[3], [1, 1]]), ["a", "bb"]),
        ([[]], [""]),
    ],
)
def test_detokenize(tokenizer, token_ids, text):
    result = tokenizer.detokenize(token_ids).numpy()
    assert (result.decode() if isinstance(text, str) else [row.decode() for row in result]) == text


@pytest.mark.parametrize("bad", [-1, 6, 2**40])
def test_detokenize_names_the_id_outside_the_vocabulary(tokenizer, bad):
    with pytest.raises(ValueError, match=rf"\[0, 6\).* {bad}\."):
        tokenizer.detokenize([[1], [2, bad]])
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"\[0, 6\)"):
        tf.function(tokenizer.detokenize)(tf.constant([1, bad], tf.int64))


@given(st.lists(st.text(), max_size=4))
@example(["", "\0", "\r\n", "\ufeffx", "e\u0301", "שלום", "👩‍👩‍👧", "\ufffe\uffff\U0010ffff"])
@settings(deadline=None, max_examples=50)
def test_round_trip_of_adapted_text(texts):
    tokenizer = CharTokenizer()
    tokenizer.adapt(texts)
    decoded = tokenizer.detokenize(tokenizer.tokenize(texts)).numpy()
    assert [text.decode() for text in decoded] == texts
    assert tokenizer.tokenize(texts).to_list() == [tokenizer.tokenize(text).numpy().tolist() for text in texts]


def test_ids_and_tokens(tokenizer):
    assert [tokenizer.token_to_id(token) for token in tokenizer.get_vocabulary()] == list(range(6))
    assert [tokenizer.id_to_token(id) for id in range(6)] == tokenizer.get_vocabulary()
    assert tokenizer.token_to_id("z") == tokenizer.unknown_token_id
    with pytest.raises(ValueError, match=r"\[0, 6\).*6"):
        tokenizer.id_to_token(6)
    with pytest.raises(ValueError, match="token must be .* one character.*'ab'"):
        tokenizer.token_to_id("ab")


def test_get_vocabulary_is_a_copy(tokenizer):
    tokenizer.get_vocabulary().clear()
    assert tokenizer.vocabulary_size() == 6


def test_keras_serialization(tokenizer):
    for original in (tokenizer, CharTokenizer(start_token="^")):
        restored = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(original))
        assert isinstance(restored, CharTokenizer)
        assert restored.get_config() == original.get_config()


def test_save_and_load(tokenizer, tmp_path):
    path = tmp_path / "tokenizer.json"
    path.write_text("what was there before")
    tokenizer.save(path)
    assert CharTokenizer.load(path).specification() == tokenizer.specification()
    assert [file.name for file in tmp_path.iterdir()] == ["tokenizer.json"]


def test_a_failed_save_leaves_the_old_file_alone(tokenizer, tmp_path, monkeypatch):
    path = tmp_path / "tokenizer.json"
    tokenizer.save(path)
    before = path.read_text()

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="No space"):
        tokenizer.save(path)
    assert path.read_text() == before
    assert [file.name for file in tmp_path.iterdir()] == ["tokenizer.json"]


@pytest.mark.parametrize(
    "change, message",
    [
        ({"version": 3}, "version 1 or 2, found 3.*upgrade"),
        ({"class_name": "WordTokenizer"}, "'CharTokenizer', found 'WordTokenizer'"),
        ({"vocabulary": ["\ufffd", "\n", "a", "a"]}, "repeats 'a'"),
        ({"vocabulary": ["\ufffd", "\n", "ab"]}, "one character.*'ab'"),
        ({"vocabulary": ["\ufffd", "\n", "\ud800"]}, "surrogate"),
        ({"vocabulary": ["\ufffd", "\n", 7]}, "7"),
        ({"vocabulary": None}, "vocabulary"),
    ],
)
def test_load_refuses_what_save_never_wrote(tokenizer, tmp_path, change, message):
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps({**tokenizer.specification(), **change}))
    with pytest.raises(ValueError, match=f"tokenizer.json.*{message}"):
        CharTokenizer.load(path)


@pytest.mark.parametrize("content", ["{", "[]", '{"class_name": "CharTokenizer", "version": 1}', "null"])
def test_load_refuses_other_files(tmp_path, content):
    path = tmp_path / "tokenizer.json"
    path.write_text(content)
    with pytest.raises(ValueError, match="does not hold a CharTokenizer"):
        CharTokenizer.load(path)


@pytest.mark.parametrize(
    "use",
    [
        lambda tokenizer: tokenizer.tokenize("a"),
        lambda tokenizer: tokenizer.detokenize([1]),
        lambda tokenizer: tokenizer.vocabulary_size(),
        lambda tokenizer: tokenizer.start_token_id,
        lambda tokenizer: tokenizer.specification(),
    ],
)
def test_use_before_adapt(use):
    with pytest.raises(ValueError, match=r"call adapt\(...\) first or pass vocabulary="):
        use(CharTokenizer())


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"vocabulary": ["a", "\n"]}, "begin with the unknown token '�'"),
        ({"vocabulary": []}, "begin with the unknown token"),
        ({"vocabulary": ["\ufffd", "a"]}, r"start token '\\n'"),
        ({"vocabulary": ["\ufffd", "\n", ""]}, "one character.*''"),
        ({"start_token": "<s>"}, "start_token must .*'<s>'"),
    ],
)
def test_bad_vocabularies(arguments, message):
    with pytest.raises(ValueError, match=message):
        CharTokenizer(**arguments)


@pytest.mark.parametrize(
    "inputs, error, message",
    [
        (3, TypeError, "inputs must be a string"),
        (["a", 3], TypeError, "inputs must hold strings.*3"),
        ([["a"]], TypeError, "inputs must hold strings"),
        (tf.constant([["a"]]), ValueError, r"inputs must have the shape \(\) or \(batch,\)"),
        ("a\ud800", ValueError, "lone surrogate.*position 1"),
    ],
)
def test_tokenize_refuses_what_is_not_text(tokenizer, inputs, error, message):
    with pytest.raises(error, match=message):
        tokenizer.tokenize(inputs)


@pytest.mark.parametrize(
    "token_ids, error, message",
    [
        ([1.0], TypeError, "token_ids must be integers"),
        (["a"], TypeError, "token_ids must be integers"),
        (3, ValueError, "id_to_token"),
        (np.zeros((1, 1, 1), int), ValueError, "token_ids must have the shape"),
    ],
)
def test_detokenize_refuses_what_are_not_ids(tokenizer, token_ids, error, message):
    with pytest.raises(error, match=message):
        tokenizer.detokenize(token_ids)


@pytest.mark.parametrize(
    "data, error, message",
    [
        ([1, 2], TypeError, "data must hold strings.*1"),
        (tf.data.Dataset.from_tensors(("a", 1)), TypeError, "data must be a dataset of string tensors"),
        (["ok", "\udfff"], ValueError, "data holds the lone surrogate"),
        (3, TypeError, "data must"),
    ],
)
def test_adapt_refuses_what_is_not_text(data, error, message):
    with pytest.raises(error, match=message):
        CharTokenizer().adapt(data)
