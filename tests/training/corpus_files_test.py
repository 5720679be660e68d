"""Corpora by name, from files, and from folders in the layouts that are known."""

import pytest

from kerasrnn.data import published
from kerasrnn.training import read_corpus
from kerasrnn.training.corpus_files import origin


def test_names_and_files(tmp_path, monkeypatch):
    (tmp_path / "moby_dick").write_text("a text of this name")
    assert read_corpus("moby_dick").name == "moby_dick" and len(read_corpus("moby_dick").train) > 10**6
    monkeypatch.chdir(tmp_path)
    assert len(read_corpus("moby_dick").train) < 20
    assert read_corpus([str(tmp_path / "moby_dick")] * 2).name == "moby_dick, moby_dick"
    with pytest.raises(ValueError, match="'moby' is no file or folder in .*, and as a corpus: name must be one of 'moby"):
        read_corpus("moby")
    with pytest.raises(FileNotFoundError, match="moby.txt"):
        read_corpus("moby.txt")


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("ptb", ("ptb.train.txt", "ptb.valid.txt", "ptb.test.txt")),
        ("ptb", [f"simple-examples/data/ptb.{part}.txt" for part in ("train", "valid", "test")]),
        ("wikitext2", ("wiki.train.tokens", "wiki.valid.tokens", "wiki.test.tokens")),
        ("tales", ("train.txt", "valid.txt", "test.txt")),
        ("tales", ("train.txt", "dev.txt", "test.txt")),
    ],
)
def test_folders_in_parts(tmp_path, name, files):
    folder = tmp_path / "tales"
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(f"in {file}")
    corpus = read_corpus(str(folder))
    assert [corpus.name, corpus.train, corpus.validation, corpus.test] == [name, *(f"in {file}" for file in files)]
    assert origin([str(folder)], corpus) == f"{name}, recognised in {folder}"


def test_a_folder_of_a_corpuss_name_is_read_only_where_it_holds_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "moby_dick").mkdir()
    assert len(read_corpus("moby_dick").train) > 10**6
    for part in ("train", "valid"):
        (tmp_path / "moby_dick" / f"{part}.txt").write_text(part)
    corpus = read_corpus("moby_dick")
    assert (corpus.train, corpus.test) == ("train", "")


def test_a_published_corpus_by_its_name(tmp_path, monkeypatch):
    monkeypatch.delenv("KERASRNN_DATA", raising=False)
    with pytest.raises(ValueError, match="the corpus of that name is not downloaded. Name the folder .*KERASRNN_DATA"):
        read_corpus("ptb")
    monkeypatch.setenv("KERASRNN_DATA", str(tmp_path))
    (tmp_path / "ptb").mkdir()
    for part in ("train", "valid", "test"):
        (tmp_path / "ptb" / f"ptb.{part}.txt").write_text(part)
    assert read_corpus("ptb").validation == "valid"


def test_text8_in_a_folder_or_by_its_size(tmp_path, monkeypatch):
    monkeypatch.setitem(published._NUM_BYTES, "text8", 40)
    (tmp_path / "text8").write_text(" anarchism originated as a term of abuse")
    for path in (tmp_path, tmp_path / "text8"):
        corpus = read_corpus(str(path))
        assert (corpus.name, len(corpus.train), corpus.validation) == ("text8", 36, "bu")
    (tmp_path / "text8").write_text("another text of this name, which is longer")
    corpus = read_corpus(str(tmp_path / "text8"))
    assert (corpus.name, len(corpus.train)) == ("text8", 38)
    with pytest.raises(ValueError, match="must have 40 bytes"):
        read_corpus(str(tmp_path))


def test_an_unknown_folder_is_told_what_it_should_hold_and_what_it_does(tmp_path):
    with pytest.raises(ValueError, match="holds ptb.train.txt, .*enwik8; or train.txt and valid.txt .*but holds nothing"):
        read_corpus(str(tmp_path))
    (tmp_path / "old").mkdir()
    (tmp_path / "train.txt").write_text("no validation text")
    with pytest.raises(ValueError, match="but holds old/, train.txt. Rename"):
        read_corpus(str(tmp_path))
    for number in range(20):
        (tmp_path / f"{number:02}.txt").write_text("x")
    with pytest.raises(ValueError, match="09.txt and 12 more. Rename"):
        read_corpus(str(tmp_path))
    (tmp_path / "ptb.train.txt").write_text("no others")
    with pytest.raises(FileNotFoundError, match="lacks ptb.valid.txt, ptb.test.txt"):
        read_corpus(str(tmp_path))
