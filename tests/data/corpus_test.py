import dataclasses

import pytest

from kerasrnn.data import Corpus


def test_splits_are_contiguous_and_lose_nothing():
    text = "".join(map(chr, range(97, 97 + 20)))
    corpus = Corpus.from_texts(text, splits=(0.7, 0.2, 0.1))
    assert (corpus.train, corpus.validation, corpus.test) == (text[:14], text[14:18], text[18:])


@pytest.mark.parametrize("splits", [(1, 0, 0), (0.9, 0.1, 0), (0, 0, 1), (1 / 3, 1 / 3, 1 / 3), (0.7, 0.2, 0.1)])
@pytest.mark.parametrize("length", [1, 2, 3, 10, 999])
def test_a_share_of_zero_is_empty_and_the_rest_is_complete(splits, length):
    text = "é" * length
    corpus = Corpus.from_texts(text, splits)
    parts = (corpus.train, corpus.validation, corpus.test)
    assert "".join(parts) == text
    assert all(not part for part, share in zip(parts, splits) if share == 0)


def test_texts_are_joined_by_the_separator():
    assert Corpus.from_texts(["a", "", "b"], (1, 0, 0)).train == "a\n\nb"
    assert Corpus.from_texts((text for text in "ab"), (1, 0, 0), separator=" | ").train == "a | b"


def test_repr_tells_lengths_not_text():
    assert repr(Corpus("a" * 1000, "b", "", "name")) == (
        "Corpus(name='name', train=1,000 characters, validation=1 characters, test=0 characters)"
    )


def test_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Corpus("a", "b", "c").train = "z"


def test_from_files(tmp_path):
    first, second = tmp_path / "first.txt", tmp_path / "second.txt"
    first.write_bytes(b"\xef\xbb\xbfcaf\xc3\xa9\r\n")
    second.write_bytes(b"tea")
    assert Corpus.from_files(first, (1, 0, 0), name="drinks") == Corpus("café\r\n", "", "", "drinks")
    assert Corpus.from_files([str(first), second], (1, 0, 0)).train == "café\r\n\ntea"


@pytest.mark.parametrize(
    "content, message",
    [
        (b"caf\xe9!", "byte 0xE9 at offset 3.*iconv"),
        (b"\xef\xbb\xbfcaf\xe9!", "byte 0xE9 at offset 6"),
        ("UTF-16".encode("utf-16"), "byte 0xFF at offset 0"),
        (b"", "is empty"),
    ],
)
def test_from_files_names_the_file_and_what_is_wrong_with_it(tmp_path, content, message):
    (tmp_path / "good.txt").write_bytes(b"good")
    (tmp_path / "bad.txt").write_bytes(content)
    with pytest.raises(ValueError, match=f"bad.txt.*{message}"):
        Corpus.from_files([tmp_path / "good.txt", tmp_path / "bad.txt"])


def test_from_files_without_a_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere.txt"):
        Corpus.from_files(tmp_path / "nowhere.txt")
    with pytest.raises(ValueError, match="is a folder.*glob"):
        Corpus.from_files(tmp_path)
    with pytest.raises(ValueError, match="at least one character"):
        Corpus.from_files([])


@pytest.mark.parametrize(
    "splits", [(0.9, 0.1), (0.9, 0.05, 0.1), (1.1, -0.1, 0), (float("nan"), 1, 0), (90, 5, 5), 0.9]
)
def test_splits_must_be_three_shares(splits):
    with pytest.raises(ValueError, match="splits must be three shares"):
        Corpus.from_texts("text", splits)


@pytest.mark.parametrize(
    "texts, error, message",
    [
        ("", ValueError, "empty"),
        ([], ValueError, "empty"),
        (b"ab", TypeError, "texts must be"),
        ([None], TypeError, "None"),
    ],
)
def test_texts_must_be_text(texts, error, message):
    with pytest.raises(error, match=message):
        Corpus.from_texts(texts)
