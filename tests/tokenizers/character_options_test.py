import os
import re
import unicodedata
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kerasrnn._backend import keras, tf
from kerasrnn.tokenizers import CharTokenizer, tokenizer_from_specification

DATA = Path(os.environ.get("KERASRNN_DATA") or Path(__file__).parents[3] / "shared/data")


@given(st.lists(st.text() | st.text(st.sampled_from("aZ é.\n")), max_size=4))
@example(["", " ", "..", "a..", "..a", "É", ""])
@settings(deadline=None, max_examples=50)
def test_letters_are_the_books_normalisation(texts):
    tokenizer = CharTokenizer(standardize="letters")
    tokenizer.adapt(texts)
    expected = [re.sub("[^A-Za-z]+", " ", text).lower() for text in texts]
    assert [text.decode() for text in tokenizer.detokenize(tokenizer.tokenize(texts)).numpy()] == expected
    assert set(tokenizer.get_vocabulary()) == {"\ufffd", " ", *"".join(expected)}
    for text, standard in zip(texts, expected):
        found = [re.sub("[^A-Za-z]+", " ", text[begin:end]).lower() for begin, end in tokenizer.offsets(text)]
        assert found == list(standard)


def test_a_letter_outside_the_vocabulary_is_unknown_and_no_space():
    tokenizer = CharTokenizer(["?", " ", "a"], unknown_token="?", standardize="letters")
    assert tokenizer("Aé bB--a").numpy().tolist() == [2, 1, 0, 0, 1, 2]


def test_the_time_machine_has_the_books_characters():
    path = DATA / "time_machine/timemachine.txt"
    if not path.exists():
        pytest.skip("needs time_machine: set KERASRNN_DATA to the folder that holds it")
    tokenizer = CharTokenizer(standardize="letters")
    tokenizer.adapt(path.read_bytes())
    assert len(tokenizer.tokenize(path.read_bytes())) == 173_428
    assert tokenizer.vocabulary_size() == 28


def test_lower_case_is_of_each_code_point():
    tokenizer = CharTokenizer(lowercase=True)
    tokenizer.adapt("ÀΣİẞz")
    assert tokenizer.get_vocabulary() == ["\ufffd", "\n", "z", "ß", "à", "İ", "σ"]
    assert tokenizer("ZÀàΣςİẞ").numpy().tolist() == [2, 4, 4, 6, 0, 5, 3]
    assert tokenizer.offsets("ZÀ").tolist() == [[0, 1], [1, 2]]


@given(st.text(st.sampled_from("e\u0301\u0327éﬁ①가가 ")))
@settings(deadline=None, max_examples=50)
def test_normalization_forms(text):
    for form in ("NFC", "NFKC"):
        tokenizer = CharTokenizer(normalization=form)
        tokenizer.adapt(text)
        normal = unicodedata.normalize(form, text)
        assert tokenizer.detokenize(tokenizer.tokenize(text)).numpy().decode() == normal
        assert len(tokenizer.offsets(normal)) == len(tokenizer.tokenize(text))
        assert tokenizer.tokenize([text, ""]).to_list() == [tokenizer.tokenize(text).numpy().tolist(), []]


def test_normalization_in_a_graph_needs_tensorflow_text(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "tensorflow_text", None)
    tokenizer = CharTokenizer(["\ufffd", "\n", "é"], normalization="NFC")
    with pytest.raises(ValueError, match="normalization='NFC' needs tensorflow-text.*Install it"):
        tf.data.Dataset.from_tensor_slices(["e\u0301"]).map(tokenizer)


def test_normalization_in_a_graph_is_that_of_python():
    pytest.importorskip("tensorflow_text")
    tokenizer = CharTokenizer(["\ufffd", "\n", "é", "f", "i"], normalization="NFKC")
    texts = ["e\u0301", "ﬁ", b"\xff", ""]
    assert tf.function(tokenizer.tokenize)(tf.constant(texts)).to_list() == tokenizer.tokenize(texts).to_list()


def test_offsets_into_a_text_that_normalization_changes_are_refused():
    tokenizer = CharTokenizer(["\ufffd", "\n", "é"], normalization="NFC")
    with pytest.raises(ValueError, match=r"form NFC already.*unicodedata.normalize\('NFC', text\)"):
        tokenizer.offsets("e\u0301")


@pytest.mark.parametrize(
    "options, vocabulary",
    [
        ({"min_frequency": 2}, ["\ufffd", "\n", "a", "b"]),
        ({"max_vocabulary_size": 3}, ["\ufffd", "\n", "b"]),
        ({"max_vocabulary_size": 4, "standardize": "letters"}, ["\ufffd", " ", "a", "b"]),
        ({"max_vocabulary_size": 1}, ["\ufffd", "\n"]),
    ],
)
def test_limits(options, vocabulary):
    tokenizer = CharTokenizer(**options)
    tokenizer.adapt("abbbac")
    assert tokenizer.get_vocabulary() == vocabulary


def test_options_are_serialised():
    tokenizer = CharTokenizer(None, "?", "a", "NFC", True, "letters", 2, 20)
    tokenizer.adapt("The Time Machine")
    restored = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(tokenizer))
    for other in (restored, tokenizer_from_specification(tokenizer.specification())):
        assert other.get_config() == tokenizer.get_config()


def test_specifications_without_options_are_read():
    old = {"class_name": "CharTokenizer", "version": 1, "vocabulary": ["?", "a"], "unknown_token": "?", "start_token": "a"}
    assert tokenizer_from_specification(old)("Aa").numpy().tolist() == [0, 1]


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"standardize": "vowels"}, "standardize must be None or \"letters\", but is 'vowels'"),
        ({"normalization": "NFD"}, "normalization must be"),
        ({"vocabulary": ["?", "\n", "A"], "lowercase": True}, "holds 'A'"),
        ({"vocabulary": ["?", "\n", "a"], "standardize": "letters", "start_token": "\n"}, "lacks the space"),
        ({"vocabulary": ["?", " ", "é"], "standardize": "letters"}, "holds 'é'"),
    ],
)
def test_bad_options(arguments, message):
    with pytest.raises(ValueError, match=message):
        CharTokenizer(**{"unknown_token": "?", **arguments})
