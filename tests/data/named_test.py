import dataclasses
import functools
import hashlib
import os
from pathlib import Path

import pytest

from kerasrnn._backend import keras
from kerasrnn.data import load_corpus, named, published

CONTENT = b"The Time Traveller (for so it will be convenient to speak of him)"


@pytest.fixture
def offline(tmp_path, monkeypatch):
    """Replaces the network by a folder of files, and Keras's cache by another."""
    monkeypatch.delenv("KERASRNN_DATA", raising=False)
    (tmp_path / "cache").mkdir()
    monkeypatch.setattr(keras.utils, "get_file", functools.partial(keras.utils.get_file, cache_dir=tmp_path / "cache"))
    source = tmp_path / "source.txt"
    download = dataclasses.replace(
        named._DOWNLOADS["time_machine"], url=source.as_uri(), sha256=hashlib.sha256(CONTENT).hexdigest()
    )
    monkeypatch.setitem(named._DOWNLOADS, "time_machine", download)
    return source


def test_moby_dick_comes_with_the_package():
    corpus = load_corpus("moby_dick")
    assert corpus.name == "moby_dick"
    assert [len(part) for part in (corpus.train, corpus.validation, corpus.test)] == [1071285, 59516, 59516]
    assert len(set(corpus.train + corpus.validation + corpus.test)) == 83


@pytest.mark.parametrize("name, length", [("time_machine", 178979), ("tiny_shakespeare", 1115394)])
def test_corpora_in_the_data_folder(name, length):
    path = Path(os.environ.get("KERASRNN_DATA", "")) / named._DOWNLOADS[name].path
    if not path.exists():
        pytest.skip(f"{path} is not there: set KERASRNN_DATA to the folder of data sets")
    corpus = load_corpus(name, splits=(0.9, 0.1, 0))
    assert len(corpus.train) + len(corpus.validation) == length
    assert corpus.test == ""


def test_downloads_once(offline):
    offline.write_bytes(CONTENT)
    first = load_corpus("time_machine", splits=(1, 0, 0))
    offline.unlink()
    assert load_corpus("time_machine", splits=(1, 0, 0)) == first
    assert first.train.encode() == CONTENT


def test_the_data_folder_comes_before_the_network(offline, tmp_path, monkeypatch):
    monkeypatch.setenv("KERASRNN_DATA", str(tmp_path))
    (tmp_path / "time_machine").mkdir()
    (tmp_path / "time_machine/timemachine.txt").write_bytes(CONTENT)
    assert load_corpus("time_machine", splits=(1, 0, 0)).train.encode() == CONTENT


def test_without_network_tells_what_to_do(offline):
    with pytest.raises(ConnectionError, match="'time_machine'.*time_machine/timemachine.txt.*KERASRNN_DATA"):
        load_corpus("time_machine")


def test_another_file_is_refused(offline):
    offline.write_bytes(b"another text")
    expected, found = hashlib.sha256(CONTENT).hexdigest(), hashlib.sha256(b"another text").hexdigest()
    with pytest.raises(ValueError, match=f"time_machine.txt' must have .* {expected}, but has {found}"):
        load_corpus("time_machine")


def test_unknown_name():
    with pytest.raises(
        ValueError, match="'moby_dick', 'time_machine', 'tiny_shakespeare', .*'enwik8', but is 'odyssey'.*from_files"
    ):
        load_corpus("odyssey")


def test_checksums_are_those_of_the_data_folder():
    path = Path(os.environ.get("KERASRNN_DATA", "")) / "SHA256SUMS"
    if not path.exists():
        pytest.skip(f"{path} is not there: set KERASRNN_DATA to the folder of data sets")
    known = dict(reversed(line.split()) for line in path.read_text().splitlines())
    for download in named._DOWNLOADS.values():
        assert known[f"./{download.path}"] == download.sha256
    corpus = load_corpus("moby_dick", splits=(1, 0, 0))
    assert known["./moby_dick/moby_dick.txt"] == hashlib.sha256(corpus.train.encode()).hexdigest()


def test_path_of_a_download(offline, tmp_path):
    (tmp_path / "timemachine.txt").write_bytes(CONTENT)
    for path in (tmp_path, tmp_path / "timemachine.txt"):
        assert load_corpus("time_machine", (1, 0, 0), path).train.encode() == CONTENT
    with pytest.raises(FileNotFoundError, match="path must name .*nowhere"):
        load_corpus("time_machine", path=tmp_path / "nowhere")
    with pytest.raises(ValueError, match="path must be None for 'moby_dick'"):
        load_corpus("moby_dick", path=tmp_path)


PUBLISHED = [
    ("ptb", "simple-examples/data", ("ptb.train.txt", "ptb.valid.txt", "ptb.test.txt"), " no it was n't <unk> monday \n"),
    ("wikitext2", "wikitext-2", ("wiki.train.tokens", "wiki.valid.tokens", "wiki.test.tokens"), " \n = Café @-@ au = \n"),
]


@pytest.mark.parametrize("name, inner, files, text", PUBLISHED)
def test_published_parts(tmp_path, monkeypatch, name, inner, files, text):
    monkeypatch.setenv("KERASRNN_DATA", str(tmp_path))
    folder = tmp_path / name / inner
    folder.mkdir(parents=True)
    for number, file in enumerate(files, 1):
        (folder / file).write_text(text * number, "utf-8")
    for path in (folder, folder.parent, tmp_path / name, None):
        corpus = load_corpus(name, path=path)
        assert (corpus.train, corpus.validation, corpus.test, corpus.name) == (text, text * 2, text * 3, name)
    with pytest.raises(ValueError, match="splits must be None.*from_files"):
        load_corpus(name, (0.9, 0.1, 0), folder)
    (folder / files[1]).unlink()
    with pytest.raises(FileNotFoundError, match=f"{inner}' lacks {files[1]}"):
        load_corpus(name, path=folder)
    with pytest.raises(FileNotFoundError, match=f"folder that holds {files[0]}.*nowhere' does not exist"):
        load_corpus(name, path=tmp_path / "nowhere")


@pytest.mark.parametrize("name", published.NAMES)
def test_published_corpora_need_a_path(monkeypatch, name):
    monkeypatch.delenv("KERASRNN_DATA", raising=False)
    with pytest.raises(ValueError, match=f"path must say where '{name}' lies.*KERASRNN_DATA"):
        load_corpus(name)


@pytest.mark.parametrize("name", ["text8", "enwik8"])
def test_usual_parts_of_one_file(tmp_path, monkeypatch, name):
    monkeypatch.setitem(published._NUM_BYTES, name, 40)
    text = " anarchism originated as a term of abuse"
    (tmp_path / name).write_text(text)
    for path in (tmp_path, tmp_path / name):
        corpus = load_corpus(name, path=path)
        assert (corpus.train, corpus.validation, corpus.test) == (text[:36], text[36:38], text[38:])
    assert load_corpus(name, (0.5, 0.5, 0), tmp_path).validation == text[20:]
    (tmp_path / name).write_text(text[:30])
    with pytest.raises(ValueError, match=f"{name}' must have 40 bytes.* has 30.*truncated.*splits="):
        load_corpus(name, path=tmp_path)
    assert len(load_corpus(name, (0.9, 0.1, 0), tmp_path).train) == 27
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(ValueError, match="is empty"):
        load_corpus(name, (0.9, 0.1, 0), tmp_path)
    with pytest.raises(FileNotFoundError, match=f"name the file '{name}'"):
        load_corpus(name, path=tmp_path / "nowhere")


@pytest.mark.parametrize("character", ["a", "é", "€", "𝄞"])
@pytest.mark.parametrize("shift", range(4))
def test_enwik8_is_cut_in_bytes_but_not_inside_a_character(tmp_path, character, shift):
    content = b"x" * shift + character.encode() * 12
    (tmp_path / "enwik8").write_bytes(content)
    corpus = load_corpus("enwik8", (0.5, 0.25, 0.25), tmp_path)
    assert (corpus.train + corpus.validation + corpus.test).encode() == content
    assert 0 <= round(0.5 * len(content)) - len(corpus.train.encode()) < len(character.encode())
    assert 0 <= round(0.75 * len(content)) - len((corpus.train + corpus.validation).encode()) < len(character.encode())
    (tmp_path / "enwik8").write_bytes(content + "𝄞".encode()[:shift])
    corpus = load_corpus("enwik8", (0.5, 0.25, 0.25), tmp_path)
    assert (corpus.train + corpus.validation + corpus.test).encode() == content


def test_enwik8_in_another_encoding(tmp_path):
    (tmp_path / "enwik8").write_bytes(b"first\nsecond \xff third")
    with pytest.raises(ValueError, match="enwik8', line 2, has the byte 0xFF at offset 13"):
        load_corpus("enwik8", (0.9, 0.1, 0), tmp_path)
