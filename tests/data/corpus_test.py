import dataclasses
import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kerasrnn.data import Corpus, read_text


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
        ("naïve".encode("utf-16-le"), "byte 0xEF at offset 4"),
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
    with pytest.raises(ValueError, match="at least one file"):
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


TEXTS = ["one", "two two", "", "three"]


@given(st.lists(st.text(max_size=9), min_size=1).filter(any), st.text(max_size=2), st.permutations([0, 0.3, 0.7]))
def test_documents_come_back_whole_and_in_order(texts, separator, splits):
    corpus = Corpus.from_texts(texts, tuple(splits), separator, keep_documents=True)
    parts = {part: corpus.documents(part) for part in ("train", "validation", "test")}
    assert [text for documents in parts.values() for text in documents] == texts
    assert all(separator.join(documents) == getattr(corpus, part) for part, documents in parts.items())
    assert all(not documents for share, documents in zip(splits, parts.values()) if share == 0)


def test_a_document_belongs_where_its_middle_falls():
    corpus = Corpus.from_texts(["aaaa", "bb", "cccc"], (0.5, 0.5, 0), "|", keep_documents=True)
    assert (corpus.train, corpus.validation) == ("aaaa", "bb|cccc")
    corpus = Corpus.from_texts(["aaaa", "bb", "cccc"], (0.51, 0.49, 0), "|", keep_documents=True)
    assert (corpus.train, corpus.validation) == ("aaaa|bb", "cccc")


@pytest.mark.parametrize("counts", [(2, 1, 1), (None, 1, 1), (2, None, 1), (2, 1, None)])
def test_counts_share_out_documents(counts):
    corpus = Corpus.from_texts(TEXTS, counts=counts, keep_documents=True)
    assert [corpus.documents(part) for part in ("train", "validation", "test")] == [("one", "two two"), ("",), ("three",)]
    joined = Corpus.from_texts(TEXTS, counts=counts)
    assert (joined.train, joined.validation, joined.test) == ("one\ntwo two", "", "three")


@pytest.mark.parametrize(
    "counts, message",
    [
        ((2, 1, 0), "of which there are 4, but .* are 3.*None"),
        ((4, 1, None), "of which there are 4, but .* are 5"),
        ((None, None, 1), "one of which may be None"),
        ((0.5, 0.25, 0.25), "whole numbers.*splits"),
        ((5, -1, 0), "whole numbers"),
        ((4, 0), "three whole numbers"),
        (4, "three whole numbers"),
    ],
)
def test_counts_must_fit(counts, message):
    with pytest.raises(ValueError, match=f"counts must .*{message}"):
        Corpus.from_texts(TEXTS, counts=counts)


def test_documents_need_boundaries():
    corpus = Corpus.from_texts(TEXTS)
    with pytest.raises(ValueError, match="keep_documents=True"):
        corpus.documents()
    with pytest.raises(ValueError, match="part must be one of .*'dev'"):
        corpus.documents("dev")


def test_repr_tells_how_many_documents():
    corpus = Corpus.from_texts(TEXTS, (1, 0, 0), keep_documents=True)
    expected = "Corpus(name=None, train=18 characters in 4 documents, validation=0 characters in 0 documents, "
    assert repr(corpus).startswith(expected)


def test_kept_documents_are_hashed_and_compared():
    first, second = (Corpus.from_texts(TEXTS, keep_documents=True) for _ in range(2))
    assert first == second and hash(first) == hash(second)
    assert first != Corpus.from_texts(["one\ntwo two", "", "three"], keep_documents=True)


def test_from_files_unpacks_and_decodes(tmp_path):
    (tmp_path / "a.gz").write_bytes(gzip.compress("café".encode("latin-1"), mtime=0))
    assert Corpus.from_files(tmp_path / "a.gz", (1, 0, 0), encoding="latin-1").train == "café"


def test_from_splits(tmp_path):
    for name in "abcd":
        (tmp_path / name).write_text(name * 3)
    a, b, c, d = (tmp_path / name for name in "abcd")
    corpus = Corpus.from_splits(train=[a, b], validation=c, test=read_text(d), name="letters", keep_documents=True)
    assert (corpus.train, corpus.validation, corpus.test, corpus.name) == ("aaa\nbbb", "ccc", "ddd", "letters")
    assert corpus.documents("train") == ("aaa", "bbb")
    assert Corpus.from_splits(a) == Corpus("aaa", "", "")


def test_from_splits_refuses_a_file_in_two_parts(tmp_path):
    (tmp_path / "a").write_text("a")
    (tmp_path / "link").symlink_to(tmp_path / "a")
    with pytest.raises(ValueError, match="test must name other files than train.*link"):
        Corpus.from_splits(train=[tmp_path / "a"], test=[tmp_path / "link"])
    with pytest.raises(ValueError, match="at least one character"):
        Corpus.from_splits(train=())
