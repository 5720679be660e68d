import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kerasrnn._backend import keras, tf
from kerasrnn.tokenizers import WordTokenizer, patterns, tokenizer_from_specification

DATA = Path(os.environ.get("KERASRNN_DATA") or Path(__file__).parents[3] / "shared/data")


@pytest.fixture
def tokenizer():
    return WordTokenizer(["<unk>", "sea", "<s>", "the", ".", "é😀"])


def test_vocabulary_is_by_frequency_then_code_point():
    tokenizer = WordTokenizer()
    tokenizer.adapt(["b a c", "b, a! b", "<s> ."])
    assert tokenizer.get_vocabulary() == ["<unk>", "<s>", "b", "a", "!", ",", ".", "<", ">", "c", "s"]
    assert (tokenizer.unknown_token_id, tokenizer.start_token_id) == (0, 1)


def test_special_tokens_in_the_text_are_themselves_where_the_pattern_keeps_them_whole():
    tokenizer = WordTokenizer(pattern=patterns.NON_SPACES)
    tokenizer.adapt("a <unk> a <s> N")
    assert tokenizer.get_vocabulary() == ["<unk>", "<s>", "a", "N"]
    assert tokenizer("a <unk> <s>").numpy().tolist() == [2, 0, 1]


@pytest.mark.parametrize(
    "options, vocabulary",
    [
        ({"min_frequency": 2}, ["a", "b"]),
        ({"max_vocabulary_size": 3}, ["a"]),
        ({"max_vocabulary_size": 100, "min_frequency": 3}, ["a"]),
        ({"lowercase": True, "min_frequency": 2}, ["a", "b", "c"]),
    ],
)
def test_limits(options, vocabulary):
    tokenizer = WordTokenizer(**options)
    tokenizer.adapt(tf.data.Dataset.from_tensor_slices(["a b", "a b C a c"]).batch(2))
    assert tokenizer.get_vocabulary() == ["<unk>", "<s>", *vocabulary]


def test_batches_single_texts_and_pipelines(tokenizer):
    texts = ["the sea.", "", " \t", "sea-sea"]
    expected = [[3, 1, 4], [], [], [1, 0, 1]]
    assert tokenizer.tokenize(texts).to_list() == expected
    assert [tokenizer.tokenize(text).numpy().tolist() for text in texts] == expected
    lines = tf.data.Dataset.from_tensor_slices(texts)
    assert [ids.tolist() for ids in lines.map(tokenizer).as_numpy_iterator()] == expected
    assert next(iter(lines.batch(4).map(tokenizer))).to_list() == expected
    joined = next(iter(lines.batch(4).map(tokenizer).map(tokenizer.detokenize))).numpy().tolist()
    assert joined == [b"the sea .", b"", b"", b"sea <unk> sea"]


def test_tokenize_survives_saving_as_a_graph(tokenizer, tmp_path):
    module = tf.Module()
    module.tokenize = tf.function(tokenizer.tokenize, input_signature=[tf.TensorSpec((), tf.string)])
    tf.saved_model.save(module, str(tmp_path))
    np.testing.assert_array_equal(tf.saved_model.load(str(tmp_path)).tokenize("the ship."), [3, 0, 4])


def test_lower_case_is_of_each_code_point():
    tokenizer = WordTokenizer(["<unk>", "<s>", "οδοσ", "İ", "ß", "é"], lowercase=True)
    assert tokenizer("ΟΔΟΣ İ ẞ É ς").numpy().tolist() == [2, 3, 4, 5, 0]


@given(st.lists(st.text(), max_size=4))
@example(["", "\0", "\r\n", "\ufeffx", "e\u0301", "שלום", "👩‍👩‍👧", "\ufffe\uffff\U0010ffff", " a\u2003 b\x85"])
@settings(deadline=None, max_examples=50)
def test_round_trip_where_spaces_are_tokens(texts):
    tokenizer = WordTokenizer(pattern=patterns.WORDS_AND_SPACES, separator="")
    tokenizer.adapt(texts)
    assert [text.decode() for text in tokenizer.detokenize(tokenizer.tokenize(texts)).numpy()] == texts


@pytest.mark.parametrize("pattern", [patterns.WORDS_AND_SYMBOLS, patterns.WORDS_AND_SPACES, r"[a-z]+|\d"])
@given(text=st.text(st.sampled_from("aBÉΣİ1 .'\n\r\0—😀")))
@settings(deadline=None, max_examples=30)
def test_offsets_are_where_the_words_are(pattern, text):
    tokenizer = WordTokenizer(pattern=pattern, lowercase=True)
    tokenizer.adapt(text)
    found = [tokenizer.tokenize(text[begin:end]).numpy().tolist() for begin, end in tokenizer.offsets(text)]
    assert found == [[id] for id in tokenizer.tokenize(text).numpy()]


def test_many_words_are_each_found_and_no_other_is():
    words = [f"w{number}" for number in range(50_000)]
    tokenizer = WordTokenizer(["<unk>", "<s>", *words[::2]])
    token_ids = tokenizer.tokenize(" ".join(words)).numpy()
    np.testing.assert_array_equal(token_ids[::2], np.arange(2, 25_002))
    assert not token_ids[1::2].any()


def test_ten_megabytes_without_a_space():
    tokenizer = WordTokenizer(["<unk>", "<s>"])
    assert tokenizer.tokenize("a" * 10_000_000).numpy().tolist() == [0]


def test_the_time_machine_has_the_books_words():
    path = DATA / "time_machine/timemachine.txt"
    if not path.exists():
        pytest.skip("needs time_machine: set KERASRNN_DATA to the folder that holds it")
    tokenizer = WordTokenizer(pattern="[a-z]+", lowercase=True)
    with path.open(encoding="utf-8") as lines:
        tokenizer.adapt(lines)
    assert len(tokenizer.tokenize(path.read_bytes())) == 32_775
    assert tokenizer.vocabulary_size() - 2 == 4_579


def test_adapt_shows_its_progress(capsys):
    WordTokenizer().adapt(iter(["a", "b"]), verbose=1)
    assert "2/Unknown" in capsys.readouterr().out
    WordTokenizer().adapt(["a", "b"])
    assert not capsys.readouterr().out


def test_save_load_and_keras_serialisation(tokenizer, tmp_path):
    tokenizer = WordTokenizer(tokenizer.get_vocabulary(), patterns.NON_SPACES, True, 3, 100, "", "<unk>", "the")
    tokenizer.save(tmp_path / "tokenizer.json")
    restored = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(tokenizer))
    specification = tokenizer_from_specification(json.loads((tmp_path / "tokenizer.json").read_text()))
    for other in (WordTokenizer.load(tmp_path / "tokenizer.json"), restored, specification):
        assert isinstance(other, WordTokenizer)
        assert other.get_config() == tokenizer.get_config()


@pytest.mark.parametrize(
    "change, message",
    [
        ({"version": 3}, "version 1 or 2, found 3.*upgrade"),
        ({"class_name": "SyllableTokenizer"}, "SyllableTokenizer.*upgrade"),
        ({"vocabulary": ["<unk>", "<s>", "a", "a"]}, "repeats 'a'"),
        ({"vocabulary": ["<unk>", "<s>", ""]}, "neither empty"),
        ({"vocabulary": None}, "list as the vocabulary"),
        ({"syllables": 3}, "damaged.*syllables"),
    ],
)
def test_damaged_specifications(tokenizer, change, message):
    with pytest.raises(ValueError, match=message):
        tokenizer_from_specification({**tokenizer.specification(), **change})


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        ({"vocabulary": ["a"]}, ValueError, "begin with the unknown token"),
        ({"vocabulary": ["<unk>"]}, ValueError, "hold the start token '<s>'"),
        ({"vocabulary": ["<unk>", "<s>", "\ud800"]}, ValueError, "surrogates"),
        ({"vocabulary": ["<unk>", "<s>", 3]}, TypeError, "received 3"),
        ({"separator": None}, TypeError, "separator must be a string"),
        ({"separator": "\0"}, ValueError, "separator must not hold NUL"),
    ],
)
def test_bad_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        WordTokenizer(**arguments)


def test_use_before_adapt():
    with pytest.raises(ValueError, match=r"This WordTokenizer has no vocabulary yet: call adapt\(...\)"):
        WordTokenizer().tokenize("a")
